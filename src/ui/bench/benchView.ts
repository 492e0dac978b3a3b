// What the dashboard knows of a bench: a fold over its events. Pure, and of bounded size however long a bench runs.
// Invariant: a target's verdict is the bench's own once its scenario has ended; before that it stands provisionally, and says so.
import type { BenchEvent } from '../../bench/live.ts'
import type { Provisional, SoFar } from '../../bench/provisional.ts'
import type { ResourceSample, SeriesReport, TargetReport, TimeUnit } from '../../bench/report.ts'
import { emptyHistory, mostPoints, remember, type History } from './history.ts'

type IntervalEvent = Extract<BenchEvent, { readonly type: 'interval' }>

export interface ScenarioState {
  readonly name: string
  readonly status: 'waiting' | 'preparing' | 'warm-up' | 'measuring' | 'finished'
  readonly plannedMs: number
  /** When its first interval came: what is planned counts from there. */
  readonly loadFromMs: number | null
  /** The second look at an open question is 2. */
  readonly looks: number
  readonly isInvalid: boolean
}

export interface SeriesState {
  readonly name: string
  readonly unit: TimeUnit
  readonly phase: IntervalEvent['phase']
  readonly history: History
  readonly total: IntervalEvent['total']
  readonly measuredMs: number
  /** The newest of each, newest last. */
  readonly gauges: Readonly<Record<string, readonly number[]>>
  readonly lastMs: number
  readonly isFinished: boolean
}

export interface BenchState {
  readonly startedMs: number
  readonly seed: number | null
  readonly scenarios: readonly ScenarioState[]
  readonly series: readonly SeriesState[]
  readonly targets: readonly TargetReport[]
  /** Of targets whose scenario runs, by their id. */
  readonly soFar: Readonly<Record<string, Provisional>>
  readonly resources: readonly ResourceSample[]
  /** Of the scenario that was sampled last. */
  readonly peaks: Peaks
  readonly preparing: { readonly text: string; readonly done: number | null; readonly total: number | null } | null
  /** The series that is shown unless a person chooses one. */
  readonly followed: string | null
}

interface Peaks {
  readonly scenario: string | null
  readonly rssMb: number
  readonly dbConnections: number
  readonly cpuSum: number
  readonly samples: number
}

const noPeaks: Peaks = { scenario: null, rssMb: 0, dbConnections: 0, cpuSum: 0, samples: 0 }

export interface StepOptions {
  readonly atMs: number
  /** Fewer samples of memory, processor and connections than this say nothing yet. */
  readonly leastSampled: number
  readonly judge: (target: TargetReport, soFar: SoFar, targets: number) => Provisional | null
}

export function initialBench(atMs: number): BenchState {
  return {
    startedMs: atMs,
    seed: null,
    scenarios: [],
    series: [],
    targets: [],
    soFar: {},
    resources: [],
    peaks: noPeaks,
    preparing: null,
    followed: null,
  }
}

export const scenarioOfSeries = (series: string): string => series.split(':')[0] ?? series

/** How long a followed series may be silent before another one that speaks is followed. */
const patienceMs = 1_500

export function stepBench(state: BenchState, event: BenchEvent, how: StepOptions): BenchState {
  switch (event.type) {
    case 'bench-started':
      return {
        ...state,
        seed: event.seed,
        targets: event.targets,
        scenarios: event.scenarios.map((name) => ({
          name,
          status: 'waiting',
          plannedMs: 0,
          loadFromMs: null,
          looks: 0,
          isInvalid: false,
        })),
      }
    case 'scenario-started':
      return {
        ...withScenario(state, event.scenario, ({ looks }) => ({
          status: 'preparing',
          plannedMs: event.plannedMs,
          loadFromMs: null,
          looks: looks + 1,
          isInvalid: false,
        })),
        preparing: null,
      }
    case 'preparing': {
      const { text, done, total } = event
      return { ...withScenario(state, event.scenario, () => ({ status: 'preparing' })), preparing: { text, done, total } }
    }
    case 'interval':
      return stepInterval(state, event, how)
    case 'resources':
      return stepResources(state, event.sample, how)
    case 'targets':
      return { ...state, targets: event.targets }
    case 'scenario-finished':
      return stepFinished(state, event.scenario, event.series)
    case 'bench-finished':
      return state
  }
}

function withScenario(state: BenchState, name: string, change: (scenario: ScenarioState) => Partial<ScenarioState>): BenchState {
  const scenarios = state.scenarios.map((scenario) => (scenario.name === name ? { ...scenario, ...change(scenario) } : scenario))
  return { ...state, scenarios }
}

function stepInterval(state: BenchState, event: IntervalEvent, { atMs, judge }: StepOptions): BenchState {
  const { series: name, phase, interval } = event
  const before = state.series.find((series) => series.name === name)
  // A second look and the end of the warm-up begin anew.
  const goesOn = before !== undefined && !before.isFinished && before.phase === phase
  const measuredMs = phase === 'measuring' ? interval.durationMs + (goesOn ? before.measuredMs : 0) : 0
  const series: SeriesState = {
    name,
    unit: event.unit,
    phase,
    history: interval.durationMs > 0 ? remember(goesOn ? before.history : emptyHistory, interval) : goesOn ? before.history : emptyHistory,
    total: event.total,
    measuredMs,
    gauges: withGauges(before?.gauges ?? {}, event.gauges),
    lastMs: atMs,
    isFinished: false,
  }
  const scenario = scenarioOfSeries(name)
  const next = withScenario(state, scenario, ({ loadFromMs }) => ({ status: phase, loadFromMs: loadFromMs ?? atMs }))
  const soFar = { ...state.soFar }
  for (const target of state.targets) {
    if (target.scenario !== name) continue
    const stands = phase === 'measuring' ? judge(target, { ...event.total, measuredMs }, state.targets.length) : null
    if (stands === null) delete soFar[target.id]
    else soFar[target.id] = stands
  }
  return {
    ...next,
    series: before === undefined ? [...state.series, series] : state.series.map((other) => (other === before ? series : other)),
    soFar,
    preparing: null,
    followed: followedAfter(state, name, atMs),
  }
}

function withGauges(before: SeriesState['gauges'], now: Readonly<Record<string, number>>): SeriesState['gauges'] {
  return Object.fromEntries(Object.entries(now).map(([name, value]) => [name, [...(before[name] ?? []), value].slice(-mostPoints)]))
}

/** Series that are measured at once do not take turns on the screen. */
function followedAfter({ followed, series }: BenchState, name: string, atMs: number): string {
  const current = series.find((other) => other.name === followed)
  const stays =
    current !== undefined &&
    !current.isFinished &&
    scenarioOfSeries(current.name) === scenarioOfSeries(name) &&
    atMs - current.lastMs < patienceMs
  return stays ? current.name : name
}

function stepResources(state: BenchState, sample: ResourceSample, { leastSampled }: StepOptions): BenchState {
  const { scenario } = sample
  // A target looks at the samples of its own scenario.
  const before = state.peaks.scenario === scenario ? state.peaks : noPeaks
  const peaks = {
    scenario,
    rssMb: Math.max(before.rssMb, sample.rssMb),
    dbConnections: Math.max(before.dbConnections, sample.dbConnections ?? 0),
    cpuSum: before.cpuSum + sample.cpuPercent,
    samples: before.samples + 1,
  }
  const figures: Readonly<Record<string, number>> = {
    rssPeakMb: peaks.rssMb,
    cpuMeanPercent: peaks.cpuSum / peaks.samples,
    dbConnectionsPeak: peaks.dbConnections,
  }
  const soFar = { ...state.soFar }
  for (const { id, metric, direction, limit, scenario: series } of state.targets) {
    const measured = figures[metric]
    if (measured === undefined || scenarioOfSeries(series) !== scenario) continue
    const holds = direction === 'max' ? measured <= limit : measured >= limit
    const missing = leastSampled - peaks.samples
    soFar[id] = {
      measured,
      samples: peaks.samples,
      verdict: missing > 0 ? 'inconclusive' : holds ? 'pass' : 'fail',
      samplesMissing: missing > 0 ? missing : null,
    }
  }
  return { ...state, resources: [...state.resources, sample].slice(-mostPoints), peaks, soFar }
}

function stepFinished(state: BenchState, scenario: string, reports: readonly SeriesReport[]): BenchState {
  const series = state.series.map((before): SeriesState => {
    const report = reports.find(({ name }) => name === before.name)
    if (report === undefined) return before
    const { response, count, errors, errorsByKind, exceeded } = report
    const { p50, p95, p99, max } = response
    return { ...before, total: { ...before.total, count, errors, errorsByKind, exceeded, p50, p95, p99, max }, isFinished: true }
  })
  const isInvalid = reports.some(({ invalid }) => invalid.length > 0)
  return { ...withScenario({ ...state, series }, scenario, () => ({ status: 'finished', isInvalid })), preparing: null }
}

/** How a target stands, whoever says so. */
export interface Standing {
  readonly kind: 'final' | 'so far' | 'running' | 'waiting'
  readonly verdict: TargetReport['verdict'] | null
  readonly measured: number | null
  readonly samples: number
  readonly samplesMissing: number | null
}

export function standingOf({ scenarios, soFar }: BenchState, target: TargetReport): Standing {
  const scenario = scenarios.find(({ name }) => name === scenarioOfSeries(target.scenario))
  if (scenario?.status === 'finished') return { ...target, kind: 'final' }
  const stands = soFar[target.id]
  if (stands !== undefined) return { ...stands, kind: 'so far' }
  const kind = scenario === undefined || scenario.status === 'waiting' ? 'waiting' : 'running'
  return { kind, verdict: null, measured: null, samples: 0, samplesMissing: null }
}
