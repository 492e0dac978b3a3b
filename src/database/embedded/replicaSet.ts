// The single-node replica set in an embedded server's data. Invariant: its one member is the address that the server listens on.
import { MongoClient, MongoServerError, type Db } from 'mongodb'

export const replicaSet = 'orx'

const times = { serverSelectionTimeoutMS: 5_000, connectTimeoutMS: 5_000, socketTimeoutMS: 20_000 }

async function withAdmin<T>(port: number, work: (admin: Db, client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, times)
  try {
    return await work(client.db('admin'), client)
  } finally {
    await client.close()
  }
}

/**
 * Initiates the set at its first start; puts it on its port where its data names another one; resolves when the server is primary.
 * @param pid whose server it must be: somebody else's may have been quicker to take the port
 * @param pause waits a moment; throws when there is nothing left to wait for
 */
export async function becomePrimary(port: number, pid: number, pause: () => Promise<void>): Promise<void> {
  const host = `127.0.0.1:${port}`
  await withAdmin(port, async (admin) => {
    while (Number((await admin.command({ serverStatus: 1 }))['pid']) !== pid) await pause()
    while (!(await isConfigured(admin, host))) await pause()
    while ((await admin.command({ hello: 1 }))['isWritablePrimary'] !== true) await pause()
  })
}

/**
 * Writes another port into the data of a set that now runs as a plain server. As a member of the set it would first ask whoever has its old
 * port now, and wait for an answer that need not come.
 */
export async function moveTo(port: number): Promise<void> {
  await withAdmin(port, async (_, client) => {
    const sets = client.db('local').collection<{ _id: string }>('system.replset')
    await sets.updateOne({ _id: replicaSet }, { $set: { 'members.0.host': `127.0.0.1:${port}` } })
  })
}

interface SetConfig {
  readonly version: number
  readonly members: readonly { readonly host: string }[]
}

const alreadyInitialized = 23
const notYetInitialized = 94

/** Sees to it that the set is at `host`. False while the server reads its configuration: it says then that it has none, yet takes no new one. */
async function isConfigured(admin: Db, host: string): Promise<boolean> {
  try {
    const config = (await admin.command({ replSetGetConfig: 1 }))['config'] as SetConfig
    if (config.members[0]?.host === host) return true
    const moved = { ...config, version: config.version + 1, members: [{ ...config.members[0], _id: 0, host }] }
    await admin.command({ replSetReconfig: moved, force: true })
    return true
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== notYetInitialized) throw error
  }
  try {
    await admin.command({ replSetInitiate: { _id: replicaSet, members: [{ _id: 0, host }] } })
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === alreadyInitialized) return false
    throw error
  }
}
