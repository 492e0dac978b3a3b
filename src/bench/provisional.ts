// How a target stands while its scenario still runs: a word on the way, for whoever watches. Invariant: cheap at any number of samples, and never
// part of a report; what counts is judged once, in verdict.ts, from the merged whole.
import type { TargetReport } from './report.ts'
import { judgePercentile } from './verdict.ts'

/** What was measured of a series until now, in its unit. */
export interface SoFar {
  readonly count: number
  readonly errors: number
  readonly measuredMs: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  /** Samples above each limit that a target has, by the limit. */
  readonly exceeded: Readonly<Record<string, number>>
}

export interface Provisional {
  readonly measured: number
  readonly samples: number
  readonly verdict: 'pass' | 'fail' | 'inconclusive'
  /** About how many more samples would decide; null: it is decided, or nobody can tell. */
  readonly samplesMissing: number | null
}

/** Beyond so many exceedances the exact sum costs more than a glance is worth; there the normal approximation is as good. */
const mostExact = 2_000
/** More than this is no advice. */
const mostTold = 10_000_000
/** Of the standard normal distribution: 5 % and, for a failure among many targets, 0.1 %. */
const passDistance = 1.645
const failDistance = 3.1

/**
 * Null where the figure exists only when the scenario has ended.
 * @param targets how many are judged together
 */
export function provisionalVerdict(target: TargetReport, soFar: SoFar, targets: number): Provisional | null {
  const { metric, percentile, limit, direction } = target
  const { count, errors, measuredMs } = soFar
  if (count === 0) return null
  if (percentile !== null) {
    const exceeded = metric === 'response' ? soFar.exceeded[String(limit)] : undefined
    if (exceeded === undefined) return null
    const measured = percentile === 50 ? soFar.p50 : percentile === 95 ? soFar.p95 : soFar.p99
    const verdict = stand(exceeded, count, percentile, targets)
    return { measured, samples: count, verdict, samplesMissing: verdict === 'inconclusive' ? missing(exceeded, count, percentile) : null }
  }
  const rates: Readonly<Record<string, number>> = {
    achievedPerSecond: measuredMs > 0 ? (count * 1_000) / measuredMs : Number.NaN,
    errorRatePercent: (100 * errors) / count,
  }
  const measured = rates[metric]
  if (measured === undefined || Number.isNaN(measured)) return null
  const holds = direction === 'max' ? measured <= limit : measured >= limit
  return { measured, samples: count, verdict: holds ? 'pass' : 'fail', samplesMissing: null }
}

function stand(exceeded: number, count: number, percentile: number, targets: number): Provisional['verdict'] {
  if (exceeded <= mostExact) return judgePercentile(exceeded, count, percentile, targets)
  const p = 1 - percentile / 100
  const distance = (exceeded - count * p) / Math.sqrt(count * p * (1 - p))
  return distance < -passDistance ? 'pass' : distance > failDistance ? 'fail' : 'inconclusive'
}

/** At the rate seen so far: without exceedances from (1-p)^n, else where the rate is far enough below p. */
function missing(exceeded: number, count: number, percentile: number): number | null {
  const p = 1 - percentile / 100
  const rate = exceeded / count
  if (rate >= p) return null
  const least = Math.log(0.05) / Math.log(1 - p)
  const enough = exceeded === 0 ? least : Math.max(least, (passDistance ** 2 * p * (1 - p)) / (p - rate) ** 2)
  return enough > mostTold ? null : Math.max(1, Math.ceil(enough - count))
}
