// The author's turn: the first answer or a refinement, by the author or, when it fails, by the next candidate.
// Invariant: an answer stands under the name of the model that gave it.
import type { OrxError } from '../core/errors.ts'
import type { CallTarget } from '../models/caller.ts'
import type { ChatMessage } from '../models/chat.ts'
import type { Judgement } from './events.ts'
import { promptVersion } from './judge.ts'
import { refineMessages } from './refine.ts'
import type { RunContext } from './strategies/strategy.ts'

export interface Answer {
  readonly responseId: string
  /** `provider/model`. */
  readonly model: string
  readonly text: string
}

export interface JudgedAnswer extends Answer {
  /** In the order of the judges. */
  readonly judgements: readonly Judgement[]
}

/** Asks `author` and, in its place, the other usable models best first. `last`: the answer to refine; null for the first. Rejects as a call does. */
export function askAuthor(
  run: RunContext,
  iteration: number,
  author: string,
  last: JudgedAnswer | null,
  signal: AbortSignal,
): Promise<Answer> {
  const role = last === null ? 'primary' : 'refiner'
  const messages: readonly ChatMessage[] =
    last === null ? [{ role: 'user', content: run.prompt }] : refineMessages(run.prompt, last.text, last.judgements)
  return askFor(run, { iteration, role, sample: 0, targets: targetsOf(run, author), messages }, signal)
}

export interface AnswerOrder {
  readonly iteration: number
  readonly role: 'primary' | 'refiner' | 'synthesizer'
  /** From 0; tells the answers of one model to one prompt apart. */
  readonly sample: number
  /** Who is asked, then who may answer in its place. */
  readonly targets: readonly [CallTarget, ...CallTarget[]]
  readonly messages: readonly ChatMessage[]
}

/** One answer of a run, told when it is there. Rejects as a call does. */
export async function askFor(run: RunContext, order: AnswerOrder, signal: AbortSignal): Promise<Answer> {
  const { iteration, role, sample, targets, messages } = order
  const callId = run.newId()
  const result = await run.caller.call(
    {
      runId: run.runId,
      callId,
      step: { threadId: run.threadId, iteration, role, sample },
      targets,
      request: { messages, maxTokens: run.settings.maxTokens, stream: run.settings.stream },
      simulated: run.simulated,
      scope: run.scope,
      promptVersion,
      useCache: run.settings.useCache,
      gates: [run.budget],
      emit: run.emit,
      onFailure: (failed, error, next) => {
        run.failures.add(failed.model, error.code)
        if (next !== null) warnOfFallback(run, failed, error, next)
      },
    },
    signal,
  )
  const answer: Answer = { responseId: run.newId(), model: result.model, text: result.answer.text }
  run.emit({
    type: 'answer-received',
    iteration,
    responseId: answer.responseId,
    callId,
    model: answer.model,
    role,
    text: answer.text,
    usage: result.answer.usage,
    costUsd: result.costUsd,
    latencyMs: result.latencyMs,
    fromCache: result.fromCache,
  })
  return answer
}

export function targetOf(run: RunContext, model: string): CallTarget {
  return { model, price: run.models.find((option) => option.model === model)?.price ?? null }
}

function targetsOf(run: RunContext, author: string): readonly [CallTarget, ...CallTarget[]] {
  const others = run.candidates.filter(({ model, parts }) => model !== author && parts['availability'] !== 0 && !run.failures.has(model))
  return [targetOf(run, author), ...others.map(({ model }) => targetOf(run, model))]
}

function warnOfFallback(run: RunContext, failed: CallTarget, error: OrxError, next: CallTarget): void {
  run.emit({
    type: 'warning-raised',
    code: 'fallback',
    message: `${failed.model} failed (${error.message}); ${next.model} is asked instead.`,
  })
}
