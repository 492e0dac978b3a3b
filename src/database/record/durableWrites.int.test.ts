import { MongoClient, ObjectId, type Db } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { writeDurably, type DurableWrite } from './durableWrites.ts'

const { clock } = makeIo(process, '').runtime

let mongod: TestMongod
let client: MongoClient
let db: Db
let commands: string[]
let count = 0

beforeAll(async () => {
  mongod = await startTestMongod({ testCommands: true })
})
afterAll(() => mongod.stop())
beforeEach(async () => {
  client = await new MongoClient(mongod.uri, { monitorCommands: true }).connect()
  count += 1
  db = client.db(`writes_${count}`)
  commands = []
  client.on('commandStarted', ({ commandName }) => {
    if (commandName === 'insert' || commandName === 'update') commands.push(commandName)
  })
})
afterEach(() => client.close())

const write = (operations: readonly DurableWrite[], boundMs = 10_000) => writeDurably(db, clock, 'model_attempts', operations, boundMs)
const insert = (text: string, _id = new ObjectId()): DurableWrite => ({ insertOne: { document: { _id, text } } })
const change = (_id: ObjectId, text: string, upsert?: boolean): DurableWrite => ({
  updateOne: { filter: { _id }, update: { $set: { text } }, ...(upsert !== undefined && { upsert }) },
})
const found = () => db.collection('model_attempts').find({}).sort({ text: 1 }).toArray()

test('documents go in one command, documents and updates together in one as well, and a second time changes nothing', async () => {
  const [a, b, c] = [new ObjectId(), new ObjectId(), new ObjectId()]
  await write([insert('a', a), insert('b', b)])
  expect(commands).toEqual(['insert'])
  const mixed = [insert('c', c), change(a, 'a2'), change(new ObjectId(), 'nobody'), change(new ObjectId('0'.repeat(24)), 'd', true)]
  for (let time = 0; time < 2; time += 1) expect(await write(mixed)).toEqual([null, null, null, null])
  expect(commands).toEqual(['insert', 'update', 'update'])
  expect((await found()).map(({ text }) => text as unknown)).toEqual(['a2', 'b', 'c', 'd'])
  expect(await write([])).toEqual([])
})

test('what is more than one command can hold goes in several, and a document of nearly 16 MiB is taken', async () => {
  const sizes = [16_777_000, 6_000_000, 6_000_000, 6_000_000, 10]
  expect(await write(sizes.map((size, index) => insert(String(index).padEnd(size, 'x'))))).toEqual(sizes.map(() => null))
  expect(commands).toEqual(['insert', 'insert', 'insert'])
  expect(await write(sizes.slice(1).map((size) => change(new ObjectId(), 'y'.repeat(size), true)))).toEqual([null, null, null, null])
  expect(await db.collection('model_attempts').countDocuments()).toBe(9)
})

test('a document above 16 MiB costs none of its neighbours', async () => {
  const outcomes = await write([insert('a'), insert('x'.repeat(16_800_000)), insert('b'), insert('x'.repeat(40_000_000))])
  expect(outcomes.map((outcome) => outcome?.code ?? null)).toEqual([null, 'database_failed', null, 'database_failed'])
})

test.each([91, 11_600, 10_107, 189])('a server that says %i, which is no refusal, is asked again', async (errorCode) => {
  await client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: 2 }, data: { failCommands: ['insert'], errorCode } })
  expect(await write([insert('a')])).toEqual([null])
  expect(commands).toHaveLength(3)
})

test('a refusal is told at once, one that nobody can lift in time at the end of the bound', async () => {
  const fail = (data: object): Promise<unknown> =>
    client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'alwaysOn', data: { failCommands: ['insert'], ...data } })
  try {
    await fail({ errorCode: 13 })
    expect(await write([insert('a'), insert('b')])).toMatchObject([{ code: 'not_authorized' }, { code: 'not_authorized' }])
    expect(commands).toHaveLength(1)
    await fail({ writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } })
    const fromMs = performance.now()
    expect(await write([insert('c')], 400)).toMatchObject([{ code: 'database_failed', message: expect.stringContaining('waiting for') }])
    expect(performance.now() - fromMs).toBeLessThan(2_000)
    expect(commands.length).toBeGreaterThan(2)
  } finally {
    await client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })
  }
})

test('a connection that breaks in the middle of a write is no end of it', async () => {
  await client.db('admin').command({
    configureFailPoint: 'failCommand',
    mode: { times: 1 },
    data: { failCommands: ['update'], closeConnection: true },
  })
  expect(await write([change(new ObjectId(), 'a', true)])).toEqual([null])
  expect(commands).toHaveLength(2)
})
