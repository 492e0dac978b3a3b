import { setMaxListeners } from 'node:events'
import { MongoClient, ObjectId, type Db } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { OrxError } from '../../core/errors.ts'
import { makeIo } from '../../io.ts'
import { stepKey, type Attempt, type AttemptResult, type Step } from '../../models/call.ts'
import { collectionOf } from '../documents.ts'
import { makeLedger, noLedger, type RunLedger } from './ledger.ts'
import { startTestMongod, type TestMongod } from '../embedded/mongod.testkit.ts'
import { gatherWith } from '../../system.ts'

const { clock } = makeIo(process, '').runtime
const never = new AbortController().signal
// Many calls wait on it at once, which is no leak here.
setMaxListeners(0, never)

let mongod: TestMongod
let client: MongoClient
let db: Db
let count = 0
let losses: OrxError[]

beforeAll(async () => {
  mongod = await startTestMongod({ testCommands: true })
})
afterAll(() => mongod.stop())
beforeEach(async () => {
  client = await new MongoClient(mongod.uri, { monitorCommands: true }).connect()
  count += 1
  db = client.db(`ledger_${count}`)
  losses = []
})
afterEach(() => client.close())

function newLedger(degrade = true): RunLedger {
  return makeLedger({ db, clock, gather: gatherWith(clock), stepKey, degrade, onLost: (problem) => losses.push(problem) })
}

const threadId = new ObjectId().toHexString()
const newStep = (sample = 0): Step => ({ threadId, iteration: 1, role: 'primary', model: 'openai/one', sample })

function newAttempt(step: Step = newStep()): Attempt {
  return {
    id: new ObjectId().toHexString(),
    runId: 'run',
    step,
    tryNumber: 1,
    provider: 'openai',
    request: { model: 'one', messages: [{ role: 'user', content: 'Why?' }], maxTokens: 100, stream: false },
    simulated: false,
    price: { inputPerMillion: 1, outputPerMillion: 2 },
    inputTokensAtMost: 14,
    costAtMostUsd: 0.0002,
    createdAtMs: clock.now(),
  }
}

const usage = { inputTokens: 4, outputTokens: 5, cachedInputTokens: 0, estimated: false }
const answer = { text: 'Because.', model: 'one-2026', finishReason: 'stop', usage, firstTextMs: null, rateLimit: null } as const
const good: AttemptResult = { outcome: 'ok', answer, usage, costUsd: 0.00001, errorCode: null, errorMessage: null, latencyMs: 12 }

const entryOf = (id: string) => collectionOf(db, 'model_attempts').findOne({ _id: new ObjectId(id) }, { readConcern: 'majority' })

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const fromMs = performance.now()
  await work.catch(() => undefined)
  return performance.now() - fromMs
}

describe('the ledger', () => {
  test('has an intent durable before the call leaves, and its outcome after', async () => {
    const ledger = newLedger()
    const attempt = newAttempt()
    const ticket = await ledger.enter(attempt, never)
    expect(await entryOf(attempt.id)).toMatchObject({
      step: stepKey(attempt.step),
      state: 'intended',
      cost_usd: 0.0002,
      request: { messages: [{ content: 'Why?' }] },
      finished_at: null,
      simulated: false,
    })
    ticket.sent()
    await ticket.settle('ok', good)
    await ledger.flush()
    expect(await entryOf(attempt.id)).toMatchObject({ state: 'ok', cost_usd: 0.00001, latency_ms: 12, answer: { text: 'Because.' } })
  })

  test('recalls the answer of a finished step, and of no other', async () => {
    const ledger = newLedger()
    const failed = await ledger.enter(newAttempt(newStep(1)), never)
    await failed.settle('error', {
      ...good,
      outcome: 'error',
      answer: null,
      usage: null,
      errorCode: 'provider_error',
      errorMessage: 'overloaded',
    })
    await ledger.enter(newAttempt(newStep(2)), never)
    expect(await ledger.recall(newStep(1))).toBeNull()
    expect(await ledger.recall(newStep(2))).toBeNull()
    const ticket = await ledger.enter(newAttempt(newStep(1)), never)
    await ticket.settle('ok', good)
    await ledger.flush()
    expect(await newLedger().recall(newStep(1))).toEqual({ answer, costUsd: 0.00001 })
  })

  test('a call waits for no outcome, but one that may leave finds the outcome of every call that came back before it', async () => {
    const ledger = newLedger()
    for (let sample = 0; sample < 20; sample += 1) {
      const before = newAttempt(newStep(sample))
      const ticket = await ledger.enter(before, never)
      expect(ticket.settle('ok', good)).toBeUndefined()
      await ledger.enter(newAttempt(newStep(sample + 100)), never)
      expect(await entryOf(before.id)).toMatchObject({ state: 'ok' })
    }
  })

  test('marks what never left as unsent and free', async () => {
    const attempt = newAttempt()
    const ledger = newLedger()
    const ticket = await ledger.enter(attempt, never)
    await ticket.settle('unsent')
    await ledger.flush()
    expect(await entryOf(attempt.id)).toMatchObject({ state: 'unsent', cost_usd: 0 })
  })

  test('an attempt that is aborted while its intent is written rejects with the reason and ends as unsent', async () => {
    const attempt = newAttempt()
    const controller = new AbortController()
    const ledger = newLedger()
    const entering = ledger.enter(attempt, controller.signal)
    controller.abort(new Error('stopped'))
    await expect(entering).rejects.toThrow('stopped')
    await ledger.flush()
    expect((await entryOf(attempt.id))?.state).toBe('unsent')
  })

  test('a timeout without an account keeps the reservation booked', async () => {
    const attempt = newAttempt()
    const ledger = newLedger()
    const ticket = await ledger.enter(attempt, never)
    await ticket.settle('timeout')
    await ledger.flush()
    expect(await entryOf(attempt.id)).toMatchObject({ state: 'timeout', cost_usd: 0.0002 })
  })

  test('an answer of 20 MiB is kept to 4 MiB and settles', async () => {
    const attempt = newAttempt()
    const ledger = newLedger()
    const ticket = await ledger.enter(attempt, never)
    await ticket.settle('ok', { ...good, answer: { ...answer, text: 'x'.repeat(20 * 1_048_576) } })
    await ledger.flush()
    const entry = await entryOf(attempt.id)
    expect(entry?.state).toBe('ok')
    expect(entry?.answer?.text).toHaveLength(4 * 1_048_576)
    expect(losses).toEqual([])
  })

  test('writes intents that wait together in one command, each of them durable when its call may leave', async () => {
    const ledger = newLedger()
    let commands = 0
    client.on('commandStarted', ({ commandName }) => {
      if (commandName === 'insert') commands += 1
    })
    const attempts = Array.from({ length: 200 }, (_, sample) => newAttempt(newStep(sample)))
    let missing = 0
    const lanes = Array.from({ length: 32 }, async (_, lane) => {
      for (let index = lane; index < attempts.length; index += 32) {
        const attempt = attempts[index]
        if (attempt === undefined) continue
        await ledger.enter(attempt, never)
        if ((await entryOf(attempt.id)) === null) missing += 1
      }
    })
    await Promise.all(lanes)
    expect(missing).toBe(0)
    expect(commands).toBeLessThan(100)
  })

  test('an intent that is there already may leave, and is there once', async () => {
    const attempt = newAttempt()
    await newLedger().enter(attempt, never)
    await newLedger().enter(attempt, never)
    expect(losses).toEqual([])
    expect(await collectionOf(db, 'model_attempts').countDocuments({})).toBe(1)
  })

  test('an intent that is refused for another reason is not taken for one that is there', async () => {
    await db.collection('model_attempts').createIndex({ step: 1 }, { unique: true })
    const ledger = newLedger(false)
    await ledger.enter(newAttempt(), never)
    await expect(ledger.enter(newAttempt(), never)).rejects.toMatchObject({ code: 'database_failed' })
    // One that is refused costs none of those that left with it.
    const entered = await Promise.allSettled([newStep(), newStep(1), newStep(2)].map(async (step) => ledger.enter(newAttempt(step), never)))
    expect(entered.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })

  test('an intent that only one member acknowledged is written again until a majority has', async () => {
    await client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 2 },
      data: { failCommands: ['insert'], writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } },
    })
    let inserts = 0
    client.on('commandStarted', ({ commandName }) => {
      if (commandName === 'insert') inserts += 1
    })
    const attempt = newAttempt()
    await newLedger().enter(attempt, never)
    expect(losses).toEqual([])
    expect(inserts).toBe(3)
    expect(await entryOf(attempt.id)).toMatchObject({ state: 'intended' })
  })

  test('without a database does nothing and knows nothing', async () => {
    const ticket = await noLedger.enter(newAttempt(), never)
    await ticket.settle('ok', good)
    expect(await noLedger.recall(newStep())).toBeNull()
  })
})

describe('a lost database', () => {
  test('killed under writers loses no acknowledged intent, and holds nobody for long when it is back at once', async () => {
    // Without the driver's own retry, which would hide ours.
    const plain = await new MongoClient(mongod.uri, { retryWrites: false }).connect()
    const ledger = makeLedger({
      db: plain.db(db.databaseName),
      clock,
      gather: gatherWith(clock),
      stepKey,
      degrade: true,
      onLost: (problem) => losses.push(problem),
    })
    const acknowledged: string[] = []
    const over = new AbortController()
    const writers = Array.from({ length: 32 }, async () => {
      while (!over.signal.aborted) {
        const attempt = newAttempt()
        await ledger.enter(attempt, never)
        if (!ledger.isLost()) acknowledged.push(attempt.id)
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 200))
    const before = acknowledged.length
    await mongod.kill()
    await mongod.start()
    await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(before + 100)
    over.abort()
    await Promise.all(writers)
    await plain.close()
    expect(losses).toEqual([])
    const ids = acknowledged.map((id) => new ObjectId(id))
    expect(await collectionOf(db, 'model_attempts').countDocuments({ _id: { $in: ids } })).toBe(ids.length)
  })

  test('frozen under calls is given up within the bound, said once, and then holds no call', async () => {
    const ledger = newLedger()
    const open = await ledger.enter(newAttempt(), never)
    mongod.freeze()
    try {
      const fromMs = performance.now()
      await Promise.all([
        open.settle('ok', good),
        ledger.flush(),
        ...Array.from({ length: 20 }, () => ledger.enter(newAttempt(), never)),
        ledger.recall(newStep()),
      ])
      expect(performance.now() - fromMs).toBeLessThan(5_500)
      expect(losses.map(({ code }) => code)).toEqual(['database_unreachable'])
      expect(ledger.isLost()).toBe(true)
      expect(await elapsedMs(Promise.resolve(ledger.enter(newAttempt(), never)))).toBeLessThan(500)
    } finally {
      mongod.thaw()
    }
  })

  test('refuses calls that may not go without a record', async () => {
    const ledger = newLedger(false)
    mongod.freeze()
    try {
      const fromMs = performance.now()
      await expect(ledger.enter(newAttempt(), never)).rejects.toMatchObject({ code: 'database_unreachable' })
      expect(performance.now() - fromMs).toBeLessThan(5_500)
      expect(losses).toEqual([])
    } finally {
      mongod.thaw()
    }
    await expect
      .poll(() => Promise.resolve(ledger.enter(newAttempt(), never)).then(() => 'passed', messageOfRefusal), { timeout: 20_000 })
      .toBe('passed')
  })
})

function messageOfRefusal(error: unknown): string {
  return error instanceof OrxError ? error.code : 'something else'
}
