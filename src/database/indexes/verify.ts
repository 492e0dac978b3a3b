// The proof of each query path: that it uses its index, and what that gains over none. Invariant: reads only; parameters are sampled and never
// leave this module; what cannot be judged is "not checked", never "ok".
import { BSON, MongoServerError, type Db } from 'mongodb'
import type { Clock } from '../../core/runtime.ts'
import { databaseError } from '../connection.ts'
import { idIndex, type Catalog, type CatalogPath } from './catalog.ts'
import { readExplain, type Explained } from './explain.ts'
import { whyUnseen, type LiveDatabase } from './live.ts'
import { proveGain, proveTime } from './measure.ts'
import { explain, sampleParams, type Sampled } from './pathRun.ts'
import type { IndexVerdict, Plan } from './plan.ts'
import type { IndexState, Proof, Verification } from './proof.ts'

export interface VerifyOptions {
  readonly db: Db
  readonly clock: Clock
  /** Whether the gain over no index is measured: that scans each collection. `where-data`: too little data for it is no shortcoming. */
  readonly gain: boolean | 'where-data'
  /** Hears which path is next. */
  readonly onPath: (name: string, position: number, total: number) => void
  /** Pairs with and without the index of which the gain in time is taken; what is examined is exact with any. @default 20 */
  readonly mostPairs?: number
  /** Runs of a path of which its percentiles are taken, at most. @default 300 */
  readonly mostRuns?: number
}

/** Up to here the round trip hides what an index does: time is reported, but decides nothing. The largest collection counts. */
const timedFromDocuments = 100_000
const maxTimeMS = 8_000

const stateOf: Readonly<Record<Exclude<IndexVerdict, 'extra'>, IndexState>> = {
  'ok': 'ready',
  'renamed': 'renamed',
  'missing': 'missing',
  'building': 'building',
  'hidden': 'hidden',
  'in-place': 'different',
  'rebuild': 'different',
}

/** Ended by the signal it resolves all the same: what was not reached is not checked. */
export async function verifyPaths(
  options: VerifyOptions,
  catalog: Catalog,
  live: LiveDatabase,
  plan: Plan,
  signal: AbortSignal,
): Promise<Verification> {
  const indexes = plan.indexes.flatMap(({ collection, name, verdict }) =>
    verdict === 'extra' ? [] : [{ collection, name, state: stateOf[verdict] }],
  )
  const paths: Proof[] = []
  const isTimed = (await mostDocuments(options.db, catalog, live)) >= timedFromDocuments
  for (const [position, path] of catalog.paths.entries()) {
    if (!signal.aborted) options.onPath(path.name, position + 1, catalog.paths.length)
    paths.push(await prove({ ...options, isTimed }, path, live, plan, signal))
  }
  const { notChecked } = plan
  const ok =
    notChecked.length === 0 &&
    indexes.every(({ state }) => state === 'ready' || state === 'renamed') &&
    paths.every(({ verdict }) => verdict === 'ok')
  return { database: live.name, indexes, paths, notChecked, ok }
}

async function mostDocuments(db: Db, { paths }: Catalog, live: LiveDatabase): Promise<number> {
  let most = 0
  for (const name of new Set(paths.map(({ collection }) => collection))) {
    if (!live.collections.has(name)) continue
    // Who may not count it may not read it either: its paths tell.
    const count = await db
      .collection(name)
      .estimatedDocumentCount({ maxTimeMS })
      .catch(() => 0)
    most = Math.max(most, count)
  }
  return most
}

const defaultPairs = 20
const defaultRuns = 300

interface ProveOptions extends VerifyOptions {
  readonly isTimed: boolean
}

async function prove(options: ProveOptions, path: CatalogPath, live: LiveDatabase, plan: Plan, signal: AbortSignal): Promise<Proof> {
  const planned = plan.indexes.find(({ collection, name }) => collection === path.collection && name === path.index)
  const index = planned?.liveName ?? path.index
  const nothing: Proof = {
    name: path.name,
    collection: path.collection,
    index,
    stages: [],
    keysExamined: null,
    docsExamined: null,
    returned: null,
    inMemorySort: null,
    latencyMs: null,
    limitMs: path.limitMs?.p99 ?? null,
    baseline: null,
    gainPercent: null,
    latencyGainPercent: null,
    verdict: 'not-checked',
    reason: '',
  }
  if (signal.aborted) return { ...nothing, reason: stopped }
  if (!live.collections.has(path.collection) && !live.others.has(path.collection) && whyUnseen(live, path.collection) === null) {
    const reason = `there is no collection ${path.collection}`
    // Every collection comes with this index; there is nothing else to prove.
    return path.index === idIndex ? { ...nothing, verdict: 'ok', reason: `${reason} yet; its index comes with it` } : { ...nothing, reason }
  }
  let sampled: Sampled | null = null
  try {
    sampled = await sampleParams(options.db, path, signal)
    return await proveHere(options, path, nothing, sampled, signal)
  } catch (error) {
    if (signal.aborted) return { ...nothing, reason: stopped }
    const problem = databaseError(error)
    // Without the server there is nothing to go on with; anything else is this path's own trouble.
    if (problem.code === 'database_unreachable' || problem.code === 'credential_rejected') throw problem
    return { ...nothing, reason: withoutValues(problem.message, error, sampled) }
  }
}

const stopped = 'it was stopped before this was looked at'

/** The single values in it, however deep. */
function leavesOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap(leavesOf)
  const isPlain = value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
  return isPlain ? Object.values(value).flatMap(leavesOf) : [value]
}

/** What the server said; only its code where it quotes a sampled value. */
function withoutValues(message: string, error: unknown, sampled: Sampled | null): string {
  const values = leavesOf(sampled?.params)
  const texts = values.flatMap((value) => [String(value), BSON.EJSON.stringify(value, { relaxed: true })])
  if (!texts.some((text) => text !== '' && message.includes(text))) return message
  return `MongoDB refused the query: ${error instanceof MongoServerError ? (error.codeName ?? `code ${error.code}`) : 'see the server log'}`
}

async function proveHere(
  { db, clock, gain, isTimed, mostPairs = defaultPairs, mostRuns = defaultRuns }: ProveOptions,
  path: CatalogPath,
  nothing: Proof,
  { params, isSampled }: Sampled,
  signal: AbortSignal,
): Promise<Proof> {
  const seen = readExplain(await explain(db, path, params, {}, signal))
  const proof: Proof = {
    ...nothing,
    stages: seen.stages,
    keysExamined: seen.keysExamined,
    docsExamined: seen.docsExamined,
    returned: seen.returned,
    inMemorySort: seen.inMemorySort,
  }
  if (seen.unreadable !== null) return { ...proof, reason: seen.unreadable }
  if (seen.nothingToRead) return { ...proof, reason: `${path.collection} has nothing to read` }
  const wrong = wrongPlan(path, nothing.index, seen)
  if (wrong !== null) return { ...proof, ...wrong }
  if (!isSampled) {
    const reason = `${path.collection} has no document to take parameters from`
    return gain === true
      ? { ...proof, reason: `${reason}: only its plan was looked at` }
      : { ...proof, verdict: 'ok', reason: `its plan is right; ${reason}` }
  }
  const { latencyMs, tooSlow, note } = await proveTime({ db, clock, mostRuns }, path, params, isTimed, signal)
  const inTime = { ...proof, latencyMs }
  const because = (reason: string): string => (note === null ? reason : `${reason}; ${note}`)
  if (tooSlow !== null) return { ...inTime, ...tooSlow }
  if (!gain || path.gain === false) return { ...inTime, verdict: 'ok', reason: because('its plan is right') }
  const documents = await db.collection(path.collection).estimatedDocumentCount({ maxTimeMS })
  const gained = await proveGain({ db, clock, mostPairs }, path, params, seen, documents, signal)
  // What is found by its _id is found by nothing faster, also among few.
  const isEnough = (gain === true && path.index !== idIndex) || gained.verdict !== 'not-checked'
  if (isEnough) return { ...inTime, ...gained, reason: because(gained.reason) }
  const reason = because(`its plan is right; ${gained.reason}`)
  return { ...inTime, ...gained, gainPercent: null, latencyGainPercent: null, verdict: 'ok', reason }
}

/** What the plan does that it should not; null: it is as the catalog has it. */
function wrongPlan(path: CatalogPath, index: string, seen: Explained): Pick<Proof, 'verdict' | 'reason'> | null {
  if (seen.collectionScan) return { verdict: 'collscan', reason: 'it reads the whole collection' }
  if (!seen.indexes.includes(index))
    return { verdict: 'wrong-index', reason: `it uses ${seen.indexes.join(', ') || 'no index'} instead of ${index}` }
  if (seen.inMemorySort) return { verdict: 'sort', reason: 'it sorts in memory, which the order of its index should spare' }
  if (path.covered === true && seen.docsExamined > 0) {
    return { verdict: 'low-gain', reason: `it reads ${seen.docsExamined} documents, although its index holds all that it needs` }
  }
  return null
}
