// Runs a query path of a catalog as the program would: its parameters sampled, its explain asked for, its time taken.
// Invariant: reads only, keeps no result; sampled values never leave these two modules (here and verify.ts).
import { MongoServerError, type Db, type Document } from 'mongodb'
import type { Clock } from '../../core/runtime.ts'
import type { CatalogPath, ParamSource } from './catalog.ts'

export type Params = Readonly<Record<string, unknown>>

export interface Sampled {
  readonly params: Params
  /** False: the collection has no document to take them from, and fallbacks stand in. */
  readonly isSampled: boolean
}

/** What a query may take, ms. */
const maxTimeMS = 8_000
/** A scan of everything may take longer than a query should. */
export const scanTimeMS = 60_000
/** Up to here a collection is read as a whole to pick from: MongoDB's own short cut finds nothing where most documents were deleted. */
const wholeSample = 10_000
const sampleTimeMS = 2_000

const warmups = 5
const leastRuns = 100
const pathBudgetMs = 2_000
const pairsBudgetMs = 2_000

/** `$natural`: no index. */
export const withoutIndex: Document = { hint: { $natural: 1 } }

/** Values of one random document, so that they belong together; the fallbacks where there is none. */
export async function sampleParams(db: Db, { collection, params }: CatalogPath, signal: AbortSignal): Promise<Sampled> {
  const sources = Object.entries(params)
  const fields = sources.flatMap(([, source]) => ('field' in source ? [source.field] : []))
  const many = Math.max(...sources.map(([, source]) => ('many' in source ? (source.many ?? 1) : 1)), 1)
  const documents = await sampleDocuments(db, collection, fields, fields.length === 0 ? 1 : Math.max(many, 5), signal)
  const whole = documents.filter((document) => fields.every((field) => at(document, field) !== undefined))
  return { params: Object.fromEntries(sources.map(([name, source]) => [name, valueOf(source, whole)])), isSampled: whole.length > 0 }
}

/** Some documents; random ones where their fields matter. */
async function sampleDocuments(
  db: Db,
  collection: string,
  fields: readonly string[],
  size: number,
  signal: AbortSignal,
): Promise<readonly Document[]> {
  const from = db.collection(collection)
  const projection = Object.fromEntries(['_id', ...fields].map((field) => [field, 1]))
  const first = (): Promise<readonly Document[]> => from.find({}, { limit: size, projection, maxTimeMS, signal }).toArray()
  if (fields.length === 0) return first()
  const isSmall = (await from.estimatedDocumentCount({ maxTimeMS })) <= wholeSample
  const sample = { $sample: { size } }
  const stages = isSmall ? [{ $project: projection }, sample] : [sample, { $project: projection }]
  try {
    return await from.aggregate(stages, { maxTimeMS: sampleTimeMS, signal }).toArray()
  } catch (error) {
    // The random cursor may run out of luck or time; any document has parameters.
    if (!(error instanceof MongoServerError) || error.code === 13) throw error
    return first()
  }
}

function valueOf(source: ParamSource, documents: readonly Document[]): unknown {
  if ('value' in source) return source.value
  const { field, many, map = (value: unknown): unknown => value } = source
  const [first] = documents
  if (first === undefined) return source.fallback
  return many === undefined ? map(at(first, field)) : documents.slice(0, many).map((document) => map(at(document, field)))
}

function at(document: Document, path: string): unknown {
  return path.split('.').reduce<unknown>((value, field) => {
    const inner: unknown = Array.isArray(value) ? value[0] : value
    return inner !== null && typeof inner === 'object' ? (inner as Document)[field] : undefined
  }, document)
}

/** The command itself, so that what is explained and what is run are one. */
function commandOf({ collection, query }: CatalogPath, params: Params): Document {
  if (query.kind === 'aggregate') return { aggregate: collection, pipeline: query.build(params), cursor: {} }
  const { filter, projection, sort, limit } = query.build(params)
  return { find: collection, filter, ...(projection && { projection }), ...(sort && { sort }), ...(limit && { limit }) }
}

/** @param hint `withoutIndex`, or nothing */
export async function explain(db: Db, path: CatalogPath, params: Params, hint: Document, signal: AbortSignal): Promise<Document> {
  const command = { ...commandOf(path, params), ...hint }
  return db.command({ explain: command, verbosity: 'executionStats', maxTimeMS: timeOf(hint) }, { signal })
}

const timeOf = (hint: Document): number => (hint === withoutIndex ? scanTimeMS : maxTimeMS)

/** Runs it as the program does: driver, network and all; batch by batch, so that a path without a limit fills no memory. */
async function run(db: Db, { collection, query }: CatalogPath, params: Params, hint: Document, signal: AbortSignal): Promise<void> {
  const options = { maxTimeMS: timeOf(hint), signal, ...hint }
  const from = db.collection(collection)
  const cursor = query.kind === 'aggregate' ? from.aggregate([...query.build(params)], options) : findCursor()
  try {
    while (await cursor.hasNext()) cursor.readBufferedDocuments()
  } finally {
    await cursor.close()
  }

  function findCursor() {
    const { filter, ...how } = (query as Extract<typeof query, { readonly kind: 'find' }>).build(params)
    return from.find(filter, { ...options, ...how, ...(how.limit && { batchSize: how.limit }) })
  }
}

async function timed(clock: Clock, operation: () => Promise<unknown>): Promise<number> {
  const fromMs = clock.monotonicMs()
  await operation()
  return clock.monotonicMs() - fromMs
}

/** Where and how often a path is run. */
interface Runs {
  readonly db: Db
  readonly clock: Clock
  readonly mostRuns: number
}

/** Times of many runs, ascending. @param beside runs after each of them, untimed: its own times are its own matter */
export async function timePath(
  { db, clock, mostRuns }: Runs,
  path: CatalogPath,
  params: Params,
  signal: AbortSignal,
  beside: () => Promise<void> = async () => undefined,
): Promise<readonly number[]> {
  for (let index = 0; index < warmups; index += 1) await run(db, path, params, {}, signal)
  const times: number[] = []
  const untilMs = clock.monotonicMs() + pathBudgetMs
  // A slow path is not asked a hundred times over.
  while (times.length < mostRuns && (clock.monotonicMs() < untilMs || times.length < leastRuns)) {
    times.push(await timed(clock, () => run(db, path, params, {}, signal)))
    await beside()
    if (clock.monotonicMs() > untilMs + 3 * pathBudgetMs) break
  }
  return times.toSorted((a, b) => a - b)
}

/** The same, each beside a bare round trip, whose times come too. */
export async function timeBesidePing(
  runs: Runs,
  path: CatalogPath,
  params: Params,
  signal: AbortSignal,
): Promise<{ readonly times: readonly number[]; readonly pings: readonly number[] }> {
  const { db, clock } = runs
  const pings: number[] = []
  const ping = async (): Promise<void> => void pings.push(await timed(clock, () => db.command({ ping: 1 }, { signal })))
  const times = await timePath(runs, path, params, signal, ping)
  return { times, pings: pings.toSorted((a, b) => a - b) }
}

/** Medians of scans and of runs through the index, one beside the other, so that what slows the machine slows both. */
export async function timePairs(
  db: Db,
  clock: Clock,
  path: CatalogPath,
  params: Params,
  mostPairs: number,
  signal: AbortSignal,
): Promise<{ readonly withMs: number; readonly withoutMs: number }> {
  const through: number[] = []
  const scans: number[] = []
  const untilMs = clock.monotonicMs() + pairsBudgetMs
  do {
    through.push(await timed(clock, () => run(db, path, params, {}, signal)))
    scans.push(await timed(clock, () => run(db, path, params, withoutIndex, signal)))
  } while (scans.length < mostPairs && clock.monotonicMs() < untilMs)
  const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
  return { withMs: median(through), withoutMs: median(scans) }
}

/** Of ascending values. */
export function percentile(values: readonly number[], share: number): number {
  return values[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0
}
