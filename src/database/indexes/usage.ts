// How much each index is used, and how large it is. Invariant: use is counted by each member for itself since it started or the index was
// changed; what a member does not tell is said, never taken for unused.
import type { Db, Document } from 'mongodb'
import { messageOf } from '../../core/errors.ts'
import type { Clock } from '../../core/runtime.ts'
import { connectDatabase, databaseError } from '../connection.ts'
import { keyDocument } from './definition.ts'
import type { LiveDatabase } from './live.ts'

export interface MemberUse {
  /** host:port */
  readonly member: string
  readonly ops: number
  /** From when on they were counted, ISO 8601. */
  readonly since: string
}

export interface IndexUse {
  readonly collection: string
  readonly name: string
  readonly key: Readonly<Document> | readonly unknown[]
  readonly hidden: boolean
  readonly building: boolean
  /** On the member that was asked; null where it may not be seen. */
  readonly sizeBytes: number | null
  /** Of all members that told. */
  readonly ops: number | null
  /** The latest beginning of their counts: only from then on all of them counted. */
  readonly since: string | null
  readonly members: readonly MemberUse[]
}

export interface Usage {
  readonly database: string
  readonly members: readonly string[]
  /** What could not be read, and why. */
  readonly notChecked: readonly string[]
  readonly indexes: readonly IndexUse[]
}

export interface UsageOptions {
  readonly db: Db
  readonly uri: string
  readonly appName: string
  readonly clock: Clock
}

const maxTimeMS = 8_000

export async function readUsage(options: UsageOptions, live: LiveDatabase, signal: AbortSignal): Promise<Usage> {
  const { db } = options
  const notChecked: string[] = []
  const hello = await db.command({ hello: 1 }, { signal })
  const hosts = [
    ...((hello['hosts'] as readonly string[] | undefined) ?? []),
    ...((hello['passives'] as readonly string[] | undefined) ?? []),
  ]
  const own = String(hello['me'] ?? 'this server')
  // A router asks one member of each shard, and says which.
  const isRouter = hello['msg'] === 'isdbgrid'
  if (isRouter) notChecked.push('a router asks one member of each shard: how much the others use indexes')
  const uses = new Map<string, MemberUse[]>()
  const add = (collection: string, name: string, use: MemberUse): void => {
    const key = `${collection}\0${name}`
    uses.set(key, [...(uses.get(key) ?? []), use])
  }
  const readMember = async (member: string, from: Db): Promise<void> => {
    for (const collection of live.collections.keys()) {
      const rows = await from
        .collection(collection)
        .aggregate([{ $indexStats: {} }], { maxTimeMS, signal })
        .toArray()
      for (const row of rows) {
        const { ops, since } = row['accesses'] as { readonly ops: unknown; readonly since: Date }
        add(collection, String(row['name']), {
          member: isRouter ? String(row['host'] ?? member) : member,
          ops: Number(ops),
          since: since.toISOString(),
        })
      }
    }
  }
  const members = hosts.length === 0 ? [own] : hosts
  for (const member of members) {
    try {
      if (members.length === 1) await readMember(member, db)
      else await withMember(options, member, (from) => readMember(member, from), signal)
    } catch (error) {
      if (signal.aborted) throw error
      notChecked.push(`the use of indexes on ${member}: ${messageOf(databaseError(error))}`)
    }
  }
  const sizes = new Map<string, Readonly<Record<string, number>>>()
  for (const collection of live.collections.keys()) {
    try {
      const stages = [{ $collStats: { storageStats: {} } }, { $project: { sizes: '$storageStats.indexSizes' } }]
      const sum: Record<string, number> = {}
      // A row a shard.
      for (const row of await db.collection(collection).aggregate(stages, { maxTimeMS, signal }).toArray()) {
        for (const [name, bytes] of Object.entries((row['sizes'] as Record<string, number> | undefined) ?? {}))
          sum[name] = (sum[name] ?? 0) + bytes
      }
      sizes.set(collection, sum)
    } catch (error) {
      if (signal.aborted) throw error
      notChecked.push(`the sizes of the indexes of ${collection}: ${messageOf(databaseError(error))}`)
    }
  }
  for (const why of live.unseen.values()) notChecked.push(why)
  if (live.isPartial) notChecked.push(`other collections: this user may not list those of ${live.name}`)
  const indexes = [...live.collections.values()].flatMap(({ name: collection, indexes: found }) =>
    found.map(({ name, key, options: { hidden }, building }): IndexUse => {
      const told = uses.get(`${collection}\0${name}`) ?? []
      return {
        collection,
        name,
        key: keyDocument(key),
        hidden: Boolean(hidden),
        building,
        sizeBytes: sizes.get(collection)?.[name] ?? null,
        ops: told.length === 0 ? null : told.reduce((sum, { ops }) => sum + ops, 0),
        since:
          told
            .map(({ since }) => since)
            .toSorted()
            .at(-1) ?? null,
        members: told,
      }
    }),
  )
  return { database: live.name, members, notChecked, indexes }
}

async function withMember(
  { db, uri, appName, clock }: UsageOptions,
  member: string,
  work: (db: Db) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const options = { uri: memberUri(uri, member), dbName: db.databaseName, appName, maxPoolSize: 1, clock }
  const database = await connectDatabase(options, signal)
  try {
    // Directly connected, it may be a secondary: what it counts is read from itself.
    await work(database.client.db(db.databaseName, { readPreference: 'secondaryPreferred' }))
  } finally {
    await database.close()
  }
}

const ofTheSet = [
  'replicaSet',
  'readPreference',
  'readPreferenceTags',
  'directConnection',
  'loadBalanced',
  'srvMaxHosts',
  'srvServiceName',
  'minPoolSize',
]

/** The same user and options, one host. */
export function memberUri(uri: string, member: string): string {
  const [, scheme = 'mongodb', user = '', path = '/', query = ''] =
    /^(mongodb(?:\+srv)?):\/\/((?:[^@/]*@)?)[^/?]*(\/[^?]*)?(?:\?(.*))?$/.exec(uri) ?? []
  const options = new URLSearchParams(query)
  const ofAll = [...options.keys()].filter((name) => ofTheSet.some((other) => other.toLowerCase() === name.toLowerCase()))
  for (const name of ofAll) options.delete(name)
  options.set('directConnection', 'true')
  if (scheme === 'mongodb+srv' && !options.has('tls') && !options.has('ssl')) options.set('tls', 'true')
  return `mongodb://${user}${member}${path}?${options.toString()}`
}
