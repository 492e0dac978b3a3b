// How long calls take and how many fail, by endpoint. Invariant: constant memory however many calls; percentiles come from histograms; counting
// never waits for anything.
import { Int32Histogram } from 'hdr-histogram-js'
import { valuesAtPercentiles } from '../core/percentiles.ts'
import type { Clock } from '../core/runtime.ts'

export interface EndpointMetrics {
  readonly endpoint: string
  readonly count: number
  readonly errors: number
  /** 0 to 1. */
  readonly errorRate: number
  readonly minMs: number
  readonly maxMs: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface Metrics {
  /** Longer than a minute counts as a minute. */
  record(endpoint: string, ms: number, ok: boolean): void
  /** Tracks any async function: its time, and whether it rejected. */
  track<T>(endpoint: string, work: () => Promise<T>): Promise<T>
  /** By name. */
  endpoints(): readonly EndpointMetrics[]
  /** When counting began, ms since 1970. */
  since(): number
  /** Counts from zero, from now. */
  reset(): void
}

interface Counted {
  readonly histogram: Int32Histogram
  errors: number
  /** The histogram would go through all its counts for these. */
  sumUs: number
  mostUs: number
}

const usPerMs = 1_000
const mostUs = 60_000_000
/** Names come from routes and models, not from users; a mistake must not eat the memory. */
const mostEndpoints = 500
const others = 'others'

export function makeMetrics(clock: Clock): Metrics {
  const counted = new Map<string, Counted>()
  let since = clock.now()
  const countedOf = (endpoint: string): Counted => {
    const present = counted.get(endpoint)
    if (present !== undefined) return present
    if (counted.size >= mostEndpoints && endpoint !== others) return countedOf(others)
    const made = {
      histogram: new Int32Histogram(1, mostUs, 3),
      errors: 0,
      sumUs: 0,
      mostUs: 0,
    }
    counted.set(endpoint, made)
    return made
  }
  const record = (endpoint: string, ms: number, ok: boolean): void => {
    const into = countedOf(endpoint)
    const us = Math.min(mostUs, Math.max(0, Math.round(ms * usPerMs) || 0))
    into.histogram.recordValue(us)
    into.sumUs += us
    if (us > into.mostUs) into.mostUs = us
    if (!ok) into.errors += 1
  }
  return {
    record,
    track: async (endpoint, work) => {
      const fromMs = clock.monotonicMs()
      let ok = false
      try {
        const value = await work()
        ok = true
        return value
      } finally {
        record(endpoint, clock.monotonicMs() - fromMs, ok)
      }
    },
    endpoints: () =>
      [...counted].map(([endpoint, { histogram, errors, sumUs, mostUs: greatestUs }]) => {
        const count = histogram.totalCount
        const [least = 0, p50 = 0, p95 = 0, p99 = 0] = valuesAtPercentiles(histogram, [0, 50, 95, 99]).map((us) => us / usPerMs)
        return {
          endpoint,
          count,
          errors,
          errorRate: count === 0 ? 0 : errors / count,
          minMs: least,
          maxMs: greatestUs / usPerMs,
          meanMs: sumUs / Math.max(1, count) / usPerMs,
          p50Ms: p50,
          p95Ms: p95,
          p99Ms: p99,
        }
      }),
    since: () => since,
    reset: () => {
      counted.clear()
      since = clock.now()
    },
  }
}
