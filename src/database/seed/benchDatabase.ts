// Which database the bench and the seeding may write to. Invariant: only one that bears their mark, or that is empty; a remote server only when
// that was allowed.
import { isIP } from 'node:net'
import type { Db, MongoClient } from 'mongodb'
import { OrxError } from '../../core/errors.ts'

export const benchDatabaseName = 'orchestratex_bench'

export interface BenchMark {
  readonly _id: 'orx'
  readonly schemaVersion: 1
  readonly seed: number | null
  readonly scale: string | null
  /** Chunks of the seeding that are there without a gap. */
  readonly chunksDone: number
  readonly complete: boolean
  readonly createdAt: Date
}

const markCollection = 'orx_bench_mark'
const emptyMark = { schemaVersion: 1, seed: null, scale: null, chunksDone: 0, complete: false } as const

export interface ClaimOptions {
  readonly client: MongoClient
  readonly db: Db
  readonly now: Date
  /** @default false */
  readonly allowRemote?: boolean
}

/** Makes sure that this database is the bench's, and returns its mark. Throws `confirmation_needed` where it is somebody else's. */
export async function claimBenchDatabase({ client, db, now, allowRemote = false }: ClaimOptions, signal: AbortSignal): Promise<BenchMark> {
  const remote = remoteHost(client)
  if (remote !== null && !allowRemote) {
    throw new OrxError('confirmation_needed', `the server ${remote} is not on this machine: a bench would load it and write to it`, {
      hint: 'To do that all the same: --allow-remote. Without ORX_MONGODB_URI the embedded server of this machine is used.',
    })
  }
  const marks = db.collection<BenchMark>(markCollection)
  const mark = await marks.findOne({ _id: 'orx' }, { signal })
  if (mark !== null) return mark
  const collections = await db.listCollections({}, { nameOnly: true, signal }).toArray()
  for (const { name } of collections) {
    if ((await db.collection(name).findOne({}, { projection: { _id: 1 }, signal })) === null) continue
    throw new OrxError('confirmation_needed', `the database ${db.databaseName} has data that are not the bench's (in ${name})`, {
      hint: `Use ${benchDatabaseName}, or name a database that is not there yet: --into bench_of_mine`,
    })
  }
  const made = { _id: 'orx' as const, ...emptyMark, createdAt: now }
  await marks.updateOne({ _id: 'orx' }, { $setOnInsert: made }, { upsert: true, writeConcern: { w: 'majority' } })
  return (await marks.findOne({ _id: 'orx' }, { signal })) ?? made
}

export async function updateMark(db: Db, change: Partial<Omit<BenchMark, '_id' | 'schemaVersion'>>): Promise<void> {
  await db.collection<BenchMark>(markCollection).updateOne({ _id: 'orx' }, { $set: change })
}

/** Drops everything of a marked database but its mark. */
export async function emptyBenchDatabase(db: Db, signal: AbortSignal): Promise<void> {
  for (const { name } of await db.listCollections({}, { nameOnly: true, signal }).toArray()) {
    if (name !== markCollection && !name.startsWith('system.')) await db.collection(name).drop()
  }
  await updateMark(db, emptyMark)
}

/** The first host that is not this machine; null when all are. */
function remoteHost({ options }: MongoClient): string | null {
  if (options.srvHost !== undefined) return options.srvHost
  const remote = options.hosts.find(({ host }) => host !== undefined && !isLoopback(host))
  return remote?.host ?? null
}

export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === 'localhost' || host === '::1' || host.endsWith('.sock')
}
