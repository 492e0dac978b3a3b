// When requests are to leave, decided before the first one does. Invariant: the same seed gives the same times; nothing that happens changes them.
import { seededRandom } from '../core/random.ts'

export interface Stage {
  readonly durationMs: number
  readonly perSecond: number
}

/**
 * Offsets in ms from the start, ascending: independent arrivals, stage after stage, of exactly the number that the rate gives. That is a Poisson
 * process of which the count is known: its arrivals are uniform. So a short run offers what was asked for, not what chance made of it.
 */
export function poissonSchedule(stages: readonly Stage[], seed: number): Float64Array {
  const random = seededRandom(`schedule/${seed}`)
  const counts = stages.map(({ durationMs, perSecond }) => Math.round((durationMs * perSecond) / 1_000))
  const times = new Float64Array(counts.reduce((sum, count) => sum + count, 0))
  let first = 0
  let fromMs = 0
  for (const [index, { durationMs }] of stages.entries()) {
    const end = first + (counts[index] ?? 0)
    for (let at = first; at < end; at += 1) times[at] = fromMs + random() * durationMs
    times.subarray(first, end).sort()
    first = end
    fromMs += durationMs
  }
  return times
}
