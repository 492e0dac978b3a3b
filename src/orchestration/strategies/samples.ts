// Answers that were given at once: each is judged by itself, and the best of them is what the run comes to.
import type { OrxError } from '../../core/errors.ts'
import type { Answer } from '../author.ts'
import { median, spreadOf } from '../judge.ts'
import { judgeAnswer } from '../panel.ts'
import type { ModelOption } from '../select.ts'
import type { StopReason } from '../events.ts'
import { interruptionOf, type Ending, type RunContext } from './strategy.ts'

export interface Sampled {
  readonly iteration: number
  /** Null: the call failed. */
  readonly answer: Answer | null
  /** Median of its valid verdicts; null without one. */
  readonly score: number | null
  readonly costReached: boolean
  readonly error: OrxError | null
}

/** Lets the critics judge one answer and tells that its iteration is over. */
export async function judged(
  run: RunContext,
  iteration: number,
  answer: Answer,
  critics: readonly ModelOption[],
  signal: AbortSignal,
): Promise<Sampled> {
  const others = critics.filter(({ model }) => model !== answer.model)
  const { judgements, costReached } = await judgeAnswer(run, iteration, answer, others, signal)
  const scores = judgements.map((judgement) => judgement.score)
  const score = median(scores)
  const { responseId, model } = answer
  run.emit({
    type: 'iteration-finished',
    iteration,
    responseId,
    model,
    score,
    spread: spreadOf(scores),
    bestResponseId: responseId,
    bestScore: score,
  })
  return { iteration, answer, score, costReached, error: null }
}

/** The best of several: by score, then the earlier one; unjudged ones last. */
export function endingOf(run: RunContext, sampled: readonly Sampled[], signal: AbortSignal): Ending {
  const answered = sampled.filter(({ answer }) => answer !== null)
  const best = answered.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0) || a.iteration - b.iteration)[0]
  const failed = sampled.findLast(({ error }) => error !== null)?.error ?? null
  return {
    stopReason: stopReasonOf(best, sampled, run.settings.threshold, interruptionOf(signal)),
    bestResponseId: best?.answer?.responseId ?? null,
    error: best === undefined ? failed : null,
  }
}

/** In the order of the contract: aborted, threshold, deadline, cost; then whether anybody judged. */
function stopReasonOf(
  best: Sampled | undefined,
  sampled: readonly Sampled[],
  threshold: number,
  interrupted: 'aborted' | 'deadline' | null,
): StopReason {
  if (interrupted === 'aborted') return 'aborted'
  if (best?.score !== null && best?.score !== undefined && best.score >= threshold) return 'threshold'
  if (interrupted === 'deadline') return 'deadline'
  if (sampled.some(({ costReached }) => costReached)) return 'cost'
  if (best === undefined) return 'failed'
  return best.score === null ? 'unjudged' : 'iterations'
}
