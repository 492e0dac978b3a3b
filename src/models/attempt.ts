// One try of a call: all gates, then the provider, then the settlement and its event.
// Invariant: what left is settled exactly once with a cost that is not below what the provider may charge.
import { messageOf, OrxError } from '../core/errors.ts'
import type { Runtime } from '../core/runtime.ts'
import { enterAll, type Ticket } from '../traffic/gate.ts'
import type { Attempt, AttemptResult, CallEvent, CallGate, Price, Step } from './call.ts'
import { inputTokensAtMost, type ChatAnswer, type ChatRequest } from './chat.ts'
import { costAtMostUsd, costUsd } from './costs.ts'
import { ProviderError, type Provider } from './provider.ts'

export interface Try {
  readonly runId: string
  readonly callId: string
  readonly step: Step
  /** From 1. */
  readonly tryNumber: number
  readonly provider: Provider
  readonly request: ChatRequest
  readonly simulated: boolean
  readonly price: Price | null
  readonly emit: (event: CallEvent) => void
}

/** An answer and what it cost; null when the price is unknown. */
export interface PaidAnswer {
  readonly answer: ChatAnswer
  readonly costUsd: number | null
  /** From leaving to coming back. */
  readonly latencyMs: number
}

/** Asks once. Rejects with an OrxError: the provider's, a gate's, or the signal's reason. */
export async function attemptOnce(runtime: Runtime, gates: readonly CallGate[], ask: Try, signal: AbortSignal): Promise<PaidAnswer> {
  const { clock } = runtime
  const { callId, step, emit } = ask
  const attempt = attemptOf(runtime, ask)
  const wait = { limiterMs: 0 }
  const onWaiting = (gate: string): (() => void) => {
    const fromMs = clock.monotonicMs()
    return () => {
      if (gate === 'limiter') wait.limiterMs += clock.monotonicMs() - fromMs
    }
  }
  const unsent = (cause: unknown): OrxError => {
    const error = asOrxError(cause, signal)
    emit({
      type: 'attempt-unsent',
      atMs: clock.now(),
      callId,
      step,
      errorCode: error.code,
      errorMessage: error.message,
      endedMs: clock.monotonicMs(),
      limiterMs: wait.limiterMs,
    })
    return error
  }
  emit({ type: 'call-started', atMs: clock.now(), callId, step })
  let ticket: Ticket<AttemptResult>
  try {
    ticket = await enterAll(gates, attempt, signal, onWaiting)
  } catch (error) {
    throw unsent(error)
  }
  if (signal.aborted) {
    await ticket.settle('unsent')
    throw unsent(signal.reason)
  }
  const startedMs = clock.monotonicMs()
  const finish = async (result: Omit<AttemptResult, 'latencyMs'>): Promise<number> => {
    const endedMs = clock.monotonicMs()
    const latencyMs = endedMs - startedMs
    emit({
      type: 'attempt-finished',
      atMs: clock.now(),
      callId,
      attemptId: attempt.id,
      step,
      provider: attempt.provider,
      outcome: result.outcome,
      errorCode: result.errorCode,
      errorMessage: result.errorMessage,
      startedMs,
      endedMs,
      limiterMs: wait.limiterMs,
      usage: result.usage,
      costUsd: result.costUsd,
      savedUsd: null,
    })
    await ticket.settle(result.outcome === 'cached' ? 'ok' : result.outcome, { ...result, latencyMs })
    return latencyMs
  }
  ticket.sent()
  let answer: ChatAnswer
  try {
    const onText = (piece: string): void => emit({ type: 'call-texted', atMs: clock.now(), callId, step, piece })
    answer = await ask.provider.chat(ask.request, signal, ask.request.stream ? onText : undefined)
  } catch (cause) {
    const error = asOrxError(cause, signal)
    await finish({
      outcome: outcomeOf(error, signal),
      answer: null,
      usage: null,
      costUsd: isFree(error) ? 0 : attempt.costAtMostUsd,
      errorCode: error.code,
      errorMessage: error.message,
    })
    throw error
  }
  const cost = costUsd(ask.price, answer.usage)
  const latencyMs = await finish({ outcome: 'ok', answer, usage: answer.usage, costUsd: cost, errorCode: null, errorMessage: null })
  return { answer, costUsd: cost, latencyMs }
}

function attemptOf(runtime: Runtime, ask: Try): Attempt {
  const inputTokens = inputTokensAtMost(ask.request.messages)
  return {
    id: runtime.newId(),
    runId: ask.runId,
    step: ask.step,
    tryNumber: ask.tryNumber,
    provider: ask.provider.name,
    request: ask.request,
    simulated: ask.simulated,
    price: ask.price,
    inputTokensAtMost: inputTokens,
    costAtMostUsd: costAtMostUsd(ask.price, inputTokens, ask.request.maxTokens),
    createdAtMs: runtime.clock.now(),
  }
}

/** Certainly not charged: the provider never saw it, or refused it with a status. Anything else keeps its reservation. */
function isFree(error: OrxError): boolean {
  return error instanceof ProviderError && (!error.sent || (error.status !== undefined && error.status >= 400))
}

function outcomeOf(error: OrxError, signal: AbortSignal): 'error' | 'timeout' | 'aborted' {
  if (error instanceof ProviderError) return error.failure === 'timeout' ? 'timeout' : 'error'
  return signal.aborted ? 'aborted' : 'error'
}

/** Whatever was thrown, as an OrxError; with an aborted signal, as `aborted`. */
export function asOrxError(cause: unknown, signal: AbortSignal): OrxError {
  if (cause instanceof OrxError) return cause
  if (signal.aborted) return new OrxError('aborted', `The call was stopped: ${messageOf(cause)}`, { cause })
  return new OrxError('internal', `A call failed in a way nobody foresaw: ${messageOf(cause)}`, { cause })
}
