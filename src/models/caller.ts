// A call, in the one order there is: recall -> cache -> retry and fallback -> gates (the run's own, breaker, limiter, ledger) -> send.
// Invariant: every try passes every gate; an answer is used under the name of the model that gave it; simulated and real never mix.
import { OrxError, type ErrorCode } from '../core/errors.ts'
import { untilAborted, type Runtime } from '../core/runtime.ts'
import { asOrxError, attemptOnce, type PaidAnswer } from './attempt.ts'
import { cacheKeyOf } from './cacheKey.ts'
import type { CallEvent, CallGate, Ledger, Price, Step } from './call.ts'
import type { ChatAnswer, ChatRequest } from './chat.ts'
import type { Provider } from './provider.ts'

/** A model that may answer. */
export interface CallTarget {
  /** `provider/model`. */
  readonly model: string
  readonly price: Price | null
}

export interface CallOrder {
  readonly runId: string
  readonly callId: string
  readonly step: Omit<Step, 'model'>
  /** The model that is asked, then those that may answer in its place. */
  readonly targets: readonly [CallTarget, ...CallTarget[]]
  readonly request: Omit<ChatRequest, 'model'>
  readonly simulated: boolean
  /** Whose answers may be shared: part of the cache's key. */
  readonly scope: string
  /** Part of the cache's key: answers to another wording of our prompts are not ours. */
  readonly promptVersion: string
  readonly useCache: boolean
  /** The run's own gates (its budget), entered before the shared ones. */
  readonly gates: readonly CallGate[]
  readonly emit: (event: CallEvent) => void
  /** Hears why a model failed, and which is asked in its place; null when none is left. */
  readonly onFailure?: (failed: CallTarget, error: OrxError, next: CallTarget | null) => void
}

export interface CallResult {
  readonly answer: ChatAnswer
  /** `provider/model` that answered: the one asked, or a fallback. */
  readonly model: string
  /** 0 from the cache; null when the price is unknown. */
  readonly costUsd: number | null
  /** What the answer cost when it was made; null unless it came from the cache. */
  readonly savedUsd: number | null
  readonly fromCache: boolean
  readonly latencyMs: number
}

export interface Caller {
  /** Rejects with the OrxError of the call; with several models, with one that decides the exit code for them all. */
  call(order: CallOrder, signal: AbortSignal): Promise<CallResult>
}

/** What the caller needs of a cache: one load a key at a time; a failing store is a miss. */
export interface AnswerCache {
  getOrLoad(
    key: string,
    load: (signal: AbortSignal) => Promise<PaidAnswer>,
    options: { readonly ttlMs: number; readonly keep: (value: PaidAnswer) => boolean },
    signal: AbortSignal,
  ): Promise<PaidAnswer>
}

export type Retry = <T>(attempt: (tryNumber: number) => Promise<T>, signal: AbortSignal) => Promise<T>

export interface CallerDeps {
  readonly runtime: Runtime
  /** By name: the prefix of a model. */
  readonly providers: ReadonlyMap<string, Provider>
  /** Breaker and limiter, in this order; the ledger follows them by itself. */
  readonly gates: readonly CallGate[]
  readonly ledger: Ledger
  readonly cache: AnswerCache
  readonly retry: Retry
}

/** An answer of the engine may be served again for 6 h, as documented; an empty one never. */
const cacheOptions = { ttlMs: 6 * 3_600_000, keep: ({ answer }: PaidAnswer): boolean => /\S/.test(answer.text) }

export function makeCaller(deps: CallerDeps): Caller {
  const { runtime, ledger } = deps

  const providerOf = (model: string, simulated: boolean): Provider => {
    const name = providerNameOf(model)
    const provider = deps.providers.get(name)
    if (provider === undefined) {
      throw new OrxError(
        'unknown_model',
        `Expected a model of ${[...deps.providers.keys()].join(', ') || 'some provider'}, got "${model}"`,
        {
          hint: 'orx models lists the models that can be asked.',
        },
      )
    }
    if ((name === 'simulated') !== simulated) {
      throw new OrxError('internal', `A ${simulated ? 'simulated' : 'real'} run may not ask ${model}`)
    }
    return provider
  }

  const ask = (order: CallOrder, target: CallTarget, signal: AbortSignal): Promise<PaidAnswer> => {
    const provider = providerOf(target.model, order.simulated)
    const gates = [...order.gates, ...deps.gates, ledger]
    const { runId, callId, simulated, emit } = order
    const step = stepOf(order, target.model)
    const request = { ...order.request, model: target.model.slice(provider.name.length + 1) }
    const { price } = target
    const once = (tryNumber: number): Promise<PaidAnswer> =>
      attemptOnce(runtime, gates, { runId, callId, step, tryNumber, provider, request, simulated, price, emit }, signal)
    return deps.retry(once, signal)
  }

  /** A call that no provider saw: an answer that is there already. */
  const reused = (order: CallOrder, model: string, answer: ChatAnswer, savedUsd: number | null, fromMs: number): CallResult => {
    const { clock } = runtime
    const step = stepOf(order, model)
    const provider = providerNameOf(model)
    const endedMs = clock.monotonicMs()
    order.emit({ type: 'call-started', atMs: clock.now(), callId: order.callId, step })
    order.emit({
      type: 'attempt-finished',
      atMs: clock.now(),
      callId: order.callId,
      attemptId: runtime.newId(),
      step,
      provider,
      outcome: 'cached',
      errorCode: null,
      errorMessage: null,
      startedMs: fromMs,
      endedMs,
      limiterMs: 0,
      usage: null,
      costUsd: 0,
      savedUsd,
    })
    return { answer, model, costUsd: 0, savedUsd, fromCache: true, latencyMs: endedMs - fromMs }
  }

  const askThroughCache = async (order: CallOrder, target: CallTarget, signal: AbortSignal): Promise<CallResult> => {
    const fromMs = runtime.clock.monotonicMs()
    const sent = ({ answer, costUsd, latencyMs }: PaidAnswer): CallResult => ({
      answer,
      model: target.model,
      costUsd,
      savedUsd: null,
      fromCache: false,
      latencyMs,
    })
    if (!order.useCache) return sent(await ask(order, target, signal))
    let own: Promise<PaidAnswer> | undefined
    let ownSignal: AbortSignal | undefined
    const load = (loadSignal: AbortSignal): Promise<PaidAnswer> => {
      ownSignal = loadSignal
      own = ask(order, target, loadSignal)
      return own
    }
    const key = cacheKeyOf(providerOf(target.model, order.simulated), order, target.model)
    try {
      const found = await deps.cache.getOrLoad(key, load, cacheOptions, signal)
      return own === undefined ? reused(order, target.model, found.answer, found.costUsd, fromMs) : sent(found)
    } catch (error) {
      // The load ends because we left: it is settled, and its event told, before we go.
      if (own !== undefined && ownSignal?.aborted === true) await own.catch(() => undefined)
      // The load of another run met that run's own bound, which is none of ours.
      if (own === undefined && !signal.aborted && codeOf(error) === 'cost_limit') return sent(await ask(order, target, signal))
      throw error
    }
  }

  const callOf = async (order: CallOrder, signal: AbortSignal): Promise<CallResult> => {
    signal.throwIfAborted()
    const fromMs = runtime.clock.monotonicMs()
    const asked = order.targets.map((target) => ledger.recall(stepOf(order, target.model)))
    if (asked.some((answer) => answer !== null)) {
      const recalled = await untilAborted(Promise.all(asked.map((answer) => answer ?? Promise.resolve(null))), signal)
      for (const [index, target] of order.targets.entries()) {
        const found = recalled[index]
        if (found) return reused(order, target.model, found.answer, found.costUsd, fromMs)
      }
    }
    const failures: OrxError[] = []
    let rest: readonly CallTarget[] = order.targets
    for (let target = rest[0]; target !== undefined; target = rest[0]) {
      try {
        return await askThroughCache(order, target, signal)
      } catch (cause) {
        const error = asOrxError(cause, signal)
        if (signal.aborted || endsTheCall.has(error.code)) throw error
        failures.push(error)
        const failed = target
        rest = rest.filter(({ model }) => !failsWith(model, failed.model, error.code))
        order.onFailure?.(failed, error, rest[0] ?? null)
      }
    }
    throw decisiveOf(failures)
  }

  return {
    call: async (order, signal) => {
      try {
        return await callOf(order, signal)
      } catch (cause) {
        throw asOrxError(cause, signal)
      }
    },
  }
}

function stepOf({ step: { threadId, iteration, role, sample } }: CallOrder, model: string): Step {
  return { threadId, iteration, role, model, sample }
}

/** No other model is asked after these: they say nothing of the model. */
const endsTheCall: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'aborted',
  'deadline',
  'cost_limit',
  'unknown_price',
  'internal',
  'database_failed',
  'database_unreachable',
])

/** What holds for every model of a provider, not for one of them. */
const providerWide: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['provider_unreachable', 'credential_rejected', 'quota_exceeded'])

/** Whether asking `model` is in vain now that `failed` has failed so. */
export function failsWith(model: string, failed: string, code: ErrorCode): boolean {
  return model === failed || (providerWide.has(code) && providerNameOf(model) === providerNameOf(failed))
}

/** The provider of `provider/model`; the model's own name may hold slashes. */
export function providerNameOf(model: string): string {
  return model.slice(0, model.indexOf('/'))
}

function codeOf(error: unknown): ErrorCode | null {
  return error instanceof OrxError ? error.code : null
}

/** What the failures of several models come to: unreachable or rejected only when that holds for all of them, else the last other one. */
export function decisiveOf(failures: readonly OrxError[]): OrxError {
  const last = failures.at(-1)
  if (last === undefined) return new OrxError('failed', 'No model could be asked')
  if (failures.every((failure) => failure.code === last.code)) return last
  // That a breaker had opened says less than why it did.
  const told = failures.filter((failure) => failure.code !== 'circuit_open')
  if (told.length < failures.length) return decisiveOf(told)
  const other = failures.findLast((failure) => failure.code !== 'provider_unreachable' && failure.code !== 'credential_rejected')
  if (other !== undefined) return other
  return new OrxError('failed', `No model answered: ${failures.map((failure) => failure.message).join('; ')}`, {
    hint: last.hint,
    cause: last,
  })
}
