// Whether a target holds, from counts alone. Invariant: no data is never a pass; few data are never a verdict; what cannot be believed is invalid.
// Source of the test: the exact binomial distribution of samples beyond the limit, Clopper and Pearson, 1934.
import type { ResourceReport, ResourceSample, SeriesReport, TargetReport, Verdict } from './report.ts'
import { resourcesOf } from './resources.ts'
import { scenarioOf, type Target } from './targets.ts'

const passLevel = 0.05

/** ln n!, exact for small n by a table, else by Stirling's series. */
const logFactorials: number[] = [0]
function logFactorial(n: number): number {
  if (n > 20_000) return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + 1 / (12 * n)
  for (let next = logFactorials.length; next <= n; next += 1) logFactorials.push((logFactorials[next - 1] ?? 0) + Math.log(next))
  return logFactorials[n] ?? 0
}

/** P(X <= k) of n tries with probability p each. */
export function binomialAtMost(k: number, n: number, p: number): number {
  if (k < 0) return 0
  if (k >= n) return 1
  let sum = 0
  for (let i = 0; i <= k; i += 1) {
    sum += Math.exp(logFactorial(n) - logFactorial(i) - logFactorial(n - i) + i * Math.log(p) + (n - i) * Math.log(1 - p))
  }
  return Math.min(1, sum)
}

/**
 * Of n samples, k beyond the limit of a percentile: is it kept?
 * @param targets how many are judged together: a failure is claimed at 5 % divided by them
 */
export function judgePercentile(k: number, n: number, percentile: number, targets: number): 'pass' | 'fail' | 'inconclusive' {
  const p = 1 - percentile / 100
  if (n === 0) return 'inconclusive'
  if (binomialAtMost(k, n, p) <= passLevel) return 'pass'
  if (1 - binomialAtMost(k - 1, n, p) <= passLevel / Math.max(1, targets)) return 'fail'
  return 'inconclusive'
}

/** About how many more samples would prove it, at the rate seen so far; null when it would never. */
export function samplesMissing(k: number, n: number, percentile: number): number | null {
  const p = 1 - percentile / 100
  const rate = n === 0 ? 0 : k / n
  if (rate >= p) return null
  for (let more = Math.max(n + 1, Math.ceil(1 / p)); more < 10_000_000; more = Math.ceil(more * 1.05)) {
    if (binomialAtMost(Math.ceil(rate * more), more, p) <= passLevel) return more - n
  }
  return null
}

/** Sampled figures need so many samples. */
export const leastResourceSamples = 30

export function judgeTargets(
  targets: readonly Target[],
  series: readonly SeriesReport[],
  samples: readonly ResourceSample[],
): readonly TargetReport[] {
  return targets.map((target) => {
    const own = samples.filter(({ scenario }) => scenario === scenarioOf(target.scenario))
    return judge(target, series.find(({ name }) => name === target.scenario) ?? null, resourcesOf(own), targets.length)
  })
}

function judge(target: Target, series: SeriesReport | null, resources: ResourceReport, targets: number): TargetReport {
  const { id, source, description, scenario, metric, direction, limit, unit, percentile } = target
  const told = { id, source, description, scenario, metric, percentile: percentile ?? null, direction, limit, unit, samplesMissing: null }
  const none = { ...told, measured: null, samples: 0, exceeded: 0 }
  if (series === null) return { ...none, verdict: 'invalid', reason: `the scenario ${scenario} gave no measurement` }
  if (series.invalid.length > 0) return { ...none, samples: series.count, verdict: 'invalid', reason: series.invalid.join('; ') }
  if (target.model !== undefined && target.model !== series.model) {
    return {
      ...none,
      samples: series.count,
      verdict: 'invalid',
      reason: `it asks for an ${target.model} load model, measured was ${series.model}`,
    }
  }
  if (percentile !== undefined) return { ...told, ...judgeLatency(target, percentile, series, targets) }
  const { measured, samples } = figureOf(metric, series, resources)
  if (measured === null || Number.isNaN(measured)) return { ...none, samples, verdict: 'invalid', reason: `${scenario} has no ${metric}` }
  const holds = direction === 'max' ? measured <= limit : measured >= limit
  const isResource = metric in resourceMetrics
  if (isResource && samples < leastResourceSamples) {
    const missing = leastResourceSamples - samples
    return {
      ...told,
      measured,
      samples,
      exceeded: 0,
      verdict: 'inconclusive',
      reason: `${samples} samples, at least ${leastResourceSamples} are needed`,
      samplesMissing: missing,
    }
  }
  return {
    ...told,
    measured,
    samples,
    exceeded: holds ? 0 : 1,
    verdict: holds ? 'pass' : 'fail',
    reason: holds ? 'kept' : `${direction === 'max' ? 'above' : 'below'} the limit`,
  }
}

type Judged = Pick<TargetReport, 'measured' | 'samples' | 'exceeded' | 'verdict' | 'reason' | 'samplesMissing'>

function judgeLatency({ limit, metric }: Target, percentile: 50 | 95 | 99, series: SeriesReport, targets: number): Judged {
  const values = metric === 'service' ? series.service : series.response
  const measured = percentile === 50 ? values.p50 : percentile === 95 ? values.p95 : values.p99
  const samples = series.count
  const exceeded = metric === 'response' ? (series.exceeded[String(limit)] ?? Number.NaN) : Number.NaN
  if (Number.isNaN(exceeded)) {
    return {
      measured,
      samples,
      exceeded: 0,
      verdict: 'invalid',
      reason: `beyond ${limit} was not counted for ${metric}`,
      samplesMissing: null,
    }
  }
  const verdict = judgePercentile(exceeded, samples, percentile, targets)
  const share = `${exceeded} of ${samples} beyond the limit`
  if (verdict !== 'inconclusive') return { measured, samples, exceeded, verdict, reason: share, samplesMissing: null }
  const missing = samplesMissing(exceeded, samples, percentile)
  const reason = missing === null ? `${share}: too close to tell` : `${share}: about ${missing} more samples would tell`
  return { measured, samples, exceeded, verdict, reason, samplesMissing: missing }
}

const resourceMetrics: Readonly<Record<string, (resources: ResourceReport) => number | null>> = {
  rssPeakMb: ({ rssPeakMb }) => rssPeakMb,
  cpuMeanPercent: ({ cpuMeanPercent }) => cpuMeanPercent,
  dbConnectionsPeak: ({ dbConnectionsPeak }) => dbConnectionsPeak,
}

function figureOf(
  metric: string,
  series: SeriesReport,
  resources: ResourceReport,
): { readonly measured: number | null; readonly samples: number } {
  const sampled = resourceMetrics[metric]
  if (sampled !== undefined) return { measured: sampled(resources), samples: resources.samples.length }
  if (metric === 'achievedPerSecond') return { measured: series.achievedPerSecond, samples: series.count }
  if (metric === 'errorRatePercent')
    return { measured: series.count === 0 ? null : (100 * series.errors) / series.count, samples: series.count }
  return { measured: series.figures[metric] ?? null, samples: series.count }
}

/** The whole: a failure outweighs what is invalid, that outweighs what is open. */
export function wholeVerdict(targets: readonly Pick<TargetReport, 'verdict'>[]): Verdict {
  for (const verdict of ['fail', 'invalid', 'inconclusive'] as const)
    if (targets.some((target) => target.verdict === verdict)) return verdict
  return targets.length === 0 ? 'inconclusive' : 'pass'
}
