// The fault matrix's other half: what may befall the database under a run, and what the real binary makes of it. Needs `npm run build`.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, ObjectId, type Db } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { binary } from './binary.testkit.ts'
import { startTestMongod, type TestMongod } from './database/embedded/mongod.testkit.ts'
import { completion, sendJson, wireServer, type WireServer } from './models/wire.testkit.ts'
import type { RunResult } from './orchestration/events.ts'

const verdict = JSON.stringify({ criteria: { accuracy: 5, relevance: 5, clarity: 5, completeness: 5 }, criticism: 'more', suggestions: [] })

let mongod: TestMongod
let client: MongoClient
let db: Db
let folder: string
let server: WireServer
const answerMs = 100

beforeAll(async () => {
  mongod = await startTestMongod({ testCommands: true })
  folder = await mkdtemp(join(tmpdir(), 'orx-database-faults-'))
  server = await wireServer(({ body, url }, response) => {
    if (url.endsWith('/models')) return sendJson(response, { data: [{ id: 'one' }, { id: 'two' }, { id: 'three' }] })
    const isJudged = JSON.stringify(body['messages']).includes('<<<CANDIDATE')
    setTimeout(() => sendJson(response, completion(isJudged ? verdict : 'an answer')), answerMs)
  })
})
beforeEach(() => {
  client = new MongoClient(mongod.uri)
  db = client.db()
})
afterEach(async () => {
  await failPoint('off').catch(() => undefined)
  await client.close()
})
afterAll(async () => {
  await server.close()
  await mongod.stop()
  await rm(folder, { recursive: true, force: true })
})

async function failPoint(mode: 'off' | { readonly times: number } | 'alwaysOn', data: object = {}): Promise<void> {
  await client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
}

interface Ended {
  readonly exitCode: number | null
  readonly stderr: string
  readonly data: RunResult & { readonly persisted: boolean }
  readonly error: object | null
}

/** Six requests: an answer and two verdicts, twice. */
function start(uri = mongod.uri): { readonly child: ChildProcess; readonly asked: () => number; readonly ended: Promise<Ended> } {
  const before = server.received.length
  const argv = ['run', `Why? ${before}`, '--json', '--no-cache', '--iterations', '2', '--patience', '5', '--threshold', '9', '--verbose']
  const child = spawn(process.execPath, [binary, ...argv], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ORX_BASE_URL: server.baseUrl, ORX_MONGODB_URI: uri },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
  })
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (exitCode) => {
      const { data, error } = JSON.parse(stdout) as Pick<Ended, 'data' | 'error'>
      resolve({ exitCode, stderr, data, error })
    }),
  )
  return { child, asked: () => server.received.slice(before).filter(({ url }) => !url.endsWith('/models')).length, ended }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Nothing was lost, nothing is there twice, and the record tells of each request that a provider got. */
async function expectWholeRecord({ exitCode, data, error }: Ended): Promise<void> {
  expect([exitCode, data.persisted, error, data.finalResponse]).toEqual([0, true, null, 'an answer'])
  const thread_id = new ObjectId(data.threadId ?? '')
  expect(await db.collection('conversation_threads').findOne({ _id: thread_id })).toMatchObject({
    thread_status: 'completed',
    final_response: 'an answer',
    stop_reason: data.stopReason,
  })
  const attempts = await db.collection('model_attempts').find({ thread_id }).toArray()
  expect(attempts.map(({ state }) => state as string)).toEqual(Array.from({ length: 6 }, () => 'ok'))
  expect(await db.collection('model_responses').countDocuments({ thread_id })).toBe(6)
  expect(await db.collection('model_evaluations').countDocuments({ thread_id })).toBe(4)
}

const writes = ['insert', 'update']

test.each([
  [
    'an intent or outcome that only one member acknowledged',
    { failCommands: writes, writeConcernError: { code: 64, errmsg: 'waiting' } },
    4,
  ],
  ['a primary that is gone as a write comes', { failCommands: writes, errorCode: 10_107, errorLabels: ['RetryableWriteError'] }, 4],
  ['a server that shuts down as a write comes', { failCommands: writes, errorCode: 11_600, errorLabels: ['RetryableWriteError'] }, 4],
  ['a connection that breaks as a write comes', { failCommands: writes, closeConnection: true }, 4],
])('%s: it is written again, nothing is lost', async (_, data, times) => {
  await failPoint({ times }, data)
  const run = start()
  await expectWholeRecord(await run.ended)
  expect(run.asked()).toBe(6)
})

test('a write that is refused for good costs the record, not the answer: said aloud, exit 5', async () => {
  await failPoint('alwaysOn', { failCommands: writes, errorCode: 14_031, errorLabels: [] })
  const { exitCode, data, stderr } = await start().ended
  expect([exitCode, data.persisted, data.finalResponse]).toEqual([5, false, 'an answer'])
  expect(stderr).toContain('the database was lost')
})

test('a step-down in the middle holds nobody, and the record is whole', async () => {
  const run = start()
  await until(() => run.asked() >= 1)
  await client
    .db('admin')
    .command({ replSetStepDown: 1, force: true })
    .catch(() => undefined)
  await expectWholeRecord(await run.ended)
})

test('a reply that is lost after the commit: what was written is there once, and no request is sent twice', async () => {
  const proxy = await losingProxy(
    new URL(mongod.uri.replace('mongodb:', 'http:')).port,
    ['model_attempts', 'model_responses', 'conversation_threads'],
    2,
  )
  const run = start(`mongodb://127.0.0.1:${proxy.port}/orchestratex?directConnection=true`)
  await expectWholeRecord(await run.ended)
  expect([run.asked(), proxy.lost()]).toEqual([6, 6])
  await proxy.close()
})

test('an orx that is stopped for a while goes on where it stood', async () => {
  const run = start()
  await until(() => run.asked() >= 1)
  run.child.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  run.child.kill('SIGCONT')
  await expectWholeRecord(await run.ended)
  expect(run.asked()).toBe(6)
})

/** Forwards all, but cuts a connection instead of the first replies to writes into these collections. */
async function losingProxy(
  toPort: string,
  collections: readonly string[],
  times: number,
): Promise<{ readonly port: number; lost(): number; close(): Promise<void> }> {
  const left = new Map(collections.map((name) => [name, times]))
  let lost = 0
  const sockets = new Set<Socket>()
  const proxy: Server = createServer((near) => {
    const far = connect(Number(toPort), '127.0.0.1')
    let losesNext = false
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    near.on('data', (piece: Buffer) => {
      const text = piece.toString('latin1')
      // oxlint-disable-next-line no-control-regex -- BSON: a string element of that name, its length, the collection
      const written = /\0\x02(?:insert|update)\0.{4}([a-z_]+)\0/s.exec(text)?.[1] ?? ''
      const more = left.get(written) ?? 0
      if (more > 0) {
        left.set(written, more - 1)
        losesNext = true
      }
      far.write(piece)
    })
    far.on('data', (piece: Buffer) => {
      if (!losesNext) return void near.write(piece)
      lost += 1
      near.destroy()
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    lost: () => lost,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
