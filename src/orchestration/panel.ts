// The judges' turn: every critic gives its verdict on one answer, all at once.
// Invariant: the outcome is in the order of the critics, whoever came back first; together they are never let beyond the budget.
import { messageOf, OrxError } from '../core/errors.ts'
import { costAtMostUsd } from '../models/costs.ts'
import { inputTokensAtMost } from '../models/chat.ts'
import type { Answer } from './author.ts'
import type { Judgement } from './events.ts'
import { judgeMessages, parseVerdict, promptVersion } from './judge.ts'
import type { ModelOption } from './select.ts'
import type { RunContext } from './strategies/strategy.ts'

export interface PanelOutcome {
  /** The valid ones, in the order of the critics. */
  readonly judgements: readonly Judgement[]
  /** Whether a critic was left out because the run may not spend more. */
  readonly costReached: boolean
}

export async function judgeAnswer(
  run: RunContext,
  iteration: number,
  answer: Answer,
  critics: readonly ModelOption[],
  signal: AbortSignal,
): Promise<PanelOutcome> {
  const messages = judgeMessages(run.prompt, answer.text, run.domain)
  const { maxTokens } = run.settings
  // Who is left out for its cost is decided before any is asked, so that it does not hang on who is faster.
  let leftUsd = run.budget.remainingUsd()
  const inTurn: { readonly critic: ModelOption; readonly callId: string }[] = []
  for (const critic of critics) {
    const mostUsd = costAtMostUsd(critic.price, inputTokensAtMost(messages), maxTokens) ?? 0
    if (mostUsd > leftUsd) {
      run.emit({ type: 'verdict-dropped', iteration, judge: critic.model, reason: 'its cost could exceed what is left of the budget' })
      continue
    }
    leftUsd -= mostUsd
    inTurn.push({ critic, callId: run.newId() })
  }
  const judge = async (critic: ModelOption, callId: string): Promise<Judgement | null> => {
    const dropped = (reason: string): null => {
      run.emit({ type: 'verdict-dropped', iteration, judge: critic.model, reason })
      return null
    }
    try {
      const result = await run.caller.call(
        {
          runId: run.runId,
          callId,
          step: { threadId: run.threadId, iteration, role: 'critic', sample: 0 },
          targets: [critic],
          request: { messages, maxTokens, format: 'json', stream: false },
          simulated: run.simulated,
          scope: run.scope,
          promptVersion,
          useCache: run.settings.useCache,
          gates: [run.budget],
          emit: run.emit,
          onFailure: (failed, error) => run.failures.add(failed.model, error.code),
        },
        signal,
      )
      const verdict = parseVerdict(result.answer.text, run.domain)
      if (!verdict.ok) return dropped(verdict.reason)
      const { judgement } = verdict
      run.emit({
        type: 'answer-judged',
        iteration,
        evaluationId: run.newId(),
        responseId: answer.responseId,
        judge: critic.model,
        judgement,
      })
      return judgement
    } catch (error) {
      // A judge that was stopped with the run gave no bad verdict; it gave none.
      if (signal.aborted) return null
      if (!(error instanceof OrxError)) throw error
      return dropped(messageOf(error))
    }
  }
  const judgements = await Promise.all(inTurn.map(({ critic, callId }) => judge(critic, callId)))
  return {
    judgements: judgements.filter((judgement) => judgement !== null),
    costReached: inTurn.length < critics.length || run.budget.refused(),
  }
}
