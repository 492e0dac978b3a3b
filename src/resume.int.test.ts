// A file that was cut off goes on: what is finished is not sent again. The real binary, a real MongoDB. Needs `npm run build`.
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, ObjectId } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { binary } from './binary.testkit.ts'
import { startTestMongod, type TestMongod } from './database/embedded/mongod.testkit.ts'
import { completion, sendJson, wireServer, type WireServer } from './models/wire.testkit.ts'

const prompts = ['one', 'two', 'three', 'four', 'five', 'six'].map((word) => `Tell me about ${word}.`)
const low = JSON.stringify({ criteria: { accuracy: 5, relevance: 5, clarity: 5, completeness: 5 }, criticism: 'more', suggestions: [] })

/** 20 tokens in and 5 out, at 1 and 2 USD per million. */
const costOfCall = 30e-6

let mongod: TestMongod
let server: WireServer
let folder: string
/** Questions as they came: the prompt they are about, and the role. */
const asked: { readonly prompt: string; readonly kind: 'answer' | 'judge' | 'refine' }[] = []

beforeAll(async () => {
  mongod = await startTestMongod()
  folder = await mkdtemp(join(tmpdir(), 'orx-resume-'))
  await writeFile(
    join(folder, 'prompts.jsonl'),
    prompts.map((prompt, index) => `${JSON.stringify({ prompt, id: `p${index + 1}` })}\n`).join(''),
  )
  server = await wireServer(({ body, url }, response) => {
    if (url.endsWith('/models')) return sendJson(response, { data: [{ id: 'author' }, { id: 'critic' }] })
    const text = JSON.stringify(body['messages'])
    const kind = text.includes('<<<CANDIDATE') ? 'judge' : text.includes('Critics of your answer') ? 'refine' : 'answer'
    asked.push({ prompt: prompts.find((prompt) => text.includes(prompt)) ?? '?', kind })
    setTimeout(() => sendJson(response, completion(kind === 'judge' ? low : 'an answer')), 150)
  })
})
afterAll(async () => {
  await server.close()
  await mongod.stop()
  await rm(folder, { recursive: true, force: true })
})

function start(argv: readonly string[], provider = true) {
  const base = { PATH: process.env['PATH'], HOME: folder, ORX_MONGODB_URI: mongod.uri }
  const child = spawn(process.execPath, [binary, ...argv], {
    cwd: folder,
    env: provider ? { ...base, ORX_BASE_URL: server.baseUrl } : base,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
  })
  return {
    child,
    stderr: () => stderr,
    ended: new Promise<{ exitCode: number | null; stdout: string }>((resolve) =>
      child.once('close', (exitCode) => resolve({ exitCode, stdout })),
    ),
  }
}

const run = [
  'run',
  '--file',
  'prompts.jsonl',
  '--json',
  '--no-cache',
  '--concurrency',
  '2',
  '--model',
  'local/author',
  '--iterations',
  '2',
  '--threshold',
  '9',
  '--patience',
  '5',
  '--assume-price',
  '1,2',
]
const linesOf = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as { id: string; line: number; threadId: string; finalResponse: string; persisted: boolean })
const keyOf = ({ prompt, kind }: (typeof asked)[number]): string => `${kind} ${prompt}`

test('after kill -9 finished lines and finished steps are not sent again, and the record tells it all without a provider', async () => {
  const cut = start(run)
  while (asked.filter(({ kind }) => kind === 'judge').length < 5) await new Promise((resolve) => setTimeout(resolve, 20))
  cut.child.kill('SIGKILL')
  const before = linesOf((await cut.ended).stdout)
  const session = /--resume ([0-9a-f]{24})/.exec(cut.stderr())?.[1] ?? ''
  expect(session).toHaveLength(24)
  const sentBefore = [...asked]
  asked.length = 0

  const again = start([...run, '--resume', session])
  const { exitCode, stdout } = await again.ended
  expect(exitCode).toBe(0)
  const lines = linesOf(stdout)
  expect(lines.map(({ line }) => line).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6])
  expect(lines.every(({ persisted, finalResponse }) => persisted && finalResponse === 'an answer')).toBe(true)
  // A line that was told is not asked of again; of the others each step at most once more: the one that was out when it was killed.
  for (const { id } of before) expect(asked.filter(({ prompt }) => prompt === prompts[Number(id.slice(1)) - 1])).toEqual([])
  const whole = prompts.length * 4
  expect(sentBefore.length + asked.length).toBeLessThanOrEqual(whole + 4)
  expect(sentBefore.length).toBeLessThan(whole)
  const times = new Map<string, number>()
  for (const question of [...sentBefore, ...asked]) times.set(keyOf(question), (times.get(keyOf(question)) ?? 0) + 1)
  for (const [question, count] of times) expect(count, question).toBeLessThanOrEqual(question.startsWith('judge') ? 3 : 2)

  // What was paid before the kill stays booked, on each thread and on the session: with one that was out then, at most what it could cost.
  const client = new MongoClient(mongod.uri)
  const session_id = new ObjectId(session)
  const threads = await client.db().collection('conversation_threads').find({ session_id }).toArray()
  const attempts = await client
    .db()
    .collection('model_attempts')
    .find({ thread_id: { $in: threads.map(({ _id }) => _id) } })
    .toArray()
  const sum = (values: readonly unknown[]): number => values.reduce<number>((total, value) => total + Number(value), 0)
  const ledgerUsd = sum(attempts.map(({ cost_usd }) => cost_usd as unknown))
  expect(ledgerUsd).toBeGreaterThanOrEqual(whole * costOfCall - 1e-9)
  expect(sum(threads.map(({ total_cost }) => total_cost as unknown))).toBeCloseTo(ledgerUsd, 9)
  const booked = await client.db().collection('user_sessions').findOne({ _id: session_id })
  expect(booked?.['total_cost']).toBeCloseTo(ledgerUsd, 9)
  await client.close()

  // Once more: all is finished, nothing is asked.
  asked.length = 0
  expect(linesOf((await start([...run, '--resume', session]).ended).stdout)).toHaveLength(6)
  expect(asked).toEqual([])

  // The record speaks without any provider or key.
  const replayed = JSON.parse((await start(['replay', 'p6', '--json'], false).ended).stdout) as {
    ok: boolean
    data: { events: { type: string }[]; finalResponse: string }
  }
  expect([replayed.ok, replayed.data.finalResponse]).toEqual([true, 'an answer'])
  expect(replayed.data.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['run-started', 'answer-received', 'answer-judged', 'run-finished']),
  )
  expect(asked).toEqual([])
})

test('Ctrl-C prints what there is and exits 130; the rest goes on with --resume', async () => {
  asked.length = 0
  const cut = start(run)
  while (!/--resume ([0-9a-f]{24})/.test(cut.stderr()) || asked.length < 10) await new Promise((resolve) => setTimeout(resolve, 20))
  cut.child.kill('SIGINT')
  const { exitCode, stdout } = await cut.ended
  expect(exitCode).toBe(130)
  expect(linesOf(stdout).length).toBeGreaterThan(0)
  const session = /--resume ([0-9a-f]{24})/.exec(cut.stderr())?.[1] ?? ''
  const rest = await start([...run, '--resume', session]).ended
  expect([rest.exitCode, linesOf(rest.stdout).length]).toEqual([0, 6])
})

test('a session that is no session is refused', async () => {
  expect((await start([...run, '--resume', 'yesterday']).ended).exitCode).toBe(2)
  expect((await start([...run, '--resume', 'a'.repeat(24), '--db', 'none']).ended).exitCode).toBe(2)
})

test('a session that this database does not know is begun anew, and that is said', async () => {
  const { ended, stderr } = start([...run, '--resume', 'a'.repeat(24)])
  expect((await ended).exitCode).toBe(0)
  expect(stderr()).toContain('no session aaaaaaaaaaaaaaaaaaaaaaaa')
})
