// Whole orchestrations at once on the simulated provider, through the same system as `orx run`. Invariant: it says that the models are simulated,
// and which limits it sets.
import type { Db } from 'mongodb'
import type { Runtime } from '../../core/runtime.ts'
import { connectDatabase } from '../../database/connection.ts'
import type { ChatMessage } from '../../models/chat.ts'
import { domains } from '../../models/catalog.ts'
import { compareStrategies, type ComparedOrder } from '../../orchestration/compareStrategies.ts'
import type { RunResult } from '../../orchestration/events.ts'
import type { Order, System } from '../../system.ts'
import { runClosedLoop } from '../closedLoop.ts'
import type { SeriesReport } from '../report.ts'
import type { ScenarioHost, ScenarioSettings, ScenarioSpec } from '../scenario.ts'

export interface BenchSystem {
  readonly system: System
  /** An order with the default settings. */
  order(prompt: string): Order
  /** `provider/model` that take no part in runs, for a panel that grades them. */
  readonly panel: readonly string[]
  ask(model: string, messages: readonly ChatMessage[], signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** Assembled elsewhere, once: the bench opens the same system as everything else. */
export type OpenBenchSystem = (options: {
  readonly runtime: Runtime
  readonly provider: string
  readonly db: Db
  readonly concurrency: number
  readonly seed: number
  readonly withPanel: boolean
}) => Promise<BenchSystem>

const atOnce = 50
/** All at once: a P95 can be judged from 59 samples on (0.95^59 < 0.05), and a second wave would take as long as the first. */
const quickAtOnce = 64
const timeoutMs = 120_000
const subjects = [
  'a rate limiter',
  'two-phase commit',
  'tides',
  'a merge of intervals',
  'an index in a database',
  'a lease',
  'photosynthesis',
  'a haiku',
]

const promptOf = (user: number, round: number, seed: number): string =>
  `Explain ${subjects[(user + round) % subjects.length] ?? ''} to reader ${seed}-${round}-${user}`

export function orchestrationsWith(openBenchSystem: OpenBenchSystem): ScenarioSpec {
  return {
    name: 'orchestrations',
    summary: '50 orchestrations at once on the simulated provider, recorded in MongoDB',
    needs: { database: true, provider: true },
    plannedMs: ({ quick, durationMs, compareStrategies: compares }) => (durationMs ?? (quick ? 25_000 : 90_000)) + (compares ? 120_000 : 0),
    run: async (host, settings, signal) => {
      const { places, runtime } = host
      const { mongodb, provider } = places
      if (mongodb === null || provider === null) throw new Error('orchestrations needs a database and a provider')
      const users = settings.concurrency ?? (settings.quick ? quickAtOnce : atOnce)
      const options = { uri: mongodb.uri, dbName: mongodb.database, appName: 'orx/bench', maxPoolSize: 20, clock: runtime.clock }
      const database = await connectDatabase(options, signal)
      const { seed, compareStrategies: compares } = settings
      try {
        const opened = await openBenchSystem({ runtime, provider, db: database.db, concurrency: users, seed, withPanel: compares })
        try {
          const measured = [await atOnceSeries(host, settings, opened, users, signal)]
          if (compares) measured.push(await comparisonSeries(host, settings, opened, signal))
          return measured
        } finally {
          await opened.close()
        }
      } finally {
        await database.close()
      }
    },
  }
}

async function atOnceSeries(
  host: ScenarioHost,
  settings: ScenarioSettings,
  { system, order }: BenchSystem,
  users: number,
  signal: AbortSignal,
): Promise<SeriesReport> {
  const series = host.series('orchestrations', 'closed', 'ms', () => {
    const { queue, cache, limiters, endpoints, memory } = system.stats()
    const calls = endpoints.filter(({ endpoint }) => endpoint !== 'orchestration')
    const made = calls.reduce((sum, { count }) => sum + count, 0)
    const failed = calls.reduce((sum, { errors }) => sum + errors, 0)
    return {
      queueDepth: queue.waiting,
      active: queue.running,
      cacheHitRatio: cache.hits / Math.max(1, cache.hits + cache.misses),
      limiterUse: Math.max(0, ...[...limiters.values()].map(({ utilization }) => utilization)),
      calls: made,
      callP95Ms: Math.max(0, ...calls.map(({ p95Ms }) => p95Ms)),
      callErrorPercent: made === 0 ? 0 : (100 * failed) / made,
      memoryMb: memory?.residentMb ?? 0,
    }
  })
  let unanswered = 0
  let lost = 0
  // No warm-up: all begin together, which is what is asked for.
  series.begin()
  const count = settings.durationMs === null ? { count: settings.quick ? Math.max(users, quickAtOnce) : Math.max(3 * users, 150) } : {}
  const { peak } = await runClosedLoop(
    host.runtime.clock,
    {
      users,
      warmupMs: 0,
      durationMs: settings.durationMs ?? 0,
      ...count,
      timeoutMs,
      series,
      unitPerMs: 1,
      act: async (user, round, abort) => {
        const { result, persisted } = await system.run(order(promptOf(user, round, settings.seed)), () => undefined, abort)
        if (!persisted) lost += 1
        if (result.finalResponse !== null) return
        unanswered += 1
        throw new Error('no answer')
      },
    },
    signal,
  )
  const notes = [
    'the models are simulated: this measures the engine and its waiting, not any model',
    `queue and provider take ${users} at once; no requests a minute are set for the simulated provider`,
  ]
  return series.finish({ offeredPerSecond: null, concurrency: users, figures: { mostAtOnce: peak, unanswered, notPersisted: lost }, notes })
}

const comparedPrompts = 16
const maxCostUsd = 0.02

async function comparisonSeries(
  host: ScenarioHost,
  { seed }: ScenarioSettings,
  { system, order, panel, ask }: BenchSystem,
  signal: AbortSignal,
): Promise<SeriesReport> {
  host.onPreparing('comparing strategies under the same bound of cost')
  const { clock } = host.runtime
  const series = host.series('orchestrations:strategies', 'closed', 'ms')
  series.begin()
  const run = async (compared: ComparedOrder, abort: AbortSignal): Promise<RunResult> => {
    const fromMs = clock.monotonicMs()
    const base = order(compared.prompt)
    const { result } = await system.run(
      { ...base, domain: compared.domain, settings: { ...base.settings, ...compared.settings } },
      () => undefined,
      abort,
    )
    const tookMs = clock.monotonicMs() - fromMs
    series.sample({ response: tookMs, service: tookMs, lateness: 0, error: result.finalResponse === null ? 'no answer' : null })
    return result
  }
  const prompts = Array.from({ length: comparedPrompts }, (_, index) => ({
    id: String(index),
    prompt: promptOf(index, 0, seed),
    domain: domains[index % domains.length] ?? 'general',
  }))
  const { strategies, note } = await compareStrategies({ prompts, maxCostUsd, panel, seed }, { run, judge: ask }, signal)
  const figures = Object.fromEntries(
    strategies.flatMap(({ strategy, meanQuality, interval, spentPerPromptUsd, versusSingle }) => [
      [`quality:${strategy}`, meanQuality ?? Number.NaN] as const,
      [`qualityLow:${strategy}`, interval?.low ?? Number.NaN] as const,
      [`qualityHigh:${strategy}`, interval?.high ?? Number.NaN] as const,
      [`spentPerPromptUsd:${strategy}`, spentPerPromptUsd ?? Number.NaN] as const,
      ...(versusSingle === null ? [] : [[`versusSingle:${strategy}`, versusSingle.mean] as const]),
    ]),
  )
  const told = strategies.map(({ strategy, meanQuality, interval, spentPerPromptUsd }) => {
    const range = interval === null ? '' : ` (${interval.low.toFixed(2)}-${interval.high.toFixed(2)})`
    return `${strategy}: quality ${meanQuality?.toFixed(2) ?? '-'}${range}, ${spentPerPromptUsd?.toFixed(5) ?? '-'} USD a prompt`
  })
  return series.finish({ offeredPerSecond: null, concurrency: null, figures, notes: [note, ...told] })
}
