// What a bench comes to: the data of `orx bench --json`, and what its reports and dashboard are made of.
// Invariant: plain data, of one version; a latency is in the unit its series states; percentiles come from merged histograms.

export type LoadModel = 'open' | 'closed'
export type TimeUnit = 'ms' | 'us' | 'ns'
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'invalid'

export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
  readonly mean: number
  readonly unit: TimeUnit
}

/** A quarter of a second, or more, of a series. Times in the series' unit. */
export interface Interval {
  /** Since the measurement (not the warm-up) began. */
  readonly atMs: number
  readonly durationMs: number
  readonly offered: number
  readonly count: number
  readonly errors: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** One stream of measurements. Its name is the scenario's, or `scenario:part`. */
export interface SeriesReport {
  readonly name: string
  readonly model: LoadModel
  /** Null in a closed model. */
  readonly offeredPerSecond: number | null
  readonly achievedPerSecond: number
  readonly concurrency: number | null
  /** All that finished or timed out; errors are part of it, and count as slow. */
  readonly count: number
  readonly errors: number
  readonly errorsByKind: Readonly<Record<string, number>>
  /** From the intended start. */
  readonly response: Percentiles
  /** From the start. */
  readonly service: Percentiles
  readonly lateness: { readonly p99: number }
  readonly generator: { readonly eventLoopUtilization: number; readonly lagP99Ms: number }
  /** Figures that are no percentiles, by metric: gainPercent, hitRatio, windowViolations ... */
  readonly figures: Readonly<Record<string, number>>
  /** Exact counts of samples above each limit that a target has, by the limit. */
  readonly exceeded: Readonly<Record<string, number>>
  /** Why the measurement cannot be believed; empty when it can. */
  readonly invalid: readonly string[]
  /** What a reader should know: the limits that were set, that models are simulated ... */
  readonly notes: readonly string[]
  readonly intervals: readonly Interval[]
  /** The response histogram, hdr-histogram's compressed base64 (V2), for .hgrm files, curves and later comparison. */
  readonly histogram: string
}

export interface TargetReport {
  readonly id: string
  readonly source: string
  readonly description: string
  /** A series of the report. */
  readonly scenario: string
  readonly metric: string
  readonly percentile: number | null
  readonly direction: 'max' | 'min'
  readonly limit: number
  readonly unit: string
  readonly measured: number | null
  readonly samples: number
  /** Samples beyond the limit. */
  readonly exceeded: number
  readonly verdict: Verdict
  readonly reason: string
  /** For `inconclusive`: about how many more samples would decide. */
  readonly samplesMissing: number | null
}

/** Sampled beside the load. */
export interface ResourceSample {
  readonly scenario: string
  readonly atMs: number
  /** Of all processes of the bench. */
  readonly rssMb: number
  /** Of the whole machine, by what is measured: 100 is every core. */
  readonly cpuPercent: number
  /** Of the whole machine, what its host gave to other machines; null where nobody tells. */
  readonly stolenPercent: number | null
  readonly dbConnections: number | null
  readonly eventLoopLagMs: number
}

export interface ResourceReport {
  readonly rssPeakMb: number
  /** Of the whole machine, 0-100; null without a sample. */
  readonly cpuMeanPercent: number | null
  /** Null where there is no database, or nobody may count. */
  readonly dbConnectionsPeak: number | null
  readonly samples: readonly ResourceSample[]
}

export interface Environment {
  readonly node: string
  readonly platform: string
  readonly arch: string
  readonly cpus: number
  readonly memoryMb: number
  readonly mongodb: string | null
  readonly orx: string
  readonly startedAt: string
}

export interface ComparisonReport {
  /** What was compared: a baseline file, a command, a run's id. */
  readonly with: string
  readonly entries: readonly {
    readonly series: string
    readonly metric: string
    /** Candidate / baseline: above 1 is slower. */
    readonly ratio: number
    readonly low: number
    readonly high: number
    readonly tolerance: number
    readonly verdict: Verdict
  }[]
  readonly warnings: readonly string[]
}

export interface BenchReport {
  readonly id: string
  readonly environment: Environment
  readonly seed: number
  readonly scenarios: readonly SeriesReport[]
  readonly targets: readonly TargetReport[]
  readonly resources: ResourceReport
  readonly comparison: ComparisonReport | null
  readonly verdict: Verdict
}
