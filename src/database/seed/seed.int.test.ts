import { MongoClient, type Db, type Document } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { claimBenchDatabase, isLoopback } from './benchDatabase.ts'
import { sampleData } from './sampleData.ts'
import { seedDatabase, type SeedOptions, type SeedReport } from './seed.ts'

const { runtime } = makeIo(process, '')
const never = new AbortController().signal

let mongod: TestMongod
let client: MongoClient
let db: Db
let count = 0
beforeAll(async () => {
  mongod = await startTestMongod()
  client = new MongoClient(mongod.uri)
})
afterAll(async () => {
  await client.close()
  await mongod.stop()
})
beforeEach(() => {
  count += 1
  db = client.db(`seed_${count}`)
})

const claim = () => claimBenchDatabase({ client, db, now: new Date(0) }, never)
const seed = async (more: Partial<SeedOptions> = {}, signal = never): Promise<SeedReport> =>
  seedDatabase({ db, clock: runtime.clock, mark: await claim(), scale: 'small', seed: 1, onProgress: () => undefined, ...more }, signal)
const counts = async (): Promise<Readonly<Record<string, number>>> =>
  Object.fromEntries(
    await Promise.all(
      Object.keys(sampleData('small', 1).counts).map(async (name) => [name, await db.collection(name).countDocuments()] as const),
    ),
  )

describe('sample data', () => {
  test('of one seed are the same, chunk by chunk in any order, and of another seed others', () => {
    const all = (value: number): readonly string[] => {
      const data = sampleData('small', value)
      return Array.from({ length: data.chunkCount }, (_, index) => JSON.stringify(data.chunk(index)))
    }
    const data = sampleData('small', 1)
    const backwards = Array.from({ length: data.chunkCount }, (_, index) =>
      JSON.stringify(data.chunk(data.chunkCount - 1 - index)),
    ).toReversed()
    expect(backwards).toEqual(all(1))
    expect(all(2)).not.toEqual(all(1))
  })

  test('are as many as they say, refer to what is there, and some users have far more than others', () => {
    const data = sampleData('small', 3)
    const documents = new Map<string, Document[]>()
    for (let index = 0; index < data.chunkCount; index += 1) {
      for (const { collection, documents: part } of data.chunk(index))
        documents.set(collection, [...(documents.get(collection) ?? []), ...part])
    }
    expect(Object.fromEntries([...documents].map(([name, list]) => [name, list.length]))).toEqual(data.counts)
    const idsOf = (name: string): ReadonlySet<string> => new Set(documents.get(name)?.map(({ _id }) => String(_id)))
    for (const [name, list] of documents) expect(idsOf(name).size, name).toBe(list.length)
    const [sessions, threads, responses] = [idsOf('user_sessions'), idsOf('conversation_threads'), idsOf('model_responses')]
    for (const { session_id, best_response_id } of documents.get('conversation_threads') ?? []) {
      expect(sessions.has(String(session_id)) && responses.has(String(best_response_id))).toBe(true)
    }
    for (const { thread_id } of documents.get('model_responses') ?? []) expect(threads.has(String(thread_id))).toBe(true)
    for (const { evaluated_response_id } of documents.get('model_evaluations') ?? [])
      expect(responses.has(String(evaluated_response_id))).toBe(true)
    const byUser = new Map<string, number>()
    for (const { user_id } of documents.get('user_sessions') ?? []) byUser.set(String(user_id), (byUser.get(String(user_id)) ?? 0) + 1)
    const most = [...byUser.values()].toSorted((a, b) => b - a)
    expect(most[0]).toBeGreaterThan(5 * (most[Math.floor(most.length / 2)] ?? 1))
  })
})

describe('seeding', () => {
  test('writes everything once, and a second time nothing', async () => {
    const first = await seed()
    expect(await counts()).toEqual(sampleData('small', 1).counts)
    expect(first).toMatchObject({ resumed: false, replaced: false })
    expect(await seed()).toMatchObject({ insertedNow: 0 })
    expect(await db.collection('algorithm_metrics').countDocuments()).toBeGreaterThan(100)
  })

  test('that was cut off goes on where it was, and ends with the same documents', async () => {
    const controller = new AbortController()
    const stop = new Error('stop')
    await expect(seed({ onProgress: () => controller.abort(stop) }, controller.signal)).rejects.toBe(stop)
    // A chunk of which only a part was written.
    const [, responses] = sampleData('small', 1).chunk(5)
    await db
      .collection('model_responses')
      .insertMany([...(responses?.documents ?? [])].slice(0, 3), { ordered: false })
      .catch(() => undefined)
    expect(await seed()).toMatchObject({ replaced: false })
    expect(await counts()).toEqual(sampleData('small', 1).counts)
  })

  test('ends with an error when the server stops answering, and goes on when it answers again', async () => {
    let frozen = 0
    const freeze = (): void => {
      if (frozen > 0) return
      frozen = performance.now()
      mongod.freeze()
    }
    try {
      await expect(seed({ onProgress: freeze })).rejects.toMatchObject({ exitCode: 69 })
      expect(performance.now() - frozen).toBeLessThan(10_000)
    } finally {
      mongod.thaw()
    }
    // What was on its way when it froze is written by now; neither lost nor twice.
    expect(await seed()).toMatchObject({ replaced: false })
    expect(await counts()).toEqual(sampleData('small', 1).counts)
  })

  test('of another seed replaces the sample data, and nothing of another database', async () => {
    await seed()
    expect(await seed({ seed: 2 })).toMatchObject({ replaced: true })
    expect(await counts()).toEqual(sampleData('small', 2).counts)
  })
})

describe('the bench’s database', () => {
  test('is one that is empty or bears the mark, never one with other data', async () => {
    await db.createCollection('empty')
    expect(await claim()).toMatchObject({ _id: 'orx', complete: false })
    const other = client.db(`${db.databaseName}_other`)
    await other.collection('orders').insertOne({ total: 1 })
    await expect(claimBenchDatabase({ client, db: other, now: new Date(0) }, never)).rejects.toMatchObject({
      code: 'confirmation_needed',
      exitCode: 6,
    })
    expect((await other.listCollections().toArray()).map(({ name }) => name)).toEqual(['orders'])
  })

  test('is on this machine, unless another was allowed', async () => {
    const remote = new MongoClient('mongodb://127.0.0.1:1,db.example.net:27017/', { serverSelectionTimeoutMS: 1 })
    await expect(claimBenchDatabase({ client: remote, db: remote.db('x'), now: new Date(0) }, never)).rejects.toMatchObject({
      code: 'confirmation_needed',
      message: expect.stringContaining('db.example.net') as string,
    })
    await remote.close()
    expect(['127.0.0.1', '127.8.8.8', 'localhost', '::1', '10.0.0.1', 'db.example.net', '0.0.0.0'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
