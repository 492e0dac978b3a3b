// A measurement and a target for tests, whole but for what a test is about.
import type { SeriesReport } from './report.ts'
import type { Target } from './targets.ts'

export const series = (more: Partial<SeriesReport>): SeriesReport => ({
  name: 's',
  model: 'open',
  offeredPerSecond: 100,
  achievedPerSecond: 100,
  concurrency: null,
  count: 1_000,
  errors: 0,
  errorsByKind: {},
  response: { p50: 1, p95: 2, p99: 3, max: 4, mean: 1, unit: 'ms' },
  service: { p50: 1, p95: 2, p99: 3, max: 4, mean: 1, unit: 'ms' },
  lateness: { p99: 0 },
  generator: { eventLoopUtilization: 0, lagP99Ms: 0 },
  figures: { hits: 5 },
  exceeded: { 10: 0 },
  invalid: [],
  notes: [],
  intervals: [],
  histogram: '',
  ...more,
})

export const target = (more: Partial<Target>): Target => ({
  id: 't',
  source: 'a test',
  description: 'a test',
  scenario: 's',
  metric: 'response',
  percentile: 99,
  direction: 'max',
  limit: 10,
  unit: 'ms',
  ...more,
})
