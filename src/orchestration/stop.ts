// When a run ends. Pure: the contract's conditions, in its order.
import type { RunSettings, StopReason } from './events.ts'

/** A score this far below the best is a regression. */
const regressionAbove = 0.5
/** A gain under this is none. */
const plateauBelow = 0.2
/** 8.1 - 7.9 is 0.1999...: scores are means, and differences of them are compared within this. */
const epsilon = 1e-9

export interface Standing {
  /** From 1: the iteration that has just ended. */
  readonly iteration: number
  /** Median of its valid verdicts; null without one. */
  readonly score: number | null
  /** The highest score before it; null at the first. */
  readonly bestBefore: number | null
  /** Refinements in a row without gain, this one included. */
  readonly withoutGain: number
  readonly interrupted: 'aborted' | 'deadline' | null
  readonly costReached: boolean
}

/** Whether a score is a gain over the best before it; the first always is. */
export function isGain(score: number, bestBefore: number | null): boolean {
  return bestBefore === null || score - bestBefore >= plateauBelow - epsilon
}

/** Whether a refinement's score tells neither a gain nor a loss: less than a gain away from the best score before it, on either side. */
export function isClose(score: number, bestBefore: number): boolean {
  return !isGain(score, bestBefore) && !isGain(bestBefore, score)
}

export function isGoodEnough(score: number | null, threshold: number): boolean {
  return score !== null && score >= threshold - epsilon
}

/** The reason to stop after an iteration, or null to go on. */
export function decideStop(standing: Standing, settings: Pick<RunSettings, 'threshold' | 'patience' | 'iterations'>): StopReason | null {
  const { score, bestBefore } = standing
  if (standing.interrupted === 'aborted') return 'aborted'
  if (isGoodEnough(score, settings.threshold)) return 'threshold'
  if (standing.interrupted === 'deadline') return 'deadline'
  if (standing.costReached) return 'cost'
  if (score === null) return 'unjudged'
  if (bestBefore !== null && standing.withoutGain >= settings.patience) {
    return bestBefore - score > regressionAbove + epsilon ? 'regression' : 'plateau'
  }
  return standing.iteration >= settings.iterations ? 'iterations' : null
}
