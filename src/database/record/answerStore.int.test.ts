import { MongoClient, type Db } from 'mongodb'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { fakeClock, type FakeClock } from '../../core/clock.testkit.ts'
import type { Clock } from '../../core/runtime.ts'
import { makeIo } from '../../io.ts'
import { makeAnswerStore, type AnswerStore } from './answerStore.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { gatherWith } from '../../system.ts'

interface Value {
  readonly text: string
}

const never = new AbortController().signal
let mongod: TestMongod
let client: MongoClient
let db: Db
let clock: FakeClock
let store: AnswerStore<Value>

/** Real timers, so that bounds end; a wall clock that the test moves. */
function timedBy(fake: FakeClock): Clock {
  return { ...makeIo(process, '').runtime.clock, now: () => fake.now() }
}

beforeAll(async () => {
  mongod = await startTestMongod()
  client = await new MongoClient(mongod.uri).connect()
  db = client.db('answers')
})
afterAll(async () => {
  await client.close()
  await mongod.stop()
})
beforeEach(async () => {
  await db.collection('response_cache').deleteMany({})
  clock = fakeClock(Date.now())
  store = makeAnswerStore<Value>({ db, clock: timedBy(clock), gather: gatherWith(timedBy(clock)), simulated: false })
})

test('what one process keeps, another finds until it expires', async () => {
  await store.set('key', { text: 'answer' }, 60_000)
  const other = makeAnswerStore<Value>({ db, clock: timedBy(clock), gather: gatherWith(timedBy(clock)), simulated: false })
  expect(await other.get('key', never)).toEqual({ text: 'answer' })
  expect(await other.get('other key', never)).toBeUndefined()
  await clock.advance(60_000)
  // MongoDB has not removed it yet: its TTL thread wakes once a minute.
  expect(await db.collection('response_cache').countDocuments()).toBe(1)
  expect(await other.get('key', never)).toBeUndefined()
})

test('simulated answers and real ones do not see each other', async () => {
  const simulated = makeAnswerStore<Value>({ db, clock: timedBy(clock), gather: gatherWith(timedBy(clock)), simulated: true })
  await simulated.set('key', { text: 'simulated' }, 60_000)
  expect(await store.get('key', never)).toBeUndefined()
  expect(await simulated.get('key', never)).toEqual({ text: 'simulated' })
})

test('a later value replaces an earlier one', async () => {
  await store.set('key', { text: 'old' }, 60_000)
  await store.set('key', { text: 'new' }, 60_000)
  expect(await store.get('key', never)).toEqual({ text: 'new' })
})

test('a key of a megabyte is a key', async () => {
  const key = 'k'.repeat(1_048_576)
  await store.set(key, { text: 'answer' }, 60_000)
  expect(await store.get(key, never)).toEqual({ text: 'answer' })
})

test('an answer above 4 MiB is not kept', async () => {
  await store.set('key', { text: 'x'.repeat(4_194_305) }, 60_000)
  expect(await store.get('key', never)).toBeUndefined()
})

test('what is asked and kept at once goes in few commands, and each caller gets its own', async () => {
  const watched = await new MongoClient(mongod.uri, { monitorCommands: true }).connect()
  const commands: string[] = []
  watched.on('commandStarted', ({ commandName }) => commands.push(commandName))
  const busy = makeAnswerStore<Value>({
    db: watched.db(db.databaseName),
    clock: timedBy(clock),
    gather: gatherWith(timedBy(clock)),
    simulated: false,
  })
  const numbers = Array.from({ length: 100 }, (_, number) => number)
  await Promise.all(numbers.map((number) => busy.set(`key ${number}`, { text: `answer ${number}` }, 60_000)))
  const found = await Promise.all([...numbers, 200, 7].map((number) => busy.get(`key ${number}`, never)))
  await watched.close()
  expect(found.map((value) => value?.text)).toEqual([...numbers.map((number) => `answer ${number}`), undefined, 'answer 7'])
  expect(commands.filter((name) => name === 'update').length).toBeLessThan(5)
  expect(commands.filter((name) => name === 'find').length).toBeLessThan(5)
})

test('a frozen database is a miss within the bound, and then for a while at no cost', async () => {
  await store.set('key', { text: 'answer' }, 60_000)
  mongod.freeze()
  try {
    const fromMs = performance.now()
    expect(await store.get('key', never)).toBeUndefined()
    expect(performance.now() - fromMs).toBeLessThan(2_000)
    const againMs = performance.now()
    for (let index = 0; index < 20; index += 1) expect(await store.get('key', never)).toBeUndefined()
    await store.set('key', { text: 'later' }, 60_000)
    expect(performance.now() - againMs).toBeLessThan(400)
  } finally {
    mongod.thaw()
  }
})
