// What a query path takes, and what its index gains over none. Invariant: what the data or the machine cannot tell is "not checked", never "ok".
import { MongoServerError, type Db } from 'mongodb'
import type { Clock } from '../../core/runtime.ts'
import type { CatalogPath } from './catalog.ts'
import { readExplain, type Explained } from './explain.ts'
import { explain, percentile, scanTimeMS, timeBesidePing, timePairs, timePath, withoutIndex, type Params } from './pathRun.ts'
import type { Proof } from './proof.ts'

/** Documented: 90 % and more over no index. */
const leastGainPercent = 90

interface On {
  readonly db: Db
  readonly clock: Clock
}

const percentiles = [
  ['P99', 0.99],
  ['P95', 0.95],
  ['P50', 0.5],
] as const

interface Timed {
  readonly latencyMs: NonNullable<Proof['latencyMs']>
  /** What its limit makes of it; null: it keeps to it. */
  readonly tooSlow: Pick<Proof, 'verdict' | 'reason'> | null
  /** What is to be said of how it was judged. */
  readonly note: string | null
}

/**
 * Its percentiles, of at most mostRuns, and whether they keep to its limit. A look that misses it is followed by a second beside bare round trips: where those alone
 * take a quarter of the limit, the machine is what is slow, and the next lower percentile that it leaves in peace decides.
 */
export async function proveTime(
  { db, clock, mostRuns }: On & { readonly mostRuns: number },
  path: CatalogPath,
  params: Params,
  isTimed: boolean,
  signal: AbortSignal,
): Promise<Timed> {
  const told = (times: readonly number[]): Timed['latencyMs'] => ({
    p50: percentile(times, 0.5),
    p95: percentile(times, 0.95),
    p99: percentile(times, 0.99),
    samples: times.length,
  })
  const first = told(await timePath({ db, clock, mostRuns }, path, params, signal))
  const limitMs = path.limitMs?.p99
  if (limitMs === undefined || !isTimed || first.p99 <= limitMs) return { latencyMs: first, tooSlow: null, note: null }
  const { times, pings } = await timeBesidePing({ db, clock, mostRuns }, path, params, signal)
  const latencyMs = told(times)
  const pingMs = percentile(pings, 0.99).toFixed(1)
  for (const [name, share] of percentiles) {
    const tookMs = percentile(times, share)
    const took = `${name} ${tookMs.toFixed(1)} ms`
    // What slows the machine only ever adds to a time: one that keeps to the limit has kept to it.
    if (tookMs <= limitMs) {
      const note = `${took} keeps to its limit of ${limitMs} ms; above it the machine is what is slow: a bare round trip takes ${pingMs} ms at P99`
      return { latencyMs, tooSlow: null, note: share === 0.99 ? null : note }
    }
    if (percentile(pings, share) <= limitMs / 4) {
      return { latencyMs, tooSlow: { verdict: 'slow', reason: `${took}, the limit is ${limitMs} ms` }, note: null }
    }
  }
  const median = percentile(times, 0.5).toFixed(1)
  const reason = `its time cannot be judged here: P50 ${median} ms, the limit is ${limitMs} ms, but a bare round trip alone takes ${pingMs} ms at P99`
  return { latencyMs, tooSlow: { verdict: 'not-checked', reason }, note: null }
}

type Gained = Pick<Proof, 'baseline' | 'gainPercent' | 'latencyGainPercent' | 'verdict' | 'reason'>

/** @param on.mostPairs with and without the index, interleaved */
export async function proveGain(
  { db, clock, mostPairs }: On & { readonly mostPairs: number },
  path: CatalogPath,
  params: Params,
  seen: Explained,
  documents: number,
  signal: AbortSignal,
): Promise<Gained> {
  const unmeasured = { baseline: null, gainPercent: null, latencyGainPercent: null } as const
  if (seen.stages.some((stage) => stage.startsWith('TEXT') || stage.startsWith('GEO_NEAR'))) {
    return { ...unmeasured, verdict: 'ok', reason: 'its plan is right; without its index it cannot be asked at all' }
  }
  let scanned: Explained
  try {
    scanned = readExplain(await explain(db, path, params, withoutIndex, signal))
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== 50) throw error
    const reason = `without an index it takes longer than ${scanTimeMS / 1_000} s; its plan is right`
    return { ...unmeasured, verdict: 'not-checked', reason }
  }
  // A union reads its second part through an index also here: then the part that is scanned counts.
  if (scanned.docsExamined === 0) return { ...unmeasured, verdict: 'not-checked', reason: `${path.collection} has nothing to read` }
  const examined = Math.max(seen.keysExamined, seen.docsExamined)
  const gainPercent = 100 * (1 - examined / scanned.docsExamined)
  const { withMs, withoutMs } = await timePairs(db, clock, path, params, mostPairs, signal)
  const baseline = { docsExamined: scanned.docsExamined, latencyMs: withoutMs }
  const told = { baseline, gainPercent, latencyGainPercent: withoutMs > 0 ? 100 * (1 - withMs / withoutMs) : null }
  const examines = `it examines ${examined} of ${scanned.docsExamined}`
  if (gainPercent >= leastGainPercent) return { ...told, verdict: 'ok', reason: examines }
  // The fewest that any index could examine: what comes out, or what a group is made of.
  const needed = Math.max(1, path.query.kind === 'find' ? seen.returned : (scanned.matched ?? examined))
  // A scan that is limited may find what it looks for among the first.
  if (Math.min(documents, scanned.docsExamined) * (1 - leastGainPercent / 100) < needed) {
    const reason = `too little data: it needs ${needed} of ${documents} documents, so no index could gain ${leastGainPercent} %`
    return { ...told, verdict: 'not-checked', reason }
  }
  return { ...told, verdict: 'low-gain', reason: `${examines}, to return ${seen.returned}` }
}
