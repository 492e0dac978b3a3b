// A score as a screen shows it: with how far its judges were apart, where that is worth a word.
import type { Spread } from '../orchestration/events.ts'

/** Judges this far apart do not mean the same by their scores. */
const wide = 1

/** `8.4`, or `8.4 (7.2-9.6)` where the judges were a point or more apart; `-` without a score. A run recorded before there was a spread has none. */
export function scoreWithSpread(score: number | null, spread: Spread | null | undefined): string {
  if (score === null) return '-'
  const isWide = spread !== null && spread !== undefined && spread.highest - spread.lowest >= wide
  return isWide ? `${score.toFixed(1)} (${spread.lowest.toFixed(1)}-${spread.highest.toFixed(1)})` : score.toFixed(1)
}
