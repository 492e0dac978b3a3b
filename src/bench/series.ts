// One stream of measurements as it grows: histograms, intervals, errors, and whether it can be believed. Invariant: a sample counts from its
// intended start; a timeout and an error are as slow as the timeout; the warm-up is no part of it.
import type { Clock } from '../core/runtime.ts'
import { makeHistogram } from './histogram.ts'
import type { Interval, LoadModel, SeriesReport, TimeUnit } from './report.ts'
import type { SeriesProgress } from './scenario.ts'

export interface SeriesOptions {
  readonly name: string
  readonly model: LoadModel
  readonly unit: TimeUnit
  /** In `unit`: what is above each is counted exactly. */
  readonly limits: readonly number[]
  readonly clock: Clock
  readonly loop: LoopProbe
  /** Read at each interval. @default none */
  readonly gauges?: () => Readonly<Record<string, number>>
  readonly onProgress: (progress: SeriesProgress) => void
}

/** What the process that measures is busy with itself. */
export interface LoopProbe {
  /** Since the last reset. */
  read(): { readonly eventLoopUtilization: number; readonly lagP99Ms: number }
  reset(): void
}

/** Times in the unit of the series. */
export interface Sample {
  readonly response: number
  readonly service: number
  readonly lateness: number
  /** What kind of failure; null: it went well. */
  readonly error: string | null
}

export interface SeriesEnd {
  readonly offeredPerSecond: number | null
  readonly concurrency: number | null
  /** Planned, but never sent. */
  readonly dropped?: number
  readonly figures?: Readonly<Record<string, number>>
  readonly notes?: readonly string[]
  /** Beyond it the generator was too late to be believed, ms. Null: lateness does not count. */
  readonly mostLatenessMs?: number | null
}

export interface Series {
  /** From now on samples count. */
  begin(): void
  isMeasuring(): boolean
  offered(): void
  sample(sample: Sample): void
  finish(end: SeriesEnd): SeriesReport
}

const intervalMs = 250
/** Of an open series: less than this share of what was offered was not the load that was asked for. */
const leastAchieved = 0.99

export function makeSeries({ name, model, unit, limits, clock, loop, gauges, onProgress }: SeriesOptions): Series {
  const response = makeHistogram(unit, limits)
  const service = makeHistogram(unit)
  const lateness = makeHistogram(unit)
  const now = makeHistogram(unit)
  const intervals: Interval[] = []
  const errorsByKind: Record<string, number> = {}
  let errors = 0
  let phase: 'warm-up' | 'measuring' = 'warm-up'
  let fromMs = clock.monotonicMs()
  let lastMs = fromMs
  let lastSampleMs = fromMs
  let offeredNow = 0
  let offeredAll = 0
  let errorsNow = 0

  const exceeded = (): Record<string, number> => Object.fromEntries(limits.map((limit) => [String(limit), response.above(limit)]))
  const closeInterval = (atMs: number): void => {
    const { p50, p95, p99, max } = now.percentiles()
    const interval = {
      atMs: lastMs - fromMs,
      durationMs: atMs - lastMs,
      offered: offeredNow,
      count: now.count(),
      errors: errorsNow,
      p50,
      p95,
      p99,
      max,
    }
    if (phase === 'measuring') intervals.push(interval)
    const total = response.percentiles()
    onProgress({
      series: name,
      phase,
      unit,
      interval,
      total: {
        count: response.count(),
        errors,
        errorsByKind: { ...errorsByKind },
        exceeded: exceeded(),
        p50: total.p50,
        p95: total.p95,
        p99: total.p99,
        max: total.max,
        curve: response.curve(),
      },
      gauges: gauges?.() ?? {},
    })
    now.reset()
    offeredNow = 0
    errorsNow = 0
    lastMs = atMs
  }
  const tick = (): void => {
    const atMs = clock.monotonicMs()
    if (atMs - lastMs >= intervalMs) closeInterval(atMs)
  }

  return {
    begin: () => {
      closeInterval(clock.monotonicMs())
      phase = 'measuring'
      fromMs = clock.monotonicMs()
      lastMs = fromMs
      lastSampleMs = fromMs
      response.reset()
      service.reset()
      lateness.reset()
      errors = 0
      for (const kind of Object.keys(errorsByKind)) delete errorsByKind[kind]
      loop.reset()
    },
    isMeasuring: () => phase === 'measuring',
    offered: () => {
      offeredNow += 1
      if (phase === 'measuring') offeredAll += 1
      tick()
    },
    sample: (sample) => {
      response.record(sample.response)
      service.record(sample.service)
      lateness.record(sample.lateness)
      now.record(sample.response)
      if (sample.error !== null) {
        errors += 1
        errorsNow += 1
        errorsByKind[sample.error] = (errorsByKind[sample.error] ?? 0) + 1
      }
      lastSampleMs = clock.monotonicMs()
      tick()
    },
    finish: ({ offeredPerSecond, concurrency, dropped = 0, figures = {}, notes = [], mostLatenessMs = null }) => {
      closeInterval(clock.monotonicMs())
      const tookMs = Math.max(1, lastSampleMs - fromMs)
      const late = lateness.percentile(99)
      const lateMs = unit === 'ms' ? late : unit === 'us' ? late / 1_000 : late / 1e6
      const invalid: string[] = []
      if (response.count() === 0) invalid.push('there is no sample')
      if (mostLatenessMs !== null && lateMs > mostLatenessMs) {
        invalid.push(`the generator was late: P99 ${lateMs.toFixed(1)} ms, at most ${mostLatenessMs.toFixed(1)} ms`)
      }
      if (dropped > 0) invalid.push(`${dropped} requests were never sent: too many were under way, or their time was over`)
      if (offeredPerSecond !== null && offeredAll > 0 && response.count() < leastAchieved * offeredAll) {
        invalid.push(`only ${response.count()} of ${offeredAll} requests were made`)
      }
      const half = drift(intervals)
      return {
        name,
        model,
        offeredPerSecond,
        achievedPerSecond: (response.count() / tookMs) * 1_000,
        concurrency,
        count: response.count(),
        errors,
        errorsByKind: { ...errorsByKind },
        response: response.percentiles(),
        service: service.percentiles(),
        lateness: { p99: lateness.percentile(99) },
        generator: loop.read(),
        figures,
        exceeded: exceeded(),
        invalid,
        notes: [...notes, ...(half === null ? [] : [half])],
        intervals,
        histogram: response.encode(),
      }
    },
  }
}

/** Says when the second half was another than the first: the warm-up was too short, or something piles up. */
function drift(intervals: readonly Interval[]): string | null {
  if (intervals.length < 16) return null
  const medianOf = (part: readonly Interval[]): number =>
    part.map(({ p50 }) => p50).toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0
  const middle = Math.floor(intervals.length / 2)
  const [first, second] = [medianOf(intervals.slice(0, middle)), medianOf(intervals.slice(middle))]
  if (first === 0 || (second < 1.5 * first && first < 1.5 * second)) return null
  return `the median of the second half is ${(second / first).toFixed(2)} times that of the first`
}
