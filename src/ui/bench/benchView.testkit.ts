// Events of a bench as they come, for tests of the dashboard: four scenarios, some targets, one scenario done, one half way.
import { provisionalVerdict } from '../../bench/provisional.ts'
import type { BenchEvent } from '../../bench/live.ts'
import type { SeriesReport, TargetReport } from '../../bench/report.ts'
import { initialBench, stepBench, type BenchState } from './benchView.ts'

export function target(id: string, scenario: string, more: Partial<TargetReport> = {}): TargetReport {
  return {
    id,
    source: 'a test',
    description: `what ${id} is about, in some words`,
    scenario,
    metric: 'response',
    percentile: 95,
    direction: 'max',
    limit: 100,
    unit: 'ms',
    measured: null,
    samples: 0,
    exceeded: 0,
    verdict: 'invalid',
    reason: 'not measured',
    samplesMissing: null,
    ...more,
  }
}

export const targets: readonly TargetReport[] = [
  target('session-operations-p95', 'sessions'),
  target('session-operations-p99', 'sessions', { percentile: 99, limit: 12 }),
  target('http-routes-p95', 'http'),
  target('http-routes-p99', 'http', { percentile: 99 }),
  target('request-rate', 'http', { metric: 'achievedPerSecond', percentile: null, direction: 'min', limit: 495, unit: 'requests/s' }),
  target('request-errors', 'http', { metric: 'errorRatePercent', percentile: null, limit: 0.1, unit: '%' }),
  target('orchestration-p95', 'orchestrations', { limit: 30_000 }),
  target('memory', 'resources', { metric: 'rssPeakMb', percentile: null, limit: 2_048, unit: 'MB' }),
  target('目標-コンテキスト-p95', 'resources', { metric: 'cpuMeanPercent', percentile: null, limit: 80, unit: '%' }),
]

const curve: readonly (readonly [number, number])[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100].map(
  (percent, index) => [percent, 1 + index ** 2 / 2] as const,
)

export function interval(
  series: string,
  index: number,
  more: Partial<Extract<BenchEvent, { readonly type: 'interval' }>> = {},
): BenchEvent {
  const wave = 5 + 4 * Math.sin(index / 4)
  return {
    type: 'interval',
    series,
    phase: index < 4 ? 'warm-up' : 'measuring',
    unit: 'ms',
    interval: {
      atMs: index * 250,
      durationMs: 250,
      offered: 125,
      count: 124,
      errors: index % 5,
      p50: 2,
      p95: wave,
      p99: wave * 2,
      max: 30,
    },
    total: {
      count: 124 * Math.max(0, index - 3),
      errors: index,
      errorsByKind: { 'timeout': index, 'http 503': 2 },
      exceeded: { 100: 0, 12: 40 },
      p50: 2,
      p95: 9,
      p99: 18,
      max: 30,
      curve,
    },
    gauges: { queueDepth: index % 7, cacheHitRatio: 0.8 },
    ...more,
  }
}

export function finished(name: string): SeriesReport {
  const response = { p50: 2, p95: 9, p99: 18, max: 30, mean: 4, unit: 'ms' } as const
  return {
    name,
    model: 'closed',
    offeredPerSecond: null,
    achievedPerSecond: 800,
    concurrency: 1_000,
    count: 16_000,
    errors: 0,
    errorsByKind: {},
    response,
    service: response,
    lateness: { p99: 0 },
    generator: { eventLoopUtilization: 0.2, lagP99Ms: 1 },
    figures: {},
    exceeded: { 100: 0, 12: 400 },
    invalid: [],
    notes: [],
    intervals: [],
    histogram: '',
  }
}

export const resources = (scenario: string, index: number): BenchEvent => ({
  type: 'resources',
  scenario,
  sample: {
    scenario,
    atMs: index * 500,
    rssMb: 300 + index,
    cpuPercent: 70 + (index % 9),
    stolenPercent: 0,
    dbConnections: 41,
    eventLoopLagMs: index % 4,
  },
})

export const events: readonly BenchEvent[] = [
  { type: 'bench-started', scenarios: ['sessions', 'http', 'orchestrations', 'resources'], targets, seed: 7 },
  { type: 'scenario-started', scenario: 'sessions', plannedMs: 20_000 },
  ...Array.from({ length: 40 }, (_, index) => interval('sessions', index)),
  ...Array.from({ length: 20 }, (_, index) => resources('sessions', index)),
  { type: 'scenario-finished', scenario: 'sessions', series: [finished('sessions')] },
  {
    type: 'targets',
    targets: targets.map((each) =>
      each.scenario !== 'sessions'
        ? each
        : each.percentile === 95
          ? { ...each, measured: 9, samples: 16_000, verdict: 'pass' }
          : { ...each, measured: 18, samples: 16_000, exceeded: 400, verdict: 'fail' },
    ),
  },
  { type: 'scenario-started', scenario: 'http', plannedMs: 20_000 },
  { type: 'preparing', scenario: 'http', text: 'creating sessions to ask for', done: 40, total: 200 },
  ...Array.from({ length: 40 }, (_, index) => interval('http', index)),
  ...Array.from({ length: 20 }, (_, index) => resources('http', 20 + index)),
]

/** An event each 250 ms. */
export function foldEvents(list: readonly BenchEvent[], from: BenchState = initialBench(0), fromMs = 0): BenchState {
  return list.reduce(
    (state, event, index) => stepBench(state, event, { atMs: fromMs + 250 * index, leastSampled: 30, judge: provisionalVerdict }),
    from,
  )
}
