// A replica set of several real members for tests, with or without users. Ended by the pids of its own processes.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { testBinary } from './mongod.testkit.ts'

export interface TestReplicaSet {
  /** Of the whole set, as `user` where there is one. */
  uri(user?: { readonly name: string; readonly password: string }): string
  readonly hosts: readonly string[]
  /** kill -9 of one member. */
  kill(host: string): Promise<void>
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** @param admin makes the server ask for users, and this one its first */
export async function startTestReplicaSet(
  memberCount: number,
  admin: { readonly name: string; readonly password: string } | null = null,
): Promise<TestReplicaSet> {
  const home = await mkdtemp(join(tmpdir(), 'orx-test-set-'))
  const binary = await testBinary()
  const keyFile = join(home, 'key')
  await writeFile(keyFile, 'b3J4LXRlc3Qta2V5', { mode: 0o600 })
  const members = new Map<string, ChildProcess>()
  for (let index = 0; index < memberCount; index += 1) {
    const port = await freePort()
    const dbPath = join(home, String(index))
    await mkdir(dbPath)
    const where = ['--dbpath', dbPath, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket']
    const how = ['--replSet', 'test', '--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'diagnosticDataCollectionEnabled=false']
    const users = admin === null ? [] : ['--auth', '--keyFile', keyFile]
    members.set(`127.0.0.1:${port}`, spawn(binary, [...where, ...how, ...users], { stdio: 'ignore' }))
  }
  const hosts = [...members.keys()]
  const [first = ''] = hosts
  const connectTo = (host: string): MongoClient =>
    new MongoClient(`mongodb://${host}/?directConnection=true`, { serverSelectionTimeoutMS: 60_000 })
  // All of them must listen before the set is made, or the first one finds no quorum.
  for (const host of hosts.slice(1)) {
    const member = connectTo(host)
    await member.db('admin').command({ ping: 1 })
    await member.close()
  }
  const direct = connectTo(first)
  const config = {
    _id: 'test',
    members: hosts.map((host, index) => ({ _id: index, host })),
    settings: { electionTimeoutMillis: 1_000, heartbeatIntervalMillis: 200 },
  }
  await direct.db('admin').command({ replSetInitiate: config })
  for (;;) {
    const { isWritablePrimary } = await direct.db('admin').command({ hello: 1 })
    if (isWritablePrimary === true) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  if (admin !== null) await direct.db('admin').command({ createUser: admin.name, pwd: admin.password, roles: ['root'] })
  await direct.close()
  const end = async (host: string): Promise<void> => {
    const member = members.get(host)
    if (member === undefined || member.exitCode !== null || member.signalCode !== null) return
    const gone = new Promise((resolve) => member.once('exit', resolve))
    member.kill('SIGKILL')
    await gone
  }
  return {
    hosts,
    uri: (user) =>
      `mongodb://${user === undefined ? '' : `${user.name}:${user.password}@`}${hosts.join(',')}/?replicaSet=test${user === undefined ? '' : '&authSource=admin'}`,
    kill: end,
    stop: async () => {
      for (const host of hosts) await end(host)
      await rm(home, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
