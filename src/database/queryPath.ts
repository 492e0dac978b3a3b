// What a named query path is, and the two ways to run one. Invariant: whatever runs ends, by the caller's signal or by the server's own bound.
import type { Db, Document } from 'mongodb'
import type { CollectionName } from './documents.ts'

export interface FindPlan {
  readonly filter: Document
  readonly projection?: Document
  readonly sort?: Document
  readonly limit: number
}

export interface FindPath<Params, Row> {
  readonly kind: 'find'
  readonly name: string
  readonly collection: CollectionName
  /** The name of the index that serves it. */
  readonly index: string
  readonly build: (params: Params) => FindPlan
  /** The shape of a row; only a type. */
  readonly row?: Row
}

export interface AggregatePath<Params, Row> {
  readonly kind: 'aggregate'
  readonly name: string
  /** For what reads whole periods: how long the server may take, ms; below the 20 s after which its socket is closed. @default 8_000 */
  readonly mostMs?: number
  readonly collection: CollectionName
  readonly index: string
  readonly build: (params: Params) => Document[]
  readonly row?: Row
}

export const find = <Params, Row>(path: Omit<FindPath<Params, Row>, 'kind' | 'row'>): FindPath<Params, Row> => ({ kind: 'find', ...path })
export const aggregate = <Params, Row>(path: Omit<AggregatePath<Params, Row>, 'kind' | 'row'>): AggregatePath<Params, Row> => ({
  kind: 'aggregate',
  ...path,
})

/** Of a row of several finds in one query: which of them it is of, from 0. */
export interface Listed {
  readonly list: number
}

/**
 * Several finds of one collection as one aggregation: the rows of each in its own order, those of the first one first. Throws where there is none,
 * as a pipeline without a stage would read everything.
 */
export function united(collection: CollectionName, plans: readonly FindPlan[]): Document[] {
  const pipelines = plans.map(({ filter, projection, sort, limit }, list) => [
    { $match: filter },
    ...(sort ? [{ $sort: sort }] : []),
    { $limit: limit },
    ...(projection ? [{ $project: projection }] : []),
    { $set: { list: { $literal: list } } },
  ])
  const [first, ...others] = pipelines
  if (first === undefined) throw new RangeError('no find to unite')
  return [...first, ...others.map((pipeline) => ({ $unionWith: { coll: collection, pipeline } }))]
}

/** The bound that the server keeps for itself, so that no query goes on when nobody waits for it. */
const maxTimeMS = 8_000

export async function runFind<Params, Row>(db: Db, path: FindPath<Params, Row>, params: Params, signal?: AbortSignal): Promise<Row[]> {
  const { filter, projection, sort, limit } = path.build(params)
  const options = {
    limit,
    batchSize: limit,
    maxTimeMS,
    ...(projection && { projection }),
    ...(sort && { sort }),
    ...(signal && { signal }),
  }
  return (await db.collection(path.collection).find(filter, options).toArray()) as Row[]
}

export async function runAggregate<Params, Row>(
  db: Db,
  path: AggregatePath<Params, Row>,
  params: Params,
  signal?: AbortSignal,
): Promise<Row[]> {
  const options = { maxTimeMS: path.mostMs ?? maxTimeMS, ...(signal && { signal }) }
  return (await db.collection(path.collection).aggregate(path.build(params), options).toArray()) as Row[]
}
