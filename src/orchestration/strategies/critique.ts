// The critique loop: one model answers, others judge in parallel, the author refines, until there is a reason to stop.
// Invariant: an ending names the best answer so far, whatever ended it; no model judges an answer of its own.
import { OrxError } from '../../core/errors.ts'
import { askAuthor, type Answer, type JudgedAnswer } from '../author.ts'
import { compareAnswers, majorityOf } from '../compare.ts'
import { median, spreadOf } from '../judge.ts'
import { judgeAnswer } from '../panel.ts'
import { algorithmVersion, pickCritics, type ModelOption } from '../select.ts'
import { decideStop, isClose, isGain, isGoodEnough } from '../stop.ts'
import { interruptionOf, type Ending, type RunContext } from './strategy.ts'

interface Best extends Answer {
  readonly score: number | null
}

export async function critique(run: RunContext, signal: AbortSignal): Promise<Ending> {
  const { settings } = run
  let author = run.author
  let last: JudgedAnswer | null = null
  let best: Best | null = null
  // The stop rules go by scores alone; which answer is kept does not change them.
  let highest: number | null = null
  let withoutGain = 0
  for (let iteration = 1; ; iteration += 1) {
    announce(run, iteration, author, panelOf(run, author))
    let answer: Answer
    try {
      answer = await askAuthor(run, iteration, author, last, signal)
    } catch (error) {
      if (!(error instanceof OrxError)) throw error
      const stopReason = interruptionOf(signal) ?? (error.code === 'cost_limit' ? 'cost' : 'failed')
      return { stopReason, bestResponseId: best?.responseId ?? null, error }
    }
    const critics = panelOf(run, answer.model)
    if (answer.model !== author) announce(run, iteration, answer.model, critics)
    author = answer.model

    const { judgements, costReached } = await judgeAnswer(run, iteration, answer, critics, signal)
    const scores = judgements.map((judgement) => judgement.score)
    const score = median(scores)
    const bestBefore = highest
    best = await betterOf(run, iteration, best, { ...answer, score }, { highest, critics }, signal)
    if (score !== null) highest = Math.max(highest ?? score, score)
    if (score !== null) withoutGain = isGain(score, bestBefore) ? 0 : withoutGain + 1
    if (last !== null) {
      run.emit({
        type: 'answer-refined',
        iteration,
        criticismId: run.newId(),
        originalResponseId: last.responseId,
        responseId: answer.responseId,
        model: answer.model,
        gain: score === null || bestBefore === null ? null : score - bestBefore,
      })
    }
    run.emit({
      type: 'iteration-finished',
      iteration,
      responseId: answer.responseId,
      model: answer.model,
      score,
      spread: spreadOf(scores),
      bestResponseId: best.responseId,
      bestScore: best.score,
    })
    const standing = { iteration, score, bestBefore, withoutGain, interrupted: interruptionOf(signal), costReached }
    const stopReason = decideStop(standing, settings)
    if (stopReason !== null) return { stopReason, bestResponseId: best.responseId, error: null }
    last = { ...answer, judgements }
  }
}

interface Field {
  /** The highest score so far; null without one. */
  readonly highest: number | null
  readonly critics: readonly ModelOption[]
}

/**
 * Which of the two is kept. The score decides where it tells them apart; where it does not, the critics compare them side by side.
 * An answer that is good enough is what was asked for, and one that says the same is no other: neither is compared.
 */
async function betterOf(
  run: RunContext,
  iteration: number,
  best: Best | null,
  next: Best,
  { highest, critics }: Field,
  signal: AbortSignal,
): Promise<Best> {
  if (best === null) return next
  const { score } = next
  if (score === null) return best
  const byScore = best.score === null || score > best.score ? next : best
  const isDecided = highest === null || !isClose(score, highest) || isGoodEnough(score, run.settings.threshold)
  if (isDecided || best.text === next.text || signal.aborted) return byScore
  const votes = await compareAnswers(run, iteration, best, next, critics, signal)
  if (votes.length === 0) return byScore
  const majority = majorityOf(votes)
  const kept = majority === null ? byScore : majority === 'new' ? next : best
  run.emit({
    type: 'answers-compared',
    iteration,
    bestResponseId: best.responseId,
    responseId: next.responseId,
    votes,
    decidedBy: majority === null ? 'score' : 'majority',
    keptResponseId: kept.responseId,
  })
  return kept
}

/** The single strategy: one answer, nobody judges it. */
export function single(run: RunContext, signal: AbortSignal): Promise<Ending> {
  return critique({ ...run, settings: { ...run.settings, critics: 0 } }, signal)
}

/** Who judges an answer of `author`: others that have not failed in this run. */
export function panelOf(run: RunContext, author: string): readonly ModelOption[] {
  const fit = run.candidates.filter(({ model }) => !run.failures.has(model))
  return pickCritics(author, fit, run.models, run.settings.critics)
}

/** Tells who was chosen, and out of whom. */
export function announce(run: RunContext, iteration: number, model: string, critics: readonly ModelOption[]): void {
  run.emit({
    type: 'model-selected',
    iteration,
    model,
    critics: critics.map((critic) => critic.model),
    candidates: run.candidates,
    algorithmVersion,
  })
}
