import { MongoClient, ObjectId, type Db, type Document } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { foldRun } from '../../orchestration/fold.ts'
import type { RunEvent } from '../../orchestration/events.ts'
import { runAggregate, runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { readRunEvents, readThread, resultOfThread } from './readRun.ts'
import { makeRecorder, type Recorder } from './recorder.ts'
import { sampleRun } from './sampleRun.testkit.ts'

const { clock } = makeIo(process, '').runtime
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const never = new AbortController().signal

let mongod: TestMongod
let client: MongoClient
let db: Db
let count = 0

beforeAll(async () => {
  mongod = await startTestMongod()
})
afterAll(() => mongod.stop())
beforeEach(async () => {
  client = await new MongoClient(mongod.uri).connect()
  count += 1
  db = client.db(`record_${count}`)
})
afterEach(() => client.close())

const newRecorder = (): Recorder => makeRecorder({ db, clock, fold: foldRun })
const newSession = (id: string) => ({ id, userId: 'local', maxIterations: 5, settings: { threshold: 8 }, simulated: false })
const without = (events: readonly RunEvent[]): readonly RunEvent[] => events.filter(({ type }) => type !== 'call-texted')

async function countAll(): Promise<Readonly<Record<string, number>>> {
  const names = (await db.listCollections().toArray()).map(({ name }) => name)
  const counts = await Promise.all(names.map(async (name) => [name, await db.collection(name).countDocuments()] as const))
  return Object.fromEntries(counts)
}

describe('the record of a run', () => {
  test('says what the terminal says', async () => {
    const sessionId = new ObjectId()
    const threadId = new ObjectId()
    const events = sampleRun({ sessionId: sessionId.toHexString(), threadId: threadId.toHexString() })
    const recorder = newRecorder()
    recorder.openSession(newSession(sessionId.toHexString()))
    const run = recorder.run()
    for (const event of events) run.listen(event)
    expect(await run.flush()).toEqual({ persisted: true })
    recorder.closeSession(sessionId.toHexString(), 'completed')
    expect(await recorder.flush()).toEqual({ persisted: true })

    const result = foldRun(events)
    const thread = await readThread(db, result.id, never)
    if (thread === null) throw new Error('expected the thread to be there')
    expect(resultOfThread(thread)).toEqual(result)
    expect(thread).toMatchObject({
      _id: threadId,
      session_id: sessionId,
      original_prompt: result.prompt,
      domain: result.domain,
      complexity_level: result.complexity,
      thread_status: 'completed',
      current_iteration: result.iterationsUsed,
      best_model_id: result.model,
      final_response: result.finalResponse,
      final_quality_score: result.qualityScore,
      stop_reason: result.stopReason,
      total_tokens_used: result.usage.inputTokens + result.usage.outputTokens,
      total_cost: result.usage.costUsd,
      total_time_ms: result.timing.totalMs,
    })

    const responses = await runFind(db, queryPaths.responsesOfThread, { threadId })
    expect(responses).toHaveLength(result.attempts.length)
    expect(responses.filter(({ is_selected_best }) => is_selected_best).map(({ _id, response_text }) => [_id, response_text])).toEqual([
      [thread.best_response_id, result.finalResponse],
    ])
    expect(responses.map(({ model_name, role, status }) => `${model_name} ${role} ${status}`).toSorted()).toEqual(
      result.attempts.map(({ model, role, outcome }) => `${model} ${role} ${outcome}`).toSorted(),
    )

    const analytics = await runAggregate(db, queryPaths.sessionAnalytics, { sessionId })
    const costOf = (model: string): number =>
      result.attempts.filter((attempt) => attempt.model === model).reduce((sum, { costUsd }) => sum + (costUsd ?? 0), 0)
    for (const { _id: model, total_cost } of analytics) expect(total_cost).toBeCloseTo(costOf(model), 10)
    expect(analytics.map(({ total_cost }) => total_cost)).toEqual(analytics.map(({ total_cost }) => total_cost).toSorted((a, b) => b - a))
    expect(analytics.reduce((sum, { total_tokens }) => sum + total_tokens, 0)).toBe(result.usage.inputTokens + result.usage.outputTokens)

    const [session] = await runFind(db, queryPaths.sessionById, { sessionId })
    expect(session).toMatchObject({
      user_id: 'local',
      status: 'completed',
      total_cost: result.usage.costUsd,
      max_iterations: 5,
      simulated: false,
    })
    expect(session?.session_end).toBeInstanceOf(Date)

    const evaluations = await runFind(db, queryPaths.evaluationsOfThread, { threadId })
    expect(
      evaluations.map(({ evaluator_model, overall_score, evaluated_model }) => [evaluator_model, overall_score, evaluated_model]),
    ).toEqual([
      ['anthropic/two', 7, 'openai/one'],
      ['anthropic/two', 8, 'openai/one'],
      ['xai/three', 8, 'openai/one'],
    ])
    expect(await runFind(db, queryPaths.criticismOfThread, { threadId })).toMatchObject([
      { improvement_score: 1, responding_model: 'openai/one' },
    ])
    expect(await runFind(db, queryPaths.selectionsOfThread, { threadId })).toHaveLength(2)
  })

  test('keeps token counts as whole numbers of the database', async () => {
    const sessionId = new ObjectId().toHexString()
    const recorder = newRecorder()
    const run = recorder.run()
    for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString() })) run.listen(event)
    await run.flush()
    const whole = { tokens_used: { $type: 'int' }, input_tokens: { $type: 'int' }, output_tokens: { $type: 'int' } }
    expect(await db.collection('model_responses').countDocuments(whole)).toBe(await db.collection('model_responses').countDocuments())
  })

  test('that is written twice is there once', async () => {
    const events = sampleRun({ sessionId: new ObjectId().toHexString(), threadId: new ObjectId().toHexString() })
    const counts: Readonly<Record<string, number>>[] = []
    for (let time = 0; time < 2; time += 1) {
      const run = newRecorder().run()
      for (const event of events) run.listen(event)
      expect(await run.flush()).toEqual({ persisted: true })
      counts.push(await countAll())
    }
    expect(counts[1]).toEqual(counts[0])
  })

  test('gives the same events again', async () => {
    const events = sampleRun({ sessionId: new ObjectId().toHexString(), threadId: new ObjectId().toHexString() })
    const run = newRecorder().run()
    for (const event of events) run.listen(event)
    await run.flush()
    const thread = await readThread(db, 'run-1', never)
    if (thread === null) throw new Error('expected the thread to be there')
    expect(await readRunEvents(db, thread, never)).toEqual(without(events))
  })

  test('of several runs in one session books their sum on it', async () => {
    const sessionId = new ObjectId()
    const recorder = newRecorder()
    recorder.openSession(newSession(sessionId.toHexString()))
    const runs = [1, 2, 3].map((salt) => ({
      record: recorder.run(),
      events: sampleRun({ sessionId: sessionId.toHexString(), threadId: new ObjectId().toHexString(), salt, iterations: salt }),
    }))
    for (const { record, events } of runs) for (const event of events) record.listen(event)
    expect(await Promise.all(runs.map(({ record }) => record.flush()))).toEqual(runs.map(() => ({ persisted: true })))
    const [session] = await runFind(db, queryPaths.sessionById, { sessionId })
    expect(session?.total_cost).toBeCloseTo(
      runs.reduce((sum, { events }) => sum + (foldRun(events).usage.costUsd ?? 0), 0),
      10,
    )
  })

  test('asks for a majority with every write, and sends a run in few commands', async () => {
    const watched = await new MongoClient(mongod.uri, { monitorCommands: true }).connect()
    const writes: Document[] = []
    watched.on('commandStarted', ({ commandName, command }) => {
      if (['insert', 'update'].includes(commandName)) writes.push(command)
    })
    const sessionId = new ObjectId().toHexString()
    const recorder = makeRecorder({ db: watched.db(db.databaseName), clock, fold: foldRun })
    recorder.openSession(newSession(sessionId))
    const run = recorder.run()
    for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString() })) run.listen(event)
    await run.flush()
    await watched.close()
    expect(writes.length).toBeGreaterThan(5)
    expect(writes.length).toBeLessThanOrEqual(12)
    expect(writes.map(({ writeConcern }) => (writeConcern as Document | undefined)?.['w'])).toEqual(writes.map(() => 'majority'))
  })
})

describe('a database that dies', () => {
  test('in the middle and comes back has every document once', async () => {
    const sessionId = new ObjectId().toHexString()
    const runs = Array.from({ length: 20 }, (_, salt) =>
      sampleRun({ sessionId, threadId: new ObjectId().toHexString(), salt, runId: `r${salt}` }),
    )
    // Without the driver's own retry, which would hide ours.
    const plain = await new MongoClient(mongod.uri, { retryWrites: false }).connect()
    const recorder = makeRecorder({ db: plain.db(db.databaseName), clock, fold: foldRun, flushMs: 20_000 })
    recorder.openSession(newSession(sessionId))
    const records = runs.map((events) => ({ events, record: recorder.run() }))
    let restarted: Promise<void> | undefined
    for (let index = 0; index < 60; index += 1) {
      for (const { events, record } of records) {
        const event = events[index]
        if (event !== undefined) record.listen(event)
      }
      await pause(3)
      if (index === 10) restarted = mongod.kill().then(() => mongod.start())
    }
    await restarted
    // However long a busy machine takes to connect again: what is proven is that nothing is lost or there twice.
    await plain.db('admin').command({ ping: 1 })
    expect(await Promise.all(records.map(({ record }) => record.flush()))).toEqual(records.map(() => ({ persisted: true })))
    await plain.close()
    expect(restarted).toBeDefined()
    const expected = await countAll()
    const perRun = sampleRun({ sessionId, threadId: new ObjectId().toHexString() })
    expect(expected).toEqual({
      conversation_threads: 20,
      criticism_responses: 20,
      model_evaluations: 60,
      model_responses: 20 * foldRun(perRun).attempts.length,
      model_selection_history: 40,
      orchestration_logs: 20 * without(perRun).length,
      user_sessions: 1,
    })
    expect(await db.collection('conversation_threads').countDocuments({ thread_status: 'completed' })).toBe(20)
  })

  test('and stays dead is told within the bound, and every flush after it at once', async () => {
    const recorder = newRecorder()
    const sessionId = new ObjectId().toHexString()
    recorder.openSession(newSession(sessionId))
    expect(await recorder.flush()).toEqual({ persisted: true })
    await mongod.kill()
    try {
      const run = recorder.run()
      for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString() })) run.listen(event)
      const fromMs = performance.now()
      const first = await run.flush()
      expect(first.persisted).toBe(false)
      expect(first.problem?.code).toBe('database_unreachable')
      expect(performance.now() - fromMs).toBeLessThan(5_000)
      const againMs = performance.now()
      expect((await recorder.flush()).persisted).toBe(false)
      expect(performance.now() - againMs).toBeLessThan(1_500)
    } finally {
      await mongod.start()
    }
  })

  test('or freezes is told within the bound, and what it missed is written when it answers again', async () => {
    const recorder = newRecorder()
    const sessionId = new ObjectId().toHexString()
    recorder.openSession(newSession(sessionId))
    await recorder.flush()
    const run = recorder.run()
    mongod.freeze()
    try {
      for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString() })) run.listen(event)
      const fromMs = performance.now()
      const recorded = await run.flush()
      expect(recorded.persisted).toBe(false)
      expect(recorded.problem?.code).toBe('database_unreachable')
      expect(performance.now() - fromMs).toBeLessThan(5_000)
    } finally {
      mongod.thaw()
    }
    await expect.poll(async () => (await run.flush()).persisted, { timeout: 20_000 }).toBe(true)
    expect(await db.collection('conversation_threads').countDocuments({ thread_status: 'completed' })).toBe(1)
  })

  test('a document that it refuses costs its own run alone', async () => {
    await db.createCollection('model_evaluations', { validator: { criticism: { $ne: 'refused' } } })
    const sessionId = new ObjectId().toHexString()
    const recorder = newRecorder()
    const spoilt = recorder.run()
    const fine = recorder.run()
    for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString(), salt: 1 })) {
      spoilt.listen(event.type === 'answer-judged' ? { ...event, judgement: { ...event.judgement, criticism: 'refused' } } : event)
    }
    for (const event of sampleRun({ sessionId, threadId: new ObjectId().toHexString(), salt: 2 })) fine.listen(event)
    const recorded = await spoilt.flush()
    expect(recorded).toMatchObject({ persisted: false, problem: { code: 'database_failed' } })
    expect(await fine.flush()).toEqual({ persisted: true })
  })
})
