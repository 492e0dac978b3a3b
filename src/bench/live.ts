// What the dashboard and the plain progress lines are told while a bench runs, about four times a second.
// Invariant: each message is small and of bounded size; nothing of it decides a verdict.
import type { Interval, ResourceSample, SeriesReport, TargetReport, TimeUnit } from './report.ts'

export type BenchEvent =
  | {
      readonly type: 'bench-started'
      readonly scenarios: readonly string[]
      readonly targets: readonly TargetReport[]
      readonly seed: number
    }
  /** Preparing: starting a server, seeding. `done` of `total` where it is known. */
  | {
      readonly type: 'preparing'
      readonly scenario: string
      readonly text: string
      readonly done: number | null
      readonly total: number | null
    }
  | { readonly type: 'scenario-started'; readonly scenario: string; readonly plannedMs: number }
  | {
      readonly type: 'interval'
      /** The series: `scenario` or `scenario:part`. */
      readonly series: string
      readonly phase: 'warm-up' | 'measuring'
      readonly unit: TimeUnit
      readonly interval: Interval
      /** Since the series began. */
      readonly total: {
        readonly count: number
        readonly errors: number
        readonly errorsByKind: Readonly<Record<string, number>>
        /** Samples above each limit that a target has, by the limit. */
        readonly exceeded: Readonly<Record<string, number>>
        readonly p50: number
        readonly p95: number
        readonly p99: number
        readonly max: number
        /** [percentile, value] points, at most 24. */
        readonly curve: readonly (readonly [number, number])[]
      }
      /** Gauges that the scenario has: queueDepth, cacheHitRatio, limiterUse, poolInUse, active ... */
      readonly gauges: Readonly<Record<string, number>>
    }
  | { readonly type: 'resources'; readonly scenario: string; readonly sample: ResourceSample }
  /** Targets as they stand; while a scenario runs they are provisional. */
  | { readonly type: 'targets'; readonly targets: readonly TargetReport[] }
  | { readonly type: 'scenario-finished'; readonly scenario: string; readonly series: readonly SeriesReport[] }
  | { readonly type: 'bench-finished'; readonly verdict: TargetReport['verdict'] }
