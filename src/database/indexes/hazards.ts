// What would go wrong, or be lost, if an index were made: duplicates under a unique one, documents that a TTL would expire.
// Invariant: reads only; offending documents are told by _id and count, never by their values.
import { BSON, type Db, type Document } from 'mongodb'
import type { KeyPart } from './definition.ts'
import type { LiveDatabase } from './live.ts'
import type { Action } from './plan.ts'

export interface Duplicates {
  /** Values of the key that more than one document has. */
  readonly values: number
  /** Documents that have such a value. */
  readonly documents: number
  /** Up to ten of them: two documents of each value. */
  readonly samples: readonly (readonly [first: string, second: string])[]
}

/** Half an hour: a scan of a large collection takes its time, and ends when the caller's signal does. */
const scanMs = 1_800_000

interface Uniqueness {
  readonly collection: string
  readonly key: readonly KeyPart[]
  readonly options: Readonly<Document>
}

/**
 * Documents that a unique index would refuse; null: none that can be told beforehand. As MongoDB sees it, a missing field is null, and an
 * array is each of its elements; fields of one array of documents come from the same element.
 */
export async function findDuplicates(db: Db, { collection, key, options }: Uniqueness, signal: AbortSignal): Promise<Duplicates | null> {
  const fields = key.map(([field]) => field)
  // `a.0` is a place in an array to an index, a field named 0 to an aggregation: then the build itself has to tell.
  if (fields.some((field) => /(^|\.)\d+(\.|$)/.test(field))) return null
  const partial = options['partialFilterExpression'] as Document | undefined
  const names = fields.map((_, position) => `k${position}`)
  const stages: Document[] = []
  if (partial !== undefined) stages.push({ $match: partial })
  // A sparse index leaves out what has none of its fields.
  if (options['sparse'] === true) stages.push({ $match: { $or: fields.map((field) => ({ [field]: { $exists: true } })) } })
  for (const path of prefixesOf(fields)) stages.push({ $unwind: { path: `$${path}`, preserveNullAndEmptyArrays: true } })
  stages.push({ $project: Object.fromEntries(fields.map((field, position) => [`k${position}`, { $ifNull: [`$${field}`, null] }])) })
  for (const name of names) stages.push({ $unwind: { path: `$${name}`, preserveNullAndEmptyArrays: true } })
  stages.push(
    {
      $group: {
        _id: Object.fromEntries(names.map((name) => [name, `$${name}`])),
        first: { $min: '$_id' },
        last: { $max: '$_id' },
        n: { $sum: 1 },
      },
    },
    // The same value twice within one document is allowed.
    { $match: { n: { $gt: 1 }, $expr: { $ne: ['$first', '$last'] } } },
    {
      $facet: {
        all: [{ $group: { _id: null, values: { $sum: 1 }, documents: { $sum: '$n' } } }],
        samples: [{ $limit: 10 }, { $project: { _id: 0, first: 1, last: 1 } }],
      },
    },
  )
  const collation = options['collation'] as { locale: string } | undefined
  const [found] = await db
    .collection(collection)
    .aggregate(stages, { allowDiskUse: true, maxTimeMS: scanMs, signal, ...(collation && { collation }) })
    .toArray()
  const { all: [all] = [], samples: pairs = [] } = (found ?? {}) as Facets
  if (all === undefined) return null
  const samples = pairs.map(({ first, last }) => [idText(first), idText(last)] as const)
  return { values: all.values, documents: all.documents, samples }
}

/** `a` and `a.b` of `a.b.c`, the outer ones first. */
function prefixesOf(fields: readonly string[]): readonly string[] {
  const all = fields.flatMap((field) => {
    const steps = field.split('.')
    return steps.slice(1).map((_, position) => steps.slice(0, position + 1).join('.'))
  })
  return [...new Set(all)].toSorted((a, b) => a.length - b.length)
}

interface Facets {
  readonly all?: readonly { readonly values: number; readonly documents: number }[]
  readonly samples?: readonly { readonly first: unknown; readonly last: unknown }[]
}

function idText(id: unknown): string {
  return id instanceof BSON.ObjectId ? id.toHexString() : BSON.EJSON.stringify(id, { relaxed: true })
}

/** How many documents a TTL index would remove within a minute of being there. An array counts by its earliest date. */
export async function countExpired(
  db: Db,
  { collection, key, options }: Uniqueness,
  nowMs: number,
  signal: AbortSignal,
  maxTimeMS = scanMs,
): Promise<number> {
  const field = key[0]?.[0] ?? ''
  const seconds = Number(options['expireAfterSeconds'])
  const partial = (options['partialFilterExpression'] as Document | undefined) ?? {}
  const filter = { $and: [partial, { [field]: { $lt: new Date(nowMs - seconds * 1_000) } }] }
  return db.collection(collection).countDocuments(filter, { maxTimeMS, signal })
}

/** Whether an action makes documents expire that stayed until now. */
export function makesExpire({ kind, want, differences }: Action): boolean {
  if (want?.['expireAfterSeconds'] === undefined) return false
  return kind !== 'modify' || differences.some(({ field }) => field === 'expireAfterSeconds')
}

/** Source: the MongoDB manual, Limits and Thresholds; `_id_` is one of them. */
export const mostIndexes = 64

/** Collections that would have more indexes than MongoDB allows, in words. */
export function crowded(actions: readonly Action[], live: LiveDatabase): readonly string[] {
  return [...new Set(actions.map(({ collection }) => collection))].flatMap((collection) => {
    const change = (wanted: Action['kind']): number =>
      actions.filter((action) => action.kind === wanted && action.collection === collection).length
    const here = live.collections.get(collection)?.indexes ?? []
    const awaited = actions.filter(
      ({ kind, collection: of, name }) => kind === 'create' && of === collection && here.some((index) => index.name === name),
    )
    const count = 1 + here.length + change('create') - change('drop') - awaited.length
    return count > mostIndexes ? [`${collection} would have ${count} indexes with _id_; MongoDB allows ${mostIndexes}`] : []
  })
}
