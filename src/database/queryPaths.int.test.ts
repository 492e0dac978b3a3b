import { MongoClient, ObjectId, type Db, type Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '../core/runtime.ts'
import { makeIo } from '../io.ts'
import { foldRun } from '../orchestration/fold.ts'
import { runAggregate, runFind, type AggregatePath, type FindPath } from './queryPath.ts'
import { queryPaths } from './queryPaths.ts'
import { startTestMongod, type TestMongod } from './embedded/mongod.testkit.ts'
import { applyActions } from './indexes/apply.ts'
import { readLive } from './indexes/live.ts'
import { ownCatalog } from './indexes/ownCatalog.ts'
import { planIndexes } from './indexes/plan.ts'
import { readModelHistory } from './record/modelHistory.ts'
import { ensureRecordIndexes } from './record/recordIndexes.ts'
import { makeRecorder } from './record/recorder.ts'
import { sampleRun } from './record/sampleRun.testkit.ts'

const clock: Clock = { ...makeIo(process, '').runtime.clock, now: () => 1_790_000_100_000 }
const never = new AbortController().signal
const sessionId = new ObjectId()
const threadId = new ObjectId()
const now = new Date(1_790_000_100_000)

let mongod: TestMongod
let client: MongoClient
let db: Db

beforeAll(async () => {
  mongod = await startTestMongod()
  client = await new MongoClient(mongod.uri, { monitorCommands: true }).connect()
  db = client.db('paths')
  const recorder = makeRecorder({ db, clock, fold: foldRun })
  for (let salt = 0; salt < 30; salt += 1) {
    const session = salt < 25 ? sessionId : new ObjectId()
    recorder.openSession({
      id: session.toHexString(),
      userId: salt < 25 ? 'local' : 'other',
      maxIterations: 5,
      settings: {},
      simulated: false,
    })
    const run = recorder.run()
    const thread = salt === 0 ? threadId : new ObjectId()
    const startedAtMs = 1_790_000_000_000 + salt * 1_000
    for (const event of sampleRun({ sessionId: session.toHexString(), threadId: thread.toHexString(), salt, startedAtMs }))
      run.listen(event)
  }
  expect(await recorder.flush()).toEqual({ persisted: true })
  await db.collection('model_attempts').insertMany(
    ['ok', 'ok', 'ok', 'error', 'unsent', 'intended', 'aborted'].map((state, index) => ({
      step: `step/${index}`,
      state,
      model_name: 'openai/one',
      latency_ms: state === 'ok' ? 100 * (index + 1) : null,
      cost_usd: index === 2 ? null : 0.01,
      simulated: false,
      created_at: now,
    })),
  )
  await db
    .collection('model_attempts')
    .insertOne({ step: 's', state: 'ok', model_name: 'simulated/fast', latency_ms: 5, simulated: true, created_at: now })
  await ensureRecordIndexes(db, never)
  await db.collection('algorithm_metrics').insertOne({ time_period: 'day', simulated: false, metric_date: now, model_name: 'openai/one' })
  await db.collection('bench_runs').insertOne({ created_at: now })
  const actions = planIndexes(ownCatalog, await readLive(db, null, never), { prune: false }).actions
  const options = {
    db,
    clock,
    allowDrop: false,
    ping: () => Promise.resolve(),
    emit: () => undefined,
    onInterrupt: () => Promise.resolve('leave' as const),
  }
  expect((await applyActions(options, actions, never)).error).toBeNull()
})
afterAll(async () => {
  await client.close()
  await mongod.stop()
})

/** Parameters for every path; a path without them does not compile. */
const params = {
  sessionsOfUser: { userId: 'local' },
  sessionsOfUsers: { lists: [{ userId: 'local' }, { userId: 'another' }] },
  sessionsByStatus: { status: 'active' },
  sessionById: { sessionId },
  sessionsById: { sessionIds: [sessionId, new ObjectId()] },
  threadsOfSession: { sessionId },
  threadsOfSessions: { lists: [{ sessionId }, { sessionId: new ObjectId(), limit: 3, before: now }] },
  threadsOfDomain: { domain: 'code' },
  recentRuns: {},
  runById: { runId: 'run-3' },
  threadById: { threadId },
  threadsById: { threadIds: [threadId, new ObjectId()] },
  responsesOfThread: { threadId },
  responsesOfModel: { model: 'openai/one', before: now },
  evaluationsOfThread: { threadId },
  criticismOfThread: { threadId },
  selectionsOfThread: { threadId },
  logOfThread: { threadId, started: new Date(1_790_000_000_007) },
  lastLogOfThread: { threadId },
  sessionAnalytics: { sessionId },
  sessionsAnalytics: { sessionIds: [sessionId] },
  analyticsOfEachSession: { sessionIds: [sessionId, new ObjectId()] },
  responsesOfPeriod: { from: new Date(1_790_000_000_000), to: now },
  analyticsByDay: { since: new Date(0), simulated: false },
  unfinishedRuns: {},
  runsWithWords: { words: 'commit' },
  benchRuns: {},
  benchRunById: { id: threadId },
  costOfSession: { sessionId },
  answerOfStep: { step: 'step/0' },
  spentOnThread: { threadId: 'step' },
  measuredModels: { simulated: false, since: new Date(0) },
  cachedAnswers: { ids: ['key', 'other key'], simulated: false, now },
  meta: { id: 'record_indexes' },
} as const satisfies { readonly [Name in keyof typeof queryPaths]: Parameters<(typeof queryPaths)[Name]['build']>[0] }

/** Every stage and index that an explained plan names, however deep. */
function namesIn(plan: unknown): readonly string[] {
  if (Array.isArray(plan)) return plan.flatMap(namesIn)
  if (typeof plan !== 'object' || plan === null) return []
  return Object.entries(plan).flatMap(([key, value]) => {
    if (key === 'rejectedPlans') return []
    return typeof value === 'string' && (key === 'stage' || key === 'indexName') ? [value] : namesIn(value)
  })
}

describe.each(Object.keys(queryPaths) as (keyof typeof queryPaths)[])('%s', (name) => {
  test('is served by its index, scans no collection and sorts by the index', async () => {
    const path = queryPaths[name] as FindPath<unknown, unknown> | AggregatePath<unknown, unknown>
    let plan: Document
    if (path.kind === 'find') {
      const { filter, projection, sort, limit } = path.build(params[name])
      const cursor = db.collection(path.collection).find(filter, { limit, ...(projection && { projection }), ...(sort && { sort }) })
      plan = await cursor.explain('queryPlanner')
    } else {
      plan = await db.collection(path.collection).aggregate(path.build(params[name])).explain('queryPlanner')
    }
    const names = namesIn(plan)
    expect(names).not.toContain('COLLSCAN')
    expect(names).not.toContain('SORT')
    if (path.index === '_id_') expect(names.some((found) => found === 'IDHACK' || found === '_id_')).toBe(true)
    else expect(names).toContain(path.index)
  })

  test('has a bound whatever it is asked', () => {
    const path = queryPaths[name] as FindPath<unknown, unknown> | AggregatePath<unknown, unknown>
    const greedy = { ...params[name], limit: 1_000_000 }
    if (path.kind === 'find') {
      expect(path.build(greedy).limit).toBeGreaterThanOrEqual(1)
      expect(path.build(greedy).limit).toBeLessThanOrEqual(10_000)
    } else {
      const text = JSON.stringify(path.build(greedy))
      expect(text.includes('"$limit"') || text.includes('"_id":null')).toBe(true)
    }
  })
})

test('the sessions of a user come newest first, 20 of them, with three fields', async () => {
  const started = Array.from({ length: 25 }, (_, index) => new Date(1_780_000_000_000 + index * 1_000))
  await db.collection('user_sessions').insertMany(
    started.map((at) => ({
      user_id: 'many',
      session_start: at,
      created_at: at,
      status: 'completed',
      total_cost: 1,
      settings: { secret: 1 },
    })),
  )
  const rows = await runFind(db, queryPaths.sessionsOfUser, { userId: 'many' })
  expect(rows.map(({ session_start }) => session_start)).toEqual(started.toReversed().slice(0, 20))
  expect(Object.keys(rows[0] ?? {}).toSorted()).toEqual(['_id', 'session_start', 'status', 'total_cost'])
  const next = await runFind(db, queryPaths.sessionsOfUser, { userId: 'many', before: started[5] ?? now })
  expect(next.map(({ session_start }) => session_start)).toEqual(started.slice(0, 5).toReversed())
})

test('the analytics of a session are by model, the dearest first', async () => {
  const rows = await runAggregate(db, queryPaths.sessionAnalytics, { sessionId })
  expect(rows.map(({ _id, count }) => [_id, count])).toEqual([
    ['openai/one', 75],
    ['anthropic/two', 50],
    ['xai/three', 50],
  ])
  expect(rows[0]?.total_cost).toBeCloseTo(25 * 0.003, 10)
})

test('an aborted query rejects with the reason', async () => {
  const controller = new AbortController()
  controller.abort(new Error('enough'))
  await expect(runFind(db, queryPaths.recentRuns, {}, controller.signal)).rejects.toThrow('enough')
})

test('what was measured of models leaves out what never left, and what is simulated', async () => {
  const real = await readModelHistory(db, clock, false, never)
  expect(real.get('openai/one')).toEqual({
    calls: 4,
    successRate: 0.75,
    qualityScore: expect.closeTo(23 / 3, 5),
    latencyMs: 200,
    costUsd: expect.closeTo(0.01, 9),
    byDomain: { code: { verdicts: 90, qualityScore: expect.closeTo(23 / 3, 5) } },
  })
  expect(real.has('simulated/fast')).toBe(false)
  expect((await readModelHistory(db, clock, true, never)).get('simulated/fast')).toEqual({
    calls: 1,
    successRate: 1,
    qualityScore: null,
    latencyMs: 5,
    costUsd: null,
    byDomain: {},
  })
})

test('what a run writes is taken by a database that has every index of the catalog', async () => {
  const recorder = makeRecorder({ db, clock, fold: foldRun })
  const session = new ObjectId().toHexString()
  recorder.openSession({ id: session, userId: 'after', maxIterations: 5, settings: {}, simulated: false })
  const run = recorder.run()
  const events = sampleRun({ sessionId: session, threadId: new ObjectId().toHexString(), salt: 99, startedAtMs: 1_790_000_000_000 })
  for (const event of events) run.listen(event)
  expect(await recorder.flush()).toEqual({ persisted: true })
})

describe('the indexes of the record', () => {
  test('are made once, and then cost one read', async () => {
    const commands: string[] = []
    client.on('commandStarted', ({ commandName }) => commands.push(commandName))
    await ensureRecordIndexes(db, never)
    expect(commands).toEqual(['find'])
  })

  test('leave alone what somebody has made otherwise, and make the others', async () => {
    const other = client.db('paths_conflict')
    await other.collection('orchestration_logs').createIndex({ expires: 1 }, { name: 'expires_1', expireAfterSeconds: 60 })
    await ensureRecordIndexes(other, never)
    const names = (await other.collection('orchestration_logs').indexes()).map(({ name, expireAfterSeconds }) => [name, expireAfterSeconds])
    expect(names).toEqual([
      ['_id_', undefined],
      ['expires_1', 60],
      ['thread_id_1_run_started_1_seq_1', undefined],
    ])
  })
})
