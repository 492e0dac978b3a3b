// The indexes that a database has now. Invariant: reads only; what it may not see is said, never taken for absent.
import { MongoServerError, type Db, type Document } from 'mongodb'
import { keyOf, type IndexDefinition } from './definition.ts'

export interface LiveIndex extends IndexDefinition {
  /** Still being built: it serves nothing yet. */
  readonly building: boolean
}

export interface LiveCollection {
  readonly name: string
  readonly indexes: readonly LiveIndex[]
  /** What an index takes over that states none; null: none. */
  readonly defaultCollation: Readonly<Document> | null
}

export interface LiveDatabase {
  readonly name: string
  /** MongoDB has a database as soon as it has a collection. */
  readonly exists: boolean
  /** Those that exist, by name. */
  readonly collections: ReadonlyMap<string, LiveCollection>
  /** Views, which take no part. */
  readonly others: ReadonlyMap<string, string>
  /** Collections that this user may not look into, and why. */
  readonly unseen: ReadonlyMap<string, string>
  /** Not every collection is told to this user: what is not among them may be there all the same. */
  readonly isPartial: boolean
}

const notFound = 26
const notAuthorized = 13

/** Why nothing can be said of a collection's indexes; null: they are as `collections` has them, or there is no such collection. */
export function whyUnseen({ unseen, collections, isPartial, name }: LiveDatabase, collection: string): string | null {
  const told = unseen.get(collection)
  if (told !== undefined) return told
  return isPartial && !collections.has(collection) ? `this user may not list the collections of ${name}` : null
}

/** @param only the collections to read the indexes of; null: all */
export async function readLive(db: Db, only: ReadonlySet<string> | null, signal: AbortSignal): Promise<LiveDatabase> {
  const { infos, isPartial } = await readCollections(db, signal)
  const collections = new Map<string, LiveCollection>()
  const others = new Map<string, string>()
  const unseen = new Map<string, string>()
  for (const { name, type = 'collection', options = {} } of infos) {
    if (name.startsWith('system.')) continue
    // A time series has indexes of its own; a view has none.
    if (type !== 'collection' && type !== 'timeseries') {
      others.set(name, type)
      continue
    }
    if (only !== null && !only.has(name)) continue
    try {
      const indexes = await readIndexes(db, name, signal)
      collections.set(name, { name, indexes, defaultCollation: (options['collation'] as Document | undefined) ?? null })
    } catch (error) {
      if (!isNotAuthorized(error)) throw error
      unseen.set(name, `this user may not list the indexes of ${name}`)
    }
  }
  return { name: db.databaseName, exists: infos.length > 0, collections, others, unseen, isPartial }
}

interface CollectionInfo {
  readonly name: string
  readonly type?: string
  readonly options?: Document
}

function isNotAuthorized(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === notAuthorized
}

/** All collections; for a user who may not list them, those that it has a right on. Throws where there is none. */
async function readCollections(
  db: Db,
  signal: AbortSignal,
): Promise<{ readonly infos: readonly CollectionInfo[]; readonly isPartial: boolean }> {
  try {
    return { infos: await db.listCollections({}, { signal }).toArray(), isPartial: false }
  } catch (error) {
    if (!isNotAuthorized(error)) throw error
    const allowed = await db.listCollections({}, { signal, nameOnly: true, authorizedCollections: true }).toArray()
    if (allowed.length === 0) throw error
    return { infos: allowed.map(({ name }) => ({ name })), isPartial: true }
  }
}

async function readIndexes(db: Db, collection: string, signal: AbortSignal): Promise<readonly LiveIndex[]> {
  const command = async (more: Document): Promise<readonly Document[]> => {
    const reply = await db.command({ listIndexes: collection, cursor: { batchSize: 1_000 }, ...more }, { signal })
    return (reply['cursor'] as { readonly firstBatch: readonly Document[] }).firstBatch
  }
  try {
    // A build under way is told as { buildUUID, spec }.
    const found = await command({ includeBuildUUIDs: true }).catch((error: unknown) => {
      if (error instanceof MongoServerError && error.code !== 13 && error.code !== notFound) return command({})
      throw error
    })
    return found.map((entry) => liveIndex(collection, entry)).filter(({ name, key }) => name !== '_id_' && !isClustered(key))
  } catch (error) {
    // It was dropped in this moment.
    if (error instanceof MongoServerError && error.code === notFound) return []
    throw error
  }
}

function liveIndex(collection: string, entry: Document): LiveIndex {
  const spec = (entry['spec'] as Document | undefined) ?? entry
  const { v: _v, ns: _ns, key, name, ...options } = spec
  const building = entry['buildUUID'] !== undefined || entry['indexBuildInfo'] !== undefined
  return { collection, name: String(name), key: keyOf(key), options, building }
}

/** The index of a clustered collection is the collection itself. */
function isClustered(key: LiveIndex['key']): boolean {
  return key.length === 1 && key[0]?.[0] === '_id' && key[0][1] === 1
}
