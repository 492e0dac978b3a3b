// OrchestrateX, assembled once from settings: run, serve and the bench open the same system.
// Invariant: every call of it passes recall, cache, retry, budget, breaker, limiter and ledger, in this order.
import type { Db } from 'mongodb'
import type { OrxError } from './core/errors.ts'
import type { Clock, Runtime } from './core/runtime.ts'
import type { Gather } from './database/record/gather.ts'
import { noLedger, makeLedger } from './database/record/ledger.ts'
import { makeAnswerStore } from './database/record/answerStore.ts'
import { readModelHistory } from './database/record/modelHistory.ts'
import { readThread, resultOfThread } from './database/record/readRun.ts'
import { ensureRecordIndexes } from './database/record/recordIndexes.ts'
import { makeRecorder } from './database/record/recorder.ts'
import { bounded } from './database/connection.ts'
import { runAggregate } from './database/queryPath.ts'
import { queryPaths } from './database/queryPaths.ts'
import { rollUpDays } from './database/rollup.ts'
import { watchMemory, type MemoryAlert, type MemoryReading } from './monitor/memory.ts'
import { makeMetrics, type EndpointMetrics, type Metrics } from './monitor/metrics.ts'
import type { PaidAnswer } from './models/attempt.ts'
import { makeCaller, type Caller } from './models/caller.ts'
import { stepKey, type AttemptResult, type CallGate, type Ledger } from './models/call.ts'
import type { Domain } from './models/catalog.ts'
import { ProviderError, type Provider } from './models/provider.ts'
import type { RunEvent, RunResult, RunSettings, SpentBefore } from './orchestration/events.ts'
import { foldRun } from './orchestration/fold.ts'
import { orchestrate } from './orchestration/run.ts'
import type { ModelHistory, ModelOption } from './orchestration/select.ts'
import { makeBatcher } from './traffic/batcher.ts'
import { makeBreaker } from './traffic/breaker.ts'
import { makeCache, type Cache, type CacheStats, type Store } from './traffic/cache.ts'
import { makeLimiter, type Limiter, type LimiterStats, type Limits } from './traffic/limiter.ts'
import { makeQueue, type QueueStats } from './traffic/queue.ts'
import { makeRetry } from './traffic/retry.ts'

export interface SystemOptions {
  readonly runtime: Runtime
  readonly providers: ReadonlyMap<string, Provider>
  /** All models that may take part. */
  readonly models: readonly ModelOption[]
  /** The limits of a provider, by its name. */
  limitsOf(provider: string): Limits
  /** Null: nothing is recorded, and nothing remembered. */
  readonly db: Db | null
  readonly simulated: boolean
  /** Whether the choice of models learns from earlier runs; a seeded run must not. */
  readonly learns: boolean
  /** Orchestrations at once. */
  readonly concurrency: number
  /** Orchestrations that may wait for their turn. @default 10_000 */
  readonly maxWaiting?: number
  /** The session that is gone on with after a crash; null: a new one. */
  readonly resumedSessionId: string | null
  /** Whose sessions these are, and whose cached answers may be used. */
  readonly userId: string
  readonly settings: RunSettings
  /** Hears once that the database was lost and that runs go on without it. */
  readonly onDatabaseLost: (problem: OrxError) => void
  /** Of this process, for the memory monitor. */
  residentBytes(): number
  readonly onMemoryAlert: (alert: MemoryAlert) => void
}

export interface Order {
  readonly prompt: string
  /** The caller's name for the run; null: a new id. */
  readonly id: string | null
  /** The thread that it goes on with after a crash: its finished steps are not sent again. Null: a new one. */
  readonly threadId: string | null
  readonly domain: Domain | null
  /** `provider/model`; null: the best. */
  readonly author: string | null
  readonly settings: RunSettings
}

export interface Outcome {
  readonly result: RunResult
  /** Why there is no answer; null where there is one. */
  readonly error: Extract<RunEvent, { readonly type: 'run-finished' }>['error']
  /** Whether everything of it is in the database, acknowledged by a majority. */
  readonly persisted: boolean
}

export interface SystemStats {
  readonly queue: QueueStats
  readonly cache: CacheStats
  /** By provider. */
  readonly limiters: ReadonlyMap<string, LimiterStats>
  /** `orchestration`, and each model by `provider/model`: what its requests took, and how many failed. */
  readonly endpoints: readonly EndpointMetrics[]
  /** Null before the first sample. */
  readonly memory: MemoryReading | null
}

export interface System {
  /** 24 hex digits; null without a database. */
  readonly sessionId: string | null
  /** Runs one prompt when its turn comes. Rejects only before the run has begun: `queue_full`, `unknown_model`, or the signal's reason. */
  run(order: Order, listen: (event: RunEvent) => void, signal: AbortSignal): Promise<Outcome>
  /** How busy it is: the queue, each provider's window, the cache. */
  stats(): SystemStats
  /** Ends the session. The providers and the database stay open: they belong to who opened them. */
  close(status: 'completed' | 'terminated' | 'error'): Promise<void>
}

/** Failures that speak of a provider's health; the others it stated in good health. */
const unhealthy: ReadonlySet<string | null> = new Set(['provider_unreachable', 'provider_error', 'provider_timeout', 'bad_answer'])

function breakerGate({ clock }: Runtime): CallGate {
  const byProvider = new Map<string, CallGate>()
  return {
    name: 'breaker',
    enter: (attempt, signal) => {
      const { provider } = attempt
      let breaker = byProvider.get(provider)
      if (breaker === undefined) {
        breaker = makeBreaker<AttemptResult>({
          name: provider,
          clock,
          judge: (settlement, result) => (settlement === 'ok' ? 'ok' : unhealthy.has(result?.errorCode ?? null) ? 'failed' : null),
        })
        byProvider.set(provider, breaker)
      }
      return breaker.enter(attempt, signal)
    },
  }
}

function limiterGate({ clock }: Runtime, limitsOf: SystemOptions['limitsOf'], byProvider: Map<string, Limiter>): CallGate {
  return {
    name: 'limiter',
    enter: async ({ provider, request, inputTokensAtMost }, signal) => {
      let limiter = byProvider.get(provider)
      if (limiter === undefined) {
        limiter = makeLimiter(limitsOf(provider), clock)
        byProvider.set(provider, limiter)
      }
      const permit = await limiter.enter({ units: inputTokensAtMost + request.maxTokens }, signal)
      const { correct } = limiter
      return {
        sent: () => permit.sent(),
        settle: (settlement, result) => {
          const usage = result?.usage ?? null
          permit.settle(settlement, usage === null ? undefined : usage.inputTokens + usage.outputTokens)
          const state = result?.answer?.rateLimit ?? null
          if (state === null) return
          const { remainingRequests, resetRequestsMs, remainingTokens: remainingUnits, resetTokensMs: resetUnitsMs } = state
          correct({
            ...(remainingRequests === undefined ? {} : { remainingRequests }),
            ...(resetRequestsMs === undefined ? {} : { resetRequestsMs }),
            ...(remainingUnits === undefined ? {} : { remainingUnits }),
            ...(resetUnitsMs === undefined ? {} : { resetUnitsMs }),
          })
        },
      }
    },
  }
}

/** What calls that are under way together ask of the database is asked together, without a timer. */
export function gatherWith(clock: Clock): Gather {
  return <Item, Result>(run: (items: readonly Item[]) => Promise<readonly Result[]>) => {
    const batcher = makeBatcher<Item, Result>({
      clock,
      leaves: 'when-back',
      maxSize: 1_000,
      run: async (items) => (await run(items)).map((value) => ({ ok: true, value })),
    })
    return (item: Item): Promise<Result> => batcher.add(item)
  }
}

/** A request that its own caller gave up says nothing of its model, and what was remembered was no request. */
function measureAttempt(metrics: Metrics, event: RunEvent): void {
  if (event.type !== 'attempt-finished' || event.outcome === 'aborted' || event.outcome === 'cached') return
  metrics.record(event.step.model, event.endedMs - event.startedMs, event.outcome === 'ok')
}

export interface CallerParts {
  readonly runtime: Runtime
  readonly providers: SystemOptions['providers']
  readonly limitsOf: SystemOptions['limitsOf']
  /** By provider; filled as they are asked. */
  readonly limiters: Map<string, Limiter>
  readonly ledger: Ledger
  /** Behind the cache in memory; null: none. */
  readonly store: Store<PaidAnswer> | null
}

/** The caller with all that a call passes. */
export function assembleCaller({ runtime, providers, limitsOf, limiters, ledger, store }: CallerParts): {
  readonly caller: Caller
  readonly cache: Cache<PaidAnswer>
} {
  const { clock } = runtime
  const cache = makeCache<PaidAnswer>({
    clock,
    sizeOf: ({ answer }) => 2 * answer.text.length + 500,
    ...(store === null ? {} : { store }),
  })
  const caller = makeCaller({
    runtime,
    providers,
    gates: [breakerGate(runtime), limiterGate(runtime, limitsOf, limiters)],
    ledger,
    cache,
    retry: makeRetry({
      clock,
      random: () => runtime.random(),
      pauseAsked: (error) => (error instanceof ProviderError && error.retryable ? (error.retryAfterMs ?? 0) : null),
    }),
  })
  return { caller, cache }
}

/** What is asked of the database before the first call may take this long; it is a help, not a condition. */
const preparationMs = 2_000

export function openSystem(options: SystemOptions): System {
  const { runtime, db, simulated, userId } = options
  const { clock } = runtime
  const openedAtMs = clock.now()
  let lost: OrxError | null = null
  const onLost = (problem: OrxError): void => {
    if (lost !== null) return
    lost = problem
    options.onDatabaseLost(problem)
  }
  const ledger = db === null ? noLedger : makeLedger({ db, clock, gather: gatherWith(clock), stepKey, degrade: true, onLost })
  const recorder = db === null ? null : makeRecorder({ db, clock, fold: foldRun })
  const sessionId = db === null ? null : (options.resumedSessionId ?? runtime.newId())
  const resumed = new Set<string>()
  const limiters = new Map<string, Limiter>()
  const metrics = makeMetrics(clock)
  const memory = watchMemory({ clock, residentBytes: () => options.residentBytes(), onAlert: options.onMemoryAlert })
  const { caller, cache } = assembleCaller({
    runtime,
    providers: options.providers,
    limitsOf: options.limitsOf,
    limiters,
    // Only a thread that is gone on with has anything to recall; the others are spared the question.
    ledger: { ...ledger, recall: (step) => (resumed.has(step.threadId) ? ledger.recall(step) : null) },
    store: db === null ? null : makeAnswerStore<PaidAnswer>({ db, clock, gather: gatherWith(clock), simulated }),
  })
  const queue = makeQueue({
    clock,
    concurrency: options.concurrency,
    ...(options.maxWaiting === undefined ? {} : { maxWaiting: options.maxWaiting }),
  })
  if (recorder !== null && sessionId !== null) {
    recorder.openSession({
      id: sessionId,
      userId,
      maxIterations: options.settings.iterations,
      settings: { ...options.settings },
      simulated,
    })
  }
  // Both are beside the way: a run begins with what is there.
  const indexes =
    db === null ? Promise.resolve() : bounded(clock, preparationMs, (signal) => ensureRecordIndexes(db, signal)).catch(() => undefined)
  const history: Promise<ReadonlyMap<string, ModelHistory>> =
    db === null || !options.learns
      ? Promise.resolve(new Map())
      : bounded(clock, preparationMs, (signal) => readModelHistory(db, clock, simulated, signal)).catch(() => new Map())

  /** What a thread that is gone on with came to already; null when it is to be run, with whatever steps of it are finished. */
  const finishedBefore = async (threadId: string | null): Promise<RunResult | null> => {
    if (db === null || threadId === null || options.resumedSessionId === null) return null
    resumed.add(threadId)
    const thread = await bounded(clock, preparationMs, (signal) => readThread(db, threadId, signal))
    const result = thread === null ? null : resultOfThread(thread)
    return result === null || result.stopReason === 'aborted' || result.finalResponse === null ? null : result
  }

  /** What the ledger tells that it cost before; nothing where it cannot tell. */
  const spentBefore = async (threadId: string): Promise<SpentBefore | null> => {
    if (db === null || !resumed.has(threadId)) return null
    const read = (signal: AbortSignal) => runAggregate(db, queryPaths.spentOnThread, { threadId }, signal)
    const [row] = await bounded(clock, preparationMs, read).catch(() => [])
    return row === undefined ? null : { costUsd: row.cost_usd, tokens: row.tokens }
  }

  return {
    sessionId,
    run: ({ prompt, id, threadId, domain, author, settings }, listen, signal) =>
      queue.run(
        async (queueMs) => {
          const finished = await finishedBefore(threadId)
          if (finished !== null) return { result: finished, error: null, persisted: true }
          const record = recorder?.run() ?? null
          const spent = threadId === null ? null : await spentBefore(threadId)
          const request = {
            id: id ?? runtime.newId(),
            sessionId,
            threadId: db === null ? null : (threadId ?? runtime.newId()),
            prompt,
            domain,
            author,
            settings,
            simulated,
            scope: userId,
            queueMs,
            ...(spent !== null && { spentBefore: spent }),
          }
          let error: Outcome['error'] = null
          const emit = (event: RunEvent): void => {
            if (event.type === 'run-finished') ({ error } = event)
            measureAttempt(metrics, event)
            record?.listen(event)
            listen(event)
          }
          const ports = { runtime, caller, models: options.models, history: await history }
          const fromMs = clock.monotonicMs()
          const result = await orchestrate(request, ports, emit, signal)
          metrics.record('orchestration', clock.monotonicMs() - fromMs, result.finalResponse !== null)
          const [recorded = { persisted: false }] = await Promise.all([record?.flush(), ledger.flush()])
          if (recorded.problem !== undefined) onLost(recorded.problem)
          return { result, error, persisted: recorded.persisted && !ledger.isLost() }
        },
        { priority: settings.priority, sizeBytes: 2 * prompt.length },
        signal,
      ),
    stats: () => ({
      queue: queue.stats(),
      cache: cache.stats(),
      limiters: new Map([...limiters].map(([provider, limiter]) => [provider, limiter.stats()])),
      endpoints: metrics.endpoints(),
      memory: memory.latest(),
    }),
    close: async (status) => {
      memory.stop()
      await indexes
      await Promise.all([cache.flush(), ledger.flush()])
      if (recorder === null || sessionId === null) return
      recorder.closeSession(sessionId, status)
      const recorded = await recorder.flush()
      if (recorded.problem !== undefined) onLost(recorded.problem)
      // The daily figures follow what was recorded; a session that could not write them is made up for by the next one of that day.
      if (db === null || lost !== null) return
      await bounded(clock, preparationMs, (signal) => rollUpDays(db, new Date(openedAtMs), new Date(clock.now()), signal)).catch(
        () => undefined,
      )
    },
  }
}
