import type { Db, Document } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { connectDatabase, type Database } from '../connection.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { applyActions, type Applied, type ApplyEvent } from './apply.ts'
import type { Catalog, CatalogIndex, CatalogPath } from './catalog.ts'
import { parseCatalog, writeCatalog } from './catalogFile.ts'
import { defaultName, keyOf } from './definition.ts'
import { readLive } from './live.ts'
import { planIndexes, type Plan } from './plan.ts'
import { catalogOf } from './pull.ts'
import { nextStep } from './retire.ts'
import { readUsage } from './usage.ts'
import type { Verification } from './proof.ts'
import { verifyPaths } from './verify.ts'

const { runtime } = makeIo(process, '')
const { clock } = runtime
const never = new AbortController().signal

let mongod: TestMongod
let database: Database
let db: Db
let events: ApplyEvent[] = []
let count = 0
beforeAll(async () => {
  mongod = await startTestMongod()
})
afterAll(async () => {
  await database?.close()
  await mongod.stop()
})
beforeEach(async () => {
  await database?.close()
  count += 1
  database = await connectDatabase({ uri: mongod.uri, dbName: `indexes_${count}`, appName: 'orx-test', clock }, never)
  ;({ db } = database)
  events = []
})

const want = (collection: string, key: Document, options: Document = {}, name = defaultName(keyOf(key))): CatalogIndex => ({
  collection,
  name,
  key: keyOf(key),
  options,
  why: 'a test',
  serves: [],
})
const plan = async (indexes: readonly CatalogIndex[], prune = false): Promise<Plan> =>
  planIndexes({ indexes }, await readLive(db, null, never), { prune })
const apply = async ({ actions }: Pick<Plan, 'actions'>, allowDrop = false): Promise<Applied> =>
  applyActions(
    { db, clock, allowDrop, ping: () => database.ping(), emit: (event) => events.push(event), onInterrupt: () => Promise.resolve('leave') },
    actions,
    never,
  )
const namesOf = async (collection: string): Promise<readonly string[]> =>
  (await db.collection(collection).indexes()).map(({ name }) => String(name)).toSorted()
const steps = (): readonly string[] => events.flatMap((event) => (event.type === 'step' ? [event.text] : []))

const everyType: readonly CatalogIndex[] = [
  want('c', { a: 1, b: -1 }),
  want('c', { u: 1 }, { unique: true }),
  want('c', { s: 1 }, { sparse: true }),
  want('c', { e: 1 }, { expireAfterSeconds: 1_000 }),
  want('c', { p: 1 }, { partialFilterExpression: { p: { $gt: 5 }, k: 'x' } }),
  want('c', { l: 1 }, { collation: { locale: 'fr_CA', strength: 2 } }),
  want('c', { l: 1 }, { collation: { locale: 'da' } }, 'l_da'),
  want('c', { 'z': 1, 't': 'text', 'n.x': 'text' }, { weights: { t: 3 }, default_language: 'german' }),
  want('c', { h: 'hashed' }),
  want('c', { g: '2dsphere' }),
  want('c', { d: '2d' }, { bits: 20 }),
  want('c', { 'w.$**': 1 }),
  want('c', { '$**': 1 }, { wildcardProjection: { a: 1 } }),
  want('c', { i: 1 }, { hidden: true }),
  want('other', { x: 1 }),
]

describe('apply', () => {
  test('is followed by an empty plan for every type of index, and doing it again changes nothing', async () => {
    const first = await plan(everyType)
    expect(first.actions).toHaveLength(everyType.length)
    expect((await apply(first)).error).toBeNull()
    expect(await plan(everyType)).toMatchObject({ actions: [], extra: [], inSync: true })
    const again = await apply(first)
    expect(again.outcomes.map(({ outcome }) => outcome)).toEqual(everyType.map(() => 'unchanged'))
  })

  test('in a collection with a collation of its own, a plain index takes it over and is in sync', async () => {
    await db.createCollection('c', { collation: { locale: 'de', strength: 2 } })
    const wanted = [want('c', { a: 1 }), want('c', { b: 1 }, { collation: { locale: 'simple' } })]
    expect((await apply(await plan(wanted))).error).toBeNull()
    expect((await plan(wanted)).inSync).toBe(true)
  })

  test('changes in place what collMod can change', async () => {
    await db.collection('c').createIndex({ e: 1 }, { expireAfterSeconds: 10 })
    await db.collection('c').createIndex({ n: 1 })
    await db.collection('c').createIndex({ h: 1 }, { hidden: true })
    await db.collection('c').createIndex({ u: 1 })
    const before = await db.collection('c').insertOne({ e: new Date(0) })
    const wanted = [
      want('c', { e: 1 }, { expireAfterSeconds: 99 }),
      want('c', { n: 1 }, { expireAfterSeconds: 5 }),
      want('c', { h: 1 }),
      want('c', { u: 1 }, { unique: true }),
    ]
    const first = await plan(wanted)
    expect(first.actions.map(({ kind }) => kind)).toEqual(['modify', 'modify', 'modify', 'modify'])
    const applied = await apply(first)
    expect(applied.error).toBeNull()
    // It tells how many documents the new time removes.
    expect(applied.outcomes.find(({ name }) => name === 'e_1')).toMatchObject({ expires: 1 })
    expect((await plan(wanted)).inSync).toBe(true)
    expect(before.acknowledged).toBe(true)
  })

  test('names duplicates by _id before it builds, and goes on with the others', async () => {
    await db.collection<{ _id: number; [field: string]: unknown }>('c').insertMany([
      { _id: 1, u: 'A', k: 'x' },
      { _id: 2, u: 'a', k: 'x' },
      { _id: 3, u: 'b', k: 'y' },
      { _id: 4, u: 'b', k: 'y' },
      { _id: 5, list: [1, 1] },
      { _id: 6, list: [2] },
    ])
    const wanted = [
      want('c', { u: 1 }, { unique: true, collation: { locale: 'en', strength: 2 }, partialFilterExpression: { k: 'x' } }),
      // The same value twice within one document is none.
      want('c', { list: 1 }, { unique: true, partialFilterExpression: { list: { $exists: true } } }),
      want('c', { k: 1 }),
    ]
    const { outcomes, error } = await apply(await plan(wanted))
    expect(error).toMatchObject({ code: 'duplicates', exitCode: 1 })
    expect(error?.message).toContain('1 and 2')
    // Values are nobody's business.
    expect(error?.message).not.toContain('"a"')
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'done', 'done'])
    expect(outcomes[0]?.duplicates).toEqual({ values: 1, documents: 2, samples: [['1', '2']] })
    expect(await namesOf('c')).toEqual(['_id_', 'k_1', 'list_1'])
  })

  test('takes fields of one array of documents from the same element when it looks for duplicates', async () => {
    await db.collection<{ _id: number; [field: string]: unknown }>('c').insertMany([
      {
        _id: 1,
        parts: [
          { a: 1, b: 1 },
          { a: 2, b: 2 },
        ],
      },
      { _id: 2, parts: [{ a: 1, b: 2 }] },
    ])
    const unique = want('c', { 'parts.a': 1, 'parts.b': 1 }, { unique: true })
    expect(await apply(await plan([unique]))).toMatchObject({ error: null, outcomes: [{ outcome: 'done' }] })
    await db.collection('c').dropIndexes()
    await db.collection<{ _id: number; [field: string]: unknown }>('c').insertOne({ _id: 3, parts: [{ a: 2, b: 2 }] })
    expect((await apply(await plan([unique]))).outcomes[0]?.duplicates?.samples).toEqual([['1', '3']])
    // A place in an array is nothing that can be looked for beforehand.
    expect(await apply(await plan([want('c', { 'parts.0.a': 1 }, { unique: true })]))).toMatchObject({ error: { code: 'duplicates' } })
    expect(await apply(await plan([want('c', { 'parts.0.b': 1, '_id': 1 }, { unique: true })]))).toMatchObject({ error: null })
  })

  test('keeps a time series in sync, whose indexes the server stores by its buckets', async () => {
    await db.createCollection('ts', { timeseries: { timeField: 'at', metaField: 'of' } })
    const wanted = [want('ts', { of: 1 }), want('ts', { 'of.place': 1, 'at': -1 })]
    expect((await apply(await plan(wanted))).error).toBeNull()
    expect(await plan(wanted)).toMatchObject({ actions: [], extra: [], inSync: true })
  })

  test('ended in the middle tells what was done', async () => {
    const controller = new AbortController()
    const { actions } = await plan([want('c', { a: 1 }), want('c', { b: 1 }), want('c', { d: 1 })])
    const emit = (event: ApplyEvent): void => {
      if (event.type === 'action-finished') controller.abort(new Error('stop'))
    }
    const onInterrupt = () => Promise.resolve('leave' as const)
    const applied = await applyActions(
      { db, clock, allowDrop: false, ping: () => database.ping(), emit, onInterrupt },
      actions,
      controller.signal,
    )
    expect(applied).toMatchObject({ error: null, stopped: true, outcomes: [{ name: 'a_1', outcome: 'done' }] })
  })

  test('leaves an index as it was when making it unique in place finds duplicates', async () => {
    await db.collection('c').insertMany([{ u: 1 }, { u: 1 }])
    await db.collection('c').createIndex({ u: 1 })
    expect((await apply(await plan([want('c', { u: 1 }, { unique: true })]))).error).toMatchObject({ code: 'duplicates' })
    await db.collection('c').insertOne({ u: 1 })
    expect((await db.collection('c').indexes())[1]).not.toHaveProperty('prepareUnique')
  })

  test('does not remove without being allowed to', async () => {
    await db.collection('c').createIndex({ a: 1 }, { name: 'mine', sparse: true })
    await db.collection('c').createIndex({ x: 1 })
    const wanted = [want('c', { a: 1 }, {}, 'mine')]
    expect((await apply(await plan(wanted, true))).outcomes.map(({ outcome }) => outcome)).toEqual(['left-out', 'left-out'])
    expect(await namesOf('c')).toEqual(['_id_', 'mine', 'x_1'])
  })

  test.each<readonly [string, Document, Document, CatalogIndex, RegExp]>([
    [
      'under a name that is free, the new one stands first',
      { a: 1 },
      { sparse: true, name: 'old' },
      want('c', { a: 1 }, { partialFilterExpression: { a: 1 } }, 'old'),
      /bridge_old/,
    ],
    ['under the same name, a bridge serves meanwhile', { z: 1 }, { name: 'n' }, want('c', { a: 1, b: 1 }, {}, 'n'), /orx_bridge_n/],
    ['a TTL that goes leaves a bridge meanwhile', { e: 1 }, { expireAfterSeconds: 10_000 }, want('c', { e: 1 }), /orx_bridge_e_1/],
    ['a text index has a gap, and it is said', { t: 'text' }, {}, want('c', { u: 'text' }), /has no index in place of t_text/],
  ])('rebuilds: %s', async (_, key, options, wanted, said) => {
    await db.collection('c').insertOne({ a: 1, e: new Date(), t: 'x' })
    await db.collection('c').createIndex(key, options)
    const first = await plan([wanted])
    expect(first.actions).toMatchObject([{ kind: 'rebuild' }])
    expect((await apply(first, true)).error).toBeNull()
    expect(steps().join('\n')).toMatch(said)
    expect(await plan([wanted])).toMatchObject({ actions: [], extra: [], inSync: true })
    expect(await namesOf('c')).toHaveLength(2)
  })

  test('drops what prune planned, and nothing else', async () => {
    await db.collection('c').createIndex({ a: 1 })
    await db.collection('c').createIndex({ x: 1 })
    await db.collection('other').createIndex({ y: 1 })
    expect((await apply(await plan([want('c', { a: 1 })], true), true)).error).toBeNull()
    expect([await namesOf('c'), await namesOf('other')]).toEqual([
      ['_id_', 'a_1'],
      ['_id_', 'y_1'],
    ])
  })

  test('tells what the server refuses: a 65th index', async () => {
    const many = Array.from({ length: 63 }, (_, position) => ({ key: { [`f${position}`]: 1 as const } }))
    await db.collection('c').createIndexes(many)
    expect((await apply(await plan([want('c', { one: 1 }, {}, 'more')]))).error).toMatchObject({
      code: 'database_failed',
      message: expect.stringContaining('cannot create the index') as string,
      hint: expect.stringContaining('64') as string,
    })
  })

  test('by two at once builds each index once', async () => {
    await db.collection('c').insertMany(Array.from({ length: 20_000 }, (_, a) => ({ a, b: a % 7 })))
    const wanted = [want('c', { a: 1 }), want('c', { b: 1, a: 1 })]
    const planned = await plan(wanted)
    const both = await Promise.all([apply(planned), apply(planned)])
    expect(both.map(({ error }) => error)).toEqual([null, null])
    expect((await plan(wanted)).inSync).toBe(true)
  })
})

test('what is pulled is a catalog that is in sync with where it came from', async () => {
  await apply(await plan(everyType))
  const pulled = parseCatalog(writeCatalog(catalogOf(await readLive(db, null, never))), 'pulled')
  expect(await plan(pulled.indexes)).toMatchObject({ actions: [], extra: [], renamed: [], inSync: true })
})

describe('verify', () => {
  const users = 500
  const path = (
    name: string,
    index: string,
    filter: Document,
    more: Partial<CatalogPath> & { sort?: Document; limit?: number } = {},
  ): CatalogPath => ({
    name,
    collection: 'c',
    index,
    params: { user: { field: 'user', fallback: 0 } },
    query: {
      kind: 'find',
      build: ({ user }) => ({
        filter: Object.fromEntries(Object.entries(filter).map(([field, value]) => [field, value === '$$user' ? user : value])),
        ...(more.sort && { sort: more.sort }),
        limit: more.limit ?? 20,
      }),
    },
    ...(more.covered && { covered: more.covered }),
    ...(more.limitMs && { limitMs: more.limitMs }),
    ...(more.params && { params: more.params }),
  })
  const verify = async (catalog: Catalog, gain: boolean | 'where-data' = true): Promise<Verification> => {
    const live = await readLive(db, null, never)
    return verifyPaths({ db, clock, gain, onPath: () => undefined }, catalog, live, planIndexes(catalog, live, { prune: false }), never)
  }
  beforeEach(async () => {
    await db.collection('c').insertMany(Array.from({ length: 10_000 }, (_, at) => ({ user: at % users, at, kind: at % 3, text: `${at}` })))
    await db.collection('c').createIndexes([
      { key: { user: 1, at: -1 }, name: 'user_1_at_-1' },
      { key: { kind: 1 }, name: 'kind_1' },
    ])
  })
  const userIndex = want('c', { user: 1, at: -1 })
  const kindIndex = want('c', { kind: 1 })

  test('proves a path: its index, what it examines, and the gain over none', async () => {
    const { paths, ok } = await verify({
      indexes: [userIndex],
      paths: [path('newest', 'user_1_at_-1', { user: '$$user' }, { sort: { at: -1 }, limit: 10 })],
    })
    expect(ok).toBe(true)
    expect(paths[0]).toMatchObject({
      verdict: 'ok',
      index: 'user_1_at_-1',
      keysExamined: 10,
      docsExamined: 10,
      returned: 10,
      inMemorySort: false,
      baseline: { docsExamined: 10_000 },
      gainPercent: expect.closeTo(99.9, 5) as number,
    })
    expect(paths[0]?.latencyMs?.samples).toBeGreaterThanOrEqual(100)
  })

  test('accepts an index under another name', async () => {
    const renamed = { ...userIndex, name: 'mine' }
    const { indexes, paths } = await verify({ indexes: [renamed], paths: [path('p', 'mine', { user: '$$user' })] })
    expect(indexes[0]).toMatchObject({ state: 'renamed' })
    expect(paths[0]).toMatchObject({ verdict: 'ok', index: 'user_1_at_-1' })
  })

  test.each<readonly [string, CatalogPath, string, RegExp]>([
    ['a scan', path('p', 'user_1_at_-1', { text: 'x' }), 'collscan', /whole collection/],
    ['another index', path('p', 'user_1_at_-1', { kind: 1 }), 'wrong-index', /kind_1 instead of user_1_at_-1/],
    ['a sort in memory', path('p', 'user_1_at_-1', { user: '$$user' }, { sort: { text: 1 } }), 'sort', /sorts in memory/],
    ['a gain that is too low', path('p', 'kind_1', { kind: 1, text: 'none' }), 'low-gain', /examines 3333 of 10000/],
    [
      'documents that should not be read',
      path('p', 'user_1_at_-1', { user: '$$user' }, { covered: true }),
      'low-gain',
      /although its index holds/,
    ],
    ['a collection that is not there', { ...path('p', 'user_1_at_-1', {}), collection: 'none' }, 'not-checked', /no collection none/],
    ['a query that the server refuses', path('p', 'user_1_at_-1', { $wrong: 1 }), 'not-checked', /unknown top level operator/],
  ])('finds %s', async (_, wrong, verdict, reason) => {
    const { paths, ok } = await verify({ indexes: [userIndex, kindIndex], paths: [wrong] })
    expect(paths[0]).toMatchObject({ verdict, reason: expect.stringMatching(reason) as string })
    expect(ok).toBe(false)
  })

  test('holds a path to its limit of time as soon as the database is large, whatever the size of its own collection', async () => {
    const slow = { user: '$$user', $where: 'sleep(25) || true' }
    const limited = path('p', 'user_1_at_-1', slow, { limit: 1, limitMs: { p99: 12 } })
    const impossible = path('r', 'user_1_at_-1', { user: '$$user' }, { limitMs: { p99: 0.000_1 } })
    const other = { ...path('q', '_id_', { _id: 0 }, { params: {} }), collection: 'big' }
    const catalog = { indexes: [userIndex], paths: [limited, impossible, other] }
    const verdicts = async (): Promise<readonly string[]> => (await verify(catalog, false)).paths.map(({ verdict }) => verdict)
    expect((await verdicts()).slice(0, 2)).toEqual(['ok', 'ok'])
    for (let at = 0; at < 10; at += 1) await db.collection('big').insertMany(Array.from({ length: 10_000 }, () => ({})))
    // A limit that a bare round trip does not keep to says nothing of a path.
    expect((await verdicts()).slice(0, 2)).toEqual(['slow', 'not-checked'])
  })

  test('tells the gain in time beside the one in documents, and takes parameters where most documents were deleted', async () => {
    await db.collection('c').deleteMany({ at: { $gte: 1_000 } })
    const { paths } = await verify({ indexes: [userIndex], paths: [path('p', 'user_1_at_-1', { user: '$$user' }, { sort: { at: -1 } })] })
    expect(paths[0]).toMatchObject({ verdict: 'ok', latencyGainPercent: expect.any(Number) as number })
  })

  test('that is ended in the middle tells what it has proven, and nothing of the rest', async () => {
    const controller = new AbortController()
    const live = await readLive(db, null, never)
    const both = [path('p', 'user_1_at_-1', { user: '$$user' }), path('q', 'user_1_at_-1', { user: '$$user' })]
    const catalog = { indexes: [userIndex], paths: both }
    const onPath = (_: string, position: number): void => {
      if (position === 2) controller.abort(new Error('stop'))
    }
    const planned = planIndexes(catalog, live, { prune: false })
    const { paths, ok } = await verifyPaths({ db, clock, gain: false, onPath }, catalog, live, planned, controller.signal)
    expect([ok, ...paths.map(({ verdict }) => verdict)]).toEqual([false, 'ok', 'not-checked'])
  })

  test('says that data are too few to prove a gain, which is no shortcoming where only plans count', async () => {
    await db.collection('c').deleteMany({ at: { $gt: 100 } })
    const few = { indexes: [kindIndex], paths: [path('p', 'kind_1', { kind: 1 })] }
    expect((await verify(few)).paths[0]).toMatchObject({
      verdict: 'not-checked',
      reason: expect.stringContaining('too little data') as string,
    })
    expect((await verify(few, 'where-data')).paths[0]).toMatchObject({ verdict: 'ok' })
    expect((await verify(few, false)).paths[0]).toMatchObject({ verdict: 'ok', baseline: null, gainPercent: null })
    await db.collection('c').deleteMany({})
    const sampled = { ...few, paths: [path('p', 'kind_1', { kind: '$$user' }, { params: { user: { field: 'kind', fallback: 1 } } })] }
    expect((await verify(sampled)).paths[0]).toMatchObject({ verdict: 'not-checked' })
    expect((await verify(sampled, false)).paths[0]).toMatchObject({ verdict: 'ok' })
  })

  test('finds a join that scans the other collection', async () => {
    await db.collection('other').insertMany(Array.from({ length: 200 }, (_, key) => ({ key, plain: key })))
    await db.collection('other').createIndex({ key: 1 })
    const joined = (name: string, foreignField: string): CatalogPath => ({
      ...path(name, 'user_1_at_-1', {}),
      query: {
        kind: 'aggregate',
        build: ({ user }) => [{ $match: { user } }, { $lookup: { from: 'other', localField: 'at', foreignField, as: 'found' } }],
      },
    })
    const { paths } = await verify({ indexes: [userIndex], paths: [joined('good', 'key'), joined('bad', 'plain')] }, false)
    expect(paths.map(({ verdict }) => verdict)).toEqual(['ok', 'collscan'])
  })

  test('names indexes that are missing, hidden or different', async () => {
    await db.collection('c').createIndex({ h: 1 }, { hidden: true })
    const { indexes } = await verify({
      indexes: [want('c', { m: 1 }), want('c', { h: 1 }), want('c', { kind: 1 }, { sparse: true })],
      paths: [],
    })
    expect(indexes.map(({ state }) => state)).toEqual(['missing', 'hidden', 'different'])
  })

  test('writes nothing and prints no parameter', async () => {
    const before = await db.stats()
    const verification = await verify({ indexes: [userIndex], paths: [path('p', 'user_1_at_-1', { user: '$$user' })] })
    const after = await db.stats()
    expect([after['objects'], after['indexes'], after['collections']]).toEqual([
      before['objects'],
      before['indexes'],
      before['collections'],
    ])
    expect(JSON.stringify(verification)).not.toContain('"user"')
  })
})

describe('stats and retire', () => {
  test('count the use of each index since it was made, and a hidden one soaks from when it was hidden', async () => {
    await db.collection('c').insertMany([{ a: 1 }, { a: 2 }])
    await db.collection('c').createIndex({ a: 1 })
    await db.collection('c').find({ a: 1 }).toArray()
    const usageNow = async () => readUsage({ db, uri: mongod.uri, appName: 'orx-test', clock }, await readLive(db, null, never), never)
    const usage = await usageNow()
    expect(usage).toMatchObject({ notChecked: [], indexes: [{ collection: 'c', name: 'a_1', ops: 1, hidden: false }] })
    expect(usage.indexes[0]?.sizeBytes).toBeGreaterThan(0)

    const step = async (catalog: readonly CatalogIndex[], soakMs: number) => {
      const live = await readLive(db, null, never)
      const [index] = live.collections.get('c')?.indexes ?? []
      const current = await usageNow()
      const use = current.indexes[0] ?? null
      if (index === undefined) throw new Error('no index')
      return nextStep({ index, use, usage: current, catalog: { indexes: catalog, paths: [] }, soakMs, nowMs: clock.now() })
    }
    await expect(step([want('c', { a: 1 })], 0)).rejects.toMatchObject({ code: 'usage' })
    const hide = await step([], 60_000)
    if (hide.step !== 'hide') throw new Error(hide.step)
    expect((await apply({ actions: [hide.action] })).error).toBeNull()
    expect(await step([], 60_000)).toMatchObject({ step: 'soaking' })
    const drop = await step([], 0)
    if (drop.step !== 'drop') throw new Error(drop.step)
    expect((await apply({ actions: [drop.action] }, true)).error).toBeNull()
    expect(await namesOf('c')).toEqual(['_id_'])
  })
})
