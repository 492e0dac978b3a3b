// Two benches, or two commands, side by side. Invariant: a regression is claimed only when the whole interval of the ratio is beyond what is
// tolerated; what was measured elsewhere or otherwise is said.
import { seededRandom } from '../core/random.ts'
import type { BenchReport, ComparisonReport, SeriesReport, Verdict } from './report.ts'

/** How much slower is still noise, by what benches of one commit differ. */
const tolerances = { p50: 0.05, p95: 0.15, p99: 0.3 } as const
type Metric = keyof typeof tolerances
const metrics = Object.keys(tolerances) as readonly Metric[]

const resamples = 2_000

export interface RatioInterval {
  readonly ratio: number
  readonly low: number
  readonly high: number
}

const quantile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** The median of paired ratios, and its 95 % interval by resampling the pairs. */
export function ratioInterval(ratios: readonly number[], seed: number): RatioInterval {
  const random = seededRandom(`bootstrap/${seed}`)
  const medianOf = (values: Float64Array): number => quantile(values.toSorted(), 0.5)
  const draws = Float64Array.from({ length: resamples }, () =>
    medianOf(Float64Array.from(ratios, () => ratios[Math.floor(random() * ratios.length)] ?? Number.NaN)),
  ).toSorted()
  return { ratio: medianOf(Float64Array.from(ratios)), low: quantile(draws, 0.025), high: quantile(draws, 0.975) }
}

export function judgeRatio({ low, high }: RatioInterval, tolerance: number): Verdict {
  if (Number.isNaN(low) || Number.isNaN(high)) return 'invalid'
  if (low > 1 + tolerance) return 'fail'
  return high <= 1 + tolerance ? 'pass' : 'inconclusive'
}

/**
 * This bench beside an earlier one, series by series. A quarter of a second is one block: the blocks of both are resampled, so that a slow
 * moment of either widens the interval instead of deciding.
 */
export function compareWithBaseline(report: BenchReport, baseline: BenchReport, name: string): ComparisonReport {
  const warnings: string[] = []
  for (const field of ['node', 'platform', 'arch', 'cpus', 'mongodb'] as const) {
    const [was, is] = [baseline.environment[field], report.environment[field]]
    if (was !== is) warnings.push(`${field} was ${String(was)}, is ${String(is)}: the machines differ, so ratios say little`)
  }
  const entries = report.scenarios.flatMap((series) => {
    const before = baseline.scenarios.find((other) => other.name === series.name)
    if (before === undefined || before.invalid.length > 0 || series.invalid.length > 0) {
      warnings.push(`${series.name} cannot be compared: it is ${before === undefined ? 'not in the baseline' : 'invalid in one of both'}`)
      return []
    }
    return metrics.map((metric) => {
      const blocks = (of: typeof series): readonly number[] =>
        of.intervals.filter(({ count }) => count > 0).map((interval) => interval[metric])
      const interval = unpairedInterval(blocks(series), blocks(before), report.seed)
      return { series: series.name, metric, ...interval, tolerance: tolerances[metric], verdict: judgeRatio(interval, tolerances[metric]) }
    })
  })
  return { with: name, entries, warnings }
}

function unpairedInterval(now: readonly number[], before: readonly number[], seed: number): RatioInterval {
  if (now.length < 4 || before.length < 4) return { ratio: Number.NaN, low: Number.NaN, high: Number.NaN }
  const random = seededRandom(`bootstrap/${seed}`)
  const medianOf = (values: readonly number[]): number => quantile(Float64Array.from(values).toSorted(), 0.5)
  const drawn = (values: readonly number[]): readonly number[] => values.map(() => values[Math.floor(random() * values.length)] ?? 0)
  const draws = Float64Array.from({ length: resamples }, () => medianOf(drawn(now)) / medianOf(drawn(before))).toSorted()
  return { ratio: medianOf(now) / medianOf(before), low: quantile(draws, 0.025), high: quantile(draws, 0.975) }
}

/**
 * Blocks of two programs in the order A B B A, so that what drifts hits both alike; each gives its series. Ratios are of percentiles, block by
 * block; what A differs from itself by within a block is tolerated too.
 */
export async function duet(
  runA: () => Promise<readonly SeriesReport[]>,
  runB: () => Promise<readonly SeriesReport[]>,
  { blocks, seed, name }: { readonly blocks: number; readonly seed: number; readonly name: string },
): Promise<ComparisonReport> {
  const ratios = new Map<string, number[]>()
  const own = new Map<string, number[]>()
  const push = (into: Map<string, number[]>, key: string, value: number): void => void into.set(key, [...(into.get(key) ?? []), value])
  const missing = new Set<string>()
  for (let block = 0; block < blocks; block += 1) {
    const a1 = await runA()
    const b1 = await runB()
    const b2 = await runB()
    const a2 = await runA()
    for (const { name: series, response } of a1) {
      const others = [b1, b2, a2].map((reports) => reports.find((other) => other.name === series)?.response)
      const [first, second, again] = others
      if (first === undefined || second === undefined || again === undefined) {
        missing.add(series)
        continue
      }
      for (const metric of metrics) {
        push(ratios, `${series} ${metric}`, Math.sqrt((response[metric] * again[metric]) / (first[metric] * second[metric])))
        push(own, `${series} ${metric}`, response[metric] / again[metric])
      }
    }
  }
  const entries = [...ratios].map(([key, values]) => {
    const [series, metric] = key.split(' ') as [string, Metric]
    const interval = ratioInterval(values, seed)
    const selfDifference = Math.abs(1 - ratioInterval(own.get(key) ?? [], seed).ratio)
    const tolerance = Math.max(tolerances[metric], selfDifference)
    return { series, metric, ...interval, tolerance, verdict: judgeRatio(interval, tolerance) }
  })
  return {
    with: name,
    entries,
    warnings: [...missing].map((series) => `${series} cannot be compared: the other command did not measure it`),
  }
}
