// A whole bench: scenario after scenario, samples of the machine beside them, verdicts, at most one extension of each. Invariant: verdicts are made here,
// from merged reports; a scenario that failed is a measurement that is invalid, not a bench that is lost.
import { messageOf, OrxError } from '../core/errors.ts'
import { sleep, type Clock } from '../core/runtime.ts'
import type { BenchEvent } from './live.ts'
import type { BenchReport, ComparisonReport, Environment, ResourceSample, SeriesReport, TargetReport } from './report.ts'
import type { ScenarioSettings, ScenarioSpec } from './scenario.ts'
import { scenarioOf, type Target } from './targets.ts'
import { resourcesOf, stolenNotes } from './resources.ts'
import { judgeTargets, wholeVerdict } from './verdict.ts'

export interface BenchPlan {
  readonly id: string
  readonly scenarios: readonly Pick<ScenarioSpec, 'name' | 'plannedMs'>[]
  readonly targets: readonly Target[]
  readonly settings: ScenarioSettings
  readonly environment: Environment
  /** No further look is begun that would end later than this, ms from now. Null: as long as it takes. */
  readonly budgetMs: number | null
}

export interface BenchPorts {
  readonly clock: Clock
  /** Runs one scenario in the generator's process. Rejects when it could not be measured, or with the signal's reason. */
  execute(
    scenario: string,
    settings: ScenarioSettings,
    emit: (event: BenchEvent) => void,
    signal: AbortSignal,
  ): Promise<readonly SeriesReport[]>
  /** One sample of all processes. */
  sampleResources(): Promise<Omit<ResourceSample, 'atMs' | 'scenario'>>
}

const sampleEveryMs = 250
/** So often, at most, what is open is looked at again when all scenarios were measured and there is a budget. */
const lateRounds = 3
/** Where samples are too few, for so many times as long. */
const extension = 3
/** A further look is no shorter than this, or three times as long where samples are missing, ms. */
const leastLookMs = 2_000
/** A longer look is no longer than this, ms. */
const longestLookMs = 60_000

/** Resolves also when the signal came: with what was measured until then. */
export async function runBench(
  plan: BenchPlan,
  ports: BenchPorts,
  emit: (event: BenchEvent) => void,
  signal: AbortSignal,
): Promise<BenchReport> {
  const { clock } = ports
  const { targets, settings } = plan
  const samples: ResourceSample[] = []
  const measured = new Map<string, SeriesReport>()
  const judged = (): readonly TargetReport[] => judgeTargets(targets, [...measured.values()], samples)
  emit({ type: 'bench-started', scenarios: plan.scenarios.map(({ name }) => name), targets: judged(), seed: settings.seed })
  const fromMs = clock.monotonicMs()

  const runOne = async ({ name, plannedMs }: BenchPlan['scenarios'][number], how: ScenarioSettings): Promise<void> => {
    emit({ type: 'scenario-started', scenario: name, plannedMs: plannedMs(how) })
    const stopped = new AbortController()
    const firstSample = samples.length
    const sampling = (async () => {
      while (!stopped.signal.aborted) {
        await sleep(clock, sampleEveryMs, stopped.signal)
        const sample = { scenario: name, atMs: clock.monotonicMs() - fromMs, ...(await ports.sampleResources()) }
        samples.push(sample)
        emit({ type: 'resources', scenario: name, sample })
      }
    })().catch(() => undefined)
    try {
      const series = await ports.execute(name, how, emit, signal)
      const stolen = stolenNotes(samples.slice(firstSample))
      const told = series.map((report) => ({ ...report, notes: [...report.notes, ...stolen] }))
      for (const report of told) measured.set(report.name, report)
      emit({ type: 'scenario-finished', scenario: name, series: told })
    } catch (error) {
      if (!signal.aborted) {
        const failed = unmeasured(name, error)
        measured.set(name, failed)
        emit({ type: 'scenario-finished', scenario: name, series: [failed] })
      }
    } finally {
      stopped.abort()
      await sampling
    }
    emit({ type: 'targets', targets: judged() })
  }

  /** Series that had their longer look. */
  const extended = new Set<string>()
  /**
   * What cannot be decided is measured anew, and that replaces the first look. Where samples were too few it is longer, by a factor that was fixed
   * beforehand, and once; where the measurement could not be believed it is as long as before, and within a budget as often as that allows.
   * @param keptMs of the budget, for scenarios that were not measured yet
   */
  const lookAgain = async (scenario: BenchPlan['scenarios'][number], keptMs: number): Promise<void> => {
    const open = judged().filter(
      ({ verdict, scenario: series }) =>
        scenarioOf(series) === scenario.name && (verdict === 'invalid' || (verdict === 'inconclusive' && !extended.has(series))),
    )
    const few = open.filter(({ verdict }) => verdict === 'inconclusive')
    const unbelieved = open.filter(({ verdict }) => verdict === 'invalid')
    const same = settings.durationMs === null ? null : Math.max(leastLookMs, settings.durationMs)
    const longer = Math.min(longestLookMs, extension * Math.max(leastLookMs, settings.durationMs ?? scenario.plannedMs(settings) / 4))
    // Where a longer look at all of them takes too long, what could not be believed goes first.
    const looks = [...(few.length > 0 ? [{ targets: open, durationMs: longer }] : []), { targets: unbelieved, durationMs: same }]
    const fits = (how: ScenarioSettings): boolean =>
      plan.budgetMs === null || clock.monotonicMs() - fromMs + scenario.plannedMs(how) + keptMs <= plan.budgetMs
    for (const { targets: some, durationMs } of looks) {
      const again = { ...settings, durationMs, only: some.map((target) => target.scenario) }
      if (some.length === 0 || signal.aborted || !fits(again)) continue
      for (const target of some) if (target.verdict === 'inconclusive') extended.add(target.scenario)
      return runOne(scenario, again)
    }
  }
  for (const [position, scenario] of plan.scenarios.entries()) {
    if (signal.aborted) break
    await runOne(scenario, settings)
    const after = plan.scenarios.slice(position + 1)
    await lookAgain(
      scenario,
      after.reduce((sum, { plannedMs }) => sum + plannedMs(settings), 0),
    )
  }
  // The time that is left goes to what is open still: what disturbed a measurement may have passed.
  for (let round = 0; plan.budgetMs !== null && round < lateRounds; round += 1)
    for (const scenario of plan.scenarios) await lookAgain(scenario, 0)
  const targetReports = judged()
  const verdict = wholeVerdict(targetReports)
  emit({ type: 'targets', targets: targetReports })
  emit({ type: 'bench-finished', verdict })
  return {
    id: plan.id,
    environment: plan.environment,
    seed: settings.seed,
    scenarios: [...measured.values()],
    targets: targetReports,
    resources: resourcesOf(samples),
    comparison: null,
    verdict,
  }
}

/** A regression is a missed target. */
export function withComparison(report: BenchReport, comparison: ComparisonReport): BenchReport {
  return { ...report, comparison, verdict: wholeVerdict([...report.targets, ...comparison.entries]) }
}

function unmeasured(name: string, error: unknown): SeriesReport {
  const none = { p50: 0, p95: 0, p99: 0, max: 0, mean: 0, unit: 'ms' } as const
  const hint = error instanceof OrxError ? ` (${error.hint})` : ''
  return {
    name,
    model: 'closed',
    offeredPerSecond: null,
    achievedPerSecond: 0,
    concurrency: null,
    count: 0,
    errors: 0,
    errorsByKind: {},
    response: none,
    service: none,
    lateness: { p99: 0 },
    generator: { eventLoopUtilization: 0, lagP99Ms: 0 },
    figures: {},
    exceeded: {},
    invalid: [`it could not be measured: ${messageOf(error)}${hint}`],
    notes: [],
    intervals: [],
    histogram: '',
  }
}
