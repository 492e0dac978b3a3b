import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { connectDatabase, type Database } from '../connection.ts'
import { bundle, embeddedOptions, freezeProcess } from './mongod.testkit.ts'
import { homeOf, readState, writeState } from './home.ts'
import { embeddedStatus, ensureMongod, stopMongod, type EmbeddedOptions, type EmbeddedServer } from './server.ts'

const { runtime, processes } = makeIo(process, '')
const signal = new AbortController().signal
let home: string
let options: EmbeddedOptions
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'orx-embedded-'))
  options = await embeddedOptions(home)
})
afterEach(async () => {
  const pid = embeddedStatus(home, processes)?.state.pid
  if (pid && processes.isAlive(pid)) process.kill(pid, 'SIGCONT')
  await stopMongod(options, signal).catch(() => undefined)
  await rm(home, { recursive: true, force: true, maxRetries: 3 })
})

const connect = (uri: string): Promise<Database> => connectDatabase({ uri, appName: 'orx-test', clock: runtime.clock }, signal)

/** A script that asks for the server of a home and prints it. */
const asker = (): Promise<string> =>
  bundle(
    home,
    `import { ensureMongod } from '${new URL('server.ts', import.meta.url).pathname}'
     import { makeIo } from '${new URL('../../io.ts', import.meta.url).pathname}'
     const { runtime, processes, env, platform, arch } = makeIo(process, '')
     const options = { home: process.argv[2], mongodPath: ${JSON.stringify(options.mongodPath)}, env, platform, arch, pid: process.pid, runtime, processes }
     console.log(JSON.stringify(await ensureMongod({ ...options, onProgress: () => undefined }, new AbortController().signal)))`,
  )

/** The mongods that work on the data of a home, as the system tells it. */
async function mongodsOf(folder: string): Promise<number[]> {
  const { dbPath } = homeOf(folder)
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const words = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => words[index]?.split('\0').includes(dbPath))
}

async function gone(pid: number): Promise<void> {
  while (processes.isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('the embedded MongoDB', () => {
  test('starts as a primary on loopback, keeps data over a stop, and its files are private', async () => {
    const first = await ensureMongod(options, signal)
    expect(first).toMatchObject({ started: true, ready: true, uri: `mongodb://127.0.0.1:${first.port}/orchestratex?replicaSet=orx` })
    const database = await connect(first.uri)
    expect(database.name).toBe('orchestratex')
    await database.db.collection('kept').insertOne({ _id: 1 as never })
    await database.close()
    expect(((await stat(join(home, 'mongod.json'))).mode & 0o777).toString(8)).toBe('600')
    expect(((await stat(join(home, 'mongodb'))).mode & 0o777).toString(8)).toBe('700')

    expect(await stopMongod(options, signal)).toBe(first.pid)
    expect(processes.isAlive(first.pid)).toBe(false)
    expect(await stopMongod(options, signal)).toBeNull()
    expect(embeddedStatus(home, processes)).toMatchObject({ running: false, state: { pid: null, port: first.port } })

    const second = await ensureMongod(options, signal)
    expect(second.port).toBe(first.port)
    const again = await connect(second.uri)
    expect(await again.db.collection('kept').countDocuments()).toBe(1)
    await again.close()
  })

  test('is one server, however many ask for it at once', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => ensureMongod(options, signal)))
    expect(new Set(servers.map((server) => server.pid)).size).toBe(1)
    expect(servers.filter((server) => server.started)).toHaveLength(1)
    expect(await ensureMongod(options, signal)).toMatchObject({ started: false, pid: servers[0]?.pid })
  })

  test('comes back after kill -9 with what a majority had acknowledged', async () => {
    const first = await ensureMongod(options, signal)
    const database = await connect(first.uri)
    await database.db.collection('kept').insertOne({ _id: 1 as never }, { writeConcern: { w: 'majority' } })
    processes.signal(first.pid, 'SIGKILL')
    await gone(first.pid)
    await database.close()
    const second = await ensureMongod(options, signal)
    expect(second.pid).not.toBe(first.pid)
    const again = await connect(second.uri)
    expect(await again.db.collection('kept').countDocuments()).toBe(1)
    await again.close()
  })

  test('is one server for processes that ask for it at once, and outlives them', async () => {
    const script = await asker()
    const ask = async (): Promise<unknown> => JSON.parse((await promisify(execFile)(process.execPath, [script, home])).stdout)
    const servers = await Promise.all([ask(), ask(), ask()])
    const { pid } = await ensureMongod(options, signal)
    expect(servers.map((server) => (server as EmbeddedServer).pid)).toEqual([pid, pid, pid])
    expect(servers.filter((server) => (server as EmbeddedServer).started)).toHaveLength(1)
    expect(processes.isAlive(pid)).toBe(true)
  })

  test.each([120, 250, 400, 600, 900])(
    'is started by the next process when the first was killed after %d ms of starting it',
    async (delayMs) => {
      const script = await asker()
      const child = spawn(process.execPath, [script, home], { stdio: 'ignore' })
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      child.kill('SIGKILL')
      const server = await ensureMongod(options, signal)
      const database = await connect(server.uri)
      await database.db.collection('x').insertOne({ a: 1 })
      await database.close()
      expect(await mongodsOf(home)).toEqual([server.pid])
      expect((await readdir(home)).filter((name) => name.startsWith('mongod.lock') || name.endsWith('.tmp'))).toEqual([])
    },
  )

  test('is started anew when it was left before it was ready, with whatever it had been doing', async () => {
    const first = await ensureMongod(options, signal)
    const paths = homeOf(home)
    const state = readState(paths)
    if (state === null) throw new Error('no state')
    writeState(paths, { ...state, ready: false }, 'test')
    const second = await ensureMongod(options, signal)
    expect(second).toMatchObject({ started: true, ready: true, port: first.port })
    expect(await mongodsOf(home)).toEqual([second.pid])
  })

  test('starts afresh on what a first start left half made, but never on data that has once been ready', async () => {
    const { pid, port } = await ensureMongod(options, signal)
    const paths = homeOf(home)
    expect(readState(paths)).toMatchObject({ everReady: true })
    processes.signal(pid, 'SIGKILL')
    await gone(pid)
    const state = readState(paths)
    if (state === null) throw new Error('no state')
    await writeFile(join(paths.dbPath, 'WiredTiger.turtle'), 'half made')
    await expect(ensureMongod(options, signal)).rejects.toMatchObject({ code: 'database_unreachable' })
    expect(await readFile(join(paths.dbPath, 'WiredTiger.turtle'), 'utf8')).toBe('half made')
    writeState(paths, { ...state, ready: false, everReady: false }, 'test')
    expect(await ensureMongod(options, signal)).toMatchObject({ started: true, ready: true, port })
  })

  test.runIf(process.platform === 'linux')('is found and ended although no state tells of it', async () => {
    const first = await ensureMongod(options, signal)
    await rm(join(home, 'mongod.json'))
    expect(await stopMongod(options, signal)).toBe(first.pid)
    expect(await mongodsOf(home)).toEqual([])
    expect(await ensureMongod(options, signal)).toMatchObject({ started: true })
    await rm(join(home, 'mongod.json'))
    const third = await ensureMongod(options, signal)
    expect(await mongodsOf(home)).toEqual([third.pid])
  })

  test('is not left running when its start is aborted', async () => {
    const controller = new AbortController()
    const starting = ensureMongod(
      { ...options, onProgress: () => setTimeout(() => controller.abort(new Error('stopped')), 100) },
      controller.signal,
    )
    await expect(starting).rejects.toThrow('stopped')
    await expect.poll(() => mongodsOf(home)).toEqual([])
  })

  test('does not take a process that has its old pid for itself', async () => {
    await writeFile(
      join(home, 'mongod.json'),
      JSON.stringify({ pid: process.pid, ready: true, port: 1, startToken: 'another time', version: '6.0.5', binary: 'x', startedAt: '' }),
    )
    expect(await ensureMongod(options, signal)).toMatchObject({ started: true })
  })

  test('moves to another port, with its data, when somebody has taken its own', async () => {
    const first = await ensureMongod(options, signal)
    const database = await connect(first.uri)
    await database.db.collection('kept').insertOne({ _id: 1 as never })
    await database.close()
    await stopMongod(options, signal)
    const squatter = createServer()
    await new Promise<void>((resolve, reject) => squatter.once('error', reject).listen({ port: first.port, host: '127.0.0.1' }, resolve))
    try {
      const second = await ensureMongod(options, signal)
      expect(second.port).not.toBe(first.port)
      const again = await connect(second.uri)
      expect(await again.db.collection('kept').countDocuments()).toBe(1)
      await again.close()
    } finally {
      squatter.close()
    }
  })

  test('says why it does not start, with the words of its log, and leaves nothing running', async () => {
    await writeFile(join(home, 'mongodb'), 'a file where a folder should be').catch(() => undefined)
    await expect(ensureMongod(options, signal)).rejects.toMatchObject({ code: 'home_unwritable' })
    await rm(join(home, 'mongodb'))
    const first = await ensureMongod(options, signal)
    await stopMongod(options, signal)
    await writeFile(join(home, 'mongodb', 'WiredTiger.turtle'), 'broken')
    await expect(ensureMongod(options, signal)).rejects.toMatchObject({
      code: 'database_unreachable',
      message: expect.stringMatching(/did not start/) as string,
      hint: expect.stringContaining('mongod.log') as string,
    })
    expect(JSON.parse(await readFile(join(home, 'mongod.json'), 'utf8'))).toMatchObject({ port: first.port })
    expect(embeddedStatus(home, processes)?.running).toBe(false)
  })

  test('ends also while it is frozen', async () => {
    const server = await ensureMongod(options, signal)
    freezeProcess(server.pid)
    expect(await stopMongod(options, signal)).toBe(server.pid)
    expect(processes.isAlive(server.pid)).toBe(false)
  })

  test('a home that is a file is said to be unwritable', async () => {
    await writeFile(join(home, 'file'), '')
    await expect(ensureMongod({ ...options, home: join(home, 'file') }, signal)).rejects.toMatchObject({
      code: 'home_unwritable',
      exitCode: 2,
    })
  })
})

test.runIf(process.platform === 'linux')('a home where the system makes no folders is said to be unwritable, at once', async () => {
  await expect(ensureMongod({ ...options, home: '/proc/orx/home' }, signal)).rejects.toMatchObject({ code: 'home_unwritable', exitCode: 2 })
})

describe('a server that has stopped answering', () => {
  test.each([
    ['find', (database: Database) => database.db.collection('x').find().toArray()],
    ['insert', (database: Database) => database.db.collection('x').insertOne({ a: 1 })],
    [
      'aggregate',
      (database: Database) =>
        database.reads
          .collection('x')
          .aggregate([{ $match: {} }])
          .toArray(),
    ],
    ['ping', (database: Database) => database.ping()],
  ])('ends a %s within 10 s as database_unreachable, and a close within 2 s', async (_, operation) => {
    const { databaseError } = await import('../connection.ts')
    const server = await ensureMongod(options, signal)
    const database = await connect(server.uri)
    freezeProcess(server.pid)
    const fromMs = performance.now()
    const error = await operation(database).then(
      () => null,
      (thrown: unknown) => databaseError(thrown),
    )
    expect(error).toMatchObject({ code: 'database_unreachable', exitCode: 69 })
    expect(performance.now() - fromMs).toBeLessThan(10_000)
    const closingMs = performance.now()
    await database.close()
    expect(performance.now() - closingMs).toBeLessThan(2_000)
  })

  test('is not connected to', async () => {
    const server = await ensureMongod(options, signal)
    freezeProcess(server.pid)
    const fromMs = performance.now()
    await expect(connect(server.uri)).rejects.toMatchObject({
      code: 'database_unreachable',
      hint: expect.stringContaining('--db none') as string,
    })
    expect(performance.now() - fromMs).toBeLessThan(10_000)
  })
})
