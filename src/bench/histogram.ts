// Latencies in constant memory. Invariant: whole numbers in a fixed range, nothing lost silently: what is above it is clamped and counted, and
// what is beyond a stated limit is counted exactly, not by buckets.
import { decodeFromCompressedBase64, encodeIntoCompressedBase64, Int32Histogram } from 'hdr-histogram-js'
import { valuesAtPercentiles } from '../core/percentiles.ts'
import type { Percentiles, TimeUnit } from './report.ts'

/** What a latency is counted in, and shown in. Source of the range: a request longer than a minute has failed. */
const resolutions = {
  ms: { perUnit: 1_000, highest: 60_000_000 },
  us: { perUnit: 1_000, highest: 60_000_000_000 },
  ns: { perUnit: 1, highest: 2_000_000_000 },
} as const satisfies Record<TimeUnit, { readonly perUnit: number; readonly highest: number }>

export interface LatencyHistogram {
  readonly unit: TimeUnit
  /** In `unit`, fractions too. Not a number: counted as an error of the harness, and thrown. */
  record(value: number): void
  /** Takes over all of another one of the same unit. */
  add(other: LatencyHistogram): void
  count(): number
  /** In `unit`; 0 without samples. */
  percentile(percent: number): number
  percentiles(): Percentiles
  /** How many were above a limit that was stated when it was made. */
  above(limit: number): number
  /** [percentile, value] points, more of them towards the end. */
  curve(): readonly (readonly [number, number])[]
  encode(): string
  reset(): void
  /** For add. */
  readonly raw: Int32Histogram
  sum(): number
  greatest(): number
}

const curvePercentiles = [
  0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96.5, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 99.999, 100,
]

const significantDigits = 3

const curveFrom = (values: readonly number[]): readonly (readonly [number, number])[] =>
  curvePercentiles.map((percent, index) => [percent, values[index] ?? 0] as const)

/** @param limits in `unit`: above each, samples are counted exactly */
export function makeHistogram(unit: TimeUnit, limits: readonly number[] = []): LatencyHistogram {
  const { perUnit, highest } = resolutions[unit]
  const raw = new Int32Histogram(1, highest, significantDigits)
  const exceeded = new Map(limits.map((limit) => [limit, 0]))
  // The library finds its mean and its greatest by going through all counts, each time it is asked.
  let sum = 0
  let greatest = 0
  const valuesAt = (percents: readonly number[]): readonly number[] => valuesAtPercentiles(raw, percents).map((value) => value / perUnit)
  return {
    unit,
    raw,
    sum: () => sum,
    greatest: () => greatest,
    record: (value) => {
      if (!(value >= 0)) throw new TypeError(`a latency of ${value} ${unit}`)
      const known = Math.min(highest, Math.round(value * perUnit))
      raw.recordValue(known)
      sum += known
      greatest = Math.max(greatest, known)
      for (const [limit, count] of exceeded) if (value > limit) exceeded.set(limit, count + 1)
    },
    add: (other) => {
      raw.add(other.raw)
      sum += other.sum()
      greatest = Math.max(greatest, other.greatest())
      for (const [limit, count] of exceeded) exceeded.set(limit, count + other.above(limit))
    },
    count: () => raw.totalCount,
    percentile: (percent) => valuesAt([percent])[0] ?? 0,
    percentiles: () => {
      const [p50 = 0, p95 = 0, p99 = 0] = valuesAt([50, 95, 99])
      return {
        p50,
        p95,
        p99,
        max: greatest / perUnit,
        mean: sum / Math.max(1, raw.totalCount) / perUnit,
        unit,
      }
    },
    above: (limit) => exceeded.get(limit) ?? Number.NaN,
    curve: () => (raw.totalCount === 0 ? [] : curveFrom(valuesAt(curvePercentiles))),
    encode: () => encodeIntoCompressedBase64(raw),
    reset: () => {
      raw.reset()
      sum = 0
      greatest = 0
      for (const limit of exceeded.keys()) exceeded.set(limit, 0)
    },
  }
}

/** The curve of an encoded histogram; none for an empty text. */
export function curveOf(encoded: string, unit: TimeUnit): readonly (readonly [number, number])[] {
  if (encoded === '') return []
  const histogram = decodeFromCompressedBase64(encoded)
  return curveFrom(curvePercentiles.map((percent) => histogram.getValueAtPercentile(percent) / resolutions[unit].perUnit))
}

/** The text of a .hgrm file, for the plotters that read it. Throws for what is no encoded histogram. */
export function hgrmText(encoded: string, unit: TimeUnit): string {
  const histogram = decodeFromCompressedBase64(encoded)
  return histogram.outputPercentileDistribution(5, resolutions[unit].perUnit, false)
}
