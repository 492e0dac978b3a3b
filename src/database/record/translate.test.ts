import { BSON, type Document } from 'mongodb'
import { array, assert, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { engine, verdict } from '../../orchestration/engine.testkit.ts'
import { foldRun } from '../../orchestration/fold.ts'

import type { RunEvent } from '../../orchestration/events.ts'
import { boundedText } from './boundedText.ts'
import { sampleRun } from './sampleRun.testkit.ts'
import { initialTranslation, stages, translate, type Write } from './translate.ts'

const sessionId = '5'.repeat(24)
const threadId = '6'.repeat(24)

function writesOf(events: readonly RunEvent[]): readonly Write[] {
  let state = initialTranslation
  const writes: Write[] = []
  for (const event of events) {
    const step = translate(state, event, { fold: foldRun, logTtlMs: 1_000 })
    state = step.state
    writes.push(...step.writes)
  }
  return writes
}

type Store = Map<string, Document>

/** What MongoDB does with a write of the record, in memory. */
function apply(store: Store, { collection, operation }: Write): void {
  const keyOf = (id: unknown): string => `${collection}/${String(id)}`
  if ('insertOne' in operation) {
    const key = keyOf(operation.insertOne.document['_id'])
    if (!store.has(key)) store.set(key, operation.insertOne.document)
    return
  }
  if (!('updateOne' in operation)) throw new Error('expected an insert or an update')
  const { filter, update, upsert } = operation.updateOne as { filter: Document; update: Document; upsert?: boolean }
  const { _id, ...guards } = filter
  const found = store.get(keyOf(_id))
  if (found === undefined) {
    if (upsert === true) store.set(keyOf(_id), { _id, ...update['$setOnInsert'], ...update['$set'] })
  } else if (Object.entries(guards).every(([field, value]) => found[field] === value)) {
    store.set(keyOf(_id), { ...found, ...update['$set'] })
  }
}

function inStages(writes: readonly Write[]): readonly Write[] {
  return writes.toSorted((a, b) => stages.indexOf(a.stage) - stages.indexOf(b.stage))
}

const events = sampleRun({ sessionId, threadId })

/** A run in which a judge compares two close answers, in both orders. */
async function comparedRun(): Promise<readonly RunEvent[]> {
  let drafts = 0
  const made = engine({
    a: () => `draft ${(drafts += 1)}`,
    b: ({ messages }) => {
      const place = /<<<CANDIDATE (A|B) \w+\ndraft 2/.exec(messages.at(-1)?.content ?? '')?.[1]
      return place === undefined ? verdict(7) : JSON.stringify({ better: place, reason: 'It is.' })
    },
  })
  await made.run({ sessionId, threadId })
  return made.events
}

describe('translate', () => {
  test('a comparison is booked like every call, and the answer that it kept is the selected one', async () => {
    const events = await comparedRun()
    const result = foldRun(events)
    const store: Store = new Map()
    for (const write of inStages(writesOf(events))) apply(store, write)
    const of = (collection: string): readonly Document[] =>
      [...store].flatMap(([key, document]) => (key.startsWith(`${collection}/`) ? [document] : []))
    expect(result).toMatchObject({ finalResponse: 'draft 2', bestIteration: 2 })
    expect(of('model_responses')).toHaveLength(6)
    const spentUsd = of('model_responses').reduce((sum, response) => sum + Number(response['cost_usd']), 0)
    expect(spentUsd).toBeCloseTo(result.usage.costUsd ?? Number.NaN)
    expect(of('model_responses').filter((response) => response['is_selected_best'] === true)).toMatchObject([{ response_text: 'draft 2' }])
    expect(of('orchestration_logs').filter((log) => log['event_type'] === 'answers-compared')).toMatchObject([{ component: 'judge' }])
    expect(of('conversation_threads')[0]?.['result']).toMatchObject({ iterations: [{ comparison: null }, { comparison: { kept: 'new' } }] })
  })

  test('writing any part of a run again changes nothing, in whichever groups it goes', () => {
    const whole: Store = new Map()
    for (const write of inStages(writesOf(events))) apply(whole, write)
    assert(
      property(
        array(record({ size: integer({ min: 1, max: 30 }), times: integer({ min: 1, max: 3 }) }), {
          minLength: 1,
          maxLength: 8,
        }),
        (groups) => {
          const store: Store = new Map()
          const perEvent: (readonly Write[])[] = []
          let state = initialTranslation
          for (const event of events) {
            const step = translate(state, event, { fold: foldRun, logTtlMs: 1_000 })
            state = step.state
            perEvent.push(step.writes)
          }
          let from = 0
          for (const [index, { size, times }] of groups.entries()) {
            const to = index === groups.length - 1 ? perEvent.length : from + size
            const group = inStages(perEvent.slice(from, to).flat())
            for (let time = 0; time < times; time += 1) for (const write of group) apply(store, write)
            from = to
          }
          expect(store).toEqual(whole)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('the same events give the same writes, ids included', () => {
    expect(BSON.EJSON.stringify(writesOf(events))).toBe(BSON.EJSON.stringify(writesOf(events)))
  })

  test('no two documents of a run share an id, and a run taken up again has ids of its own for its log', () => {
    const idsOf = (run: readonly RunEvent[]): readonly string[] =>
      writesOf(run).flatMap(({ collection, operation }) =>
        'insertOne' in operation ? [`${collection} ${String(operation.insertOne.document['_id'])}`] : [],
      )
    const ids = idsOf(events)
    expect(new Set(ids).size).toBe(ids.length)
    const again = idsOf(sampleRun({ sessionId, threadId, startedAtMs: 1_790_000_100_000 }))
    const logs = (all: readonly string[]): readonly string[] => all.filter((id) => id.startsWith('orchestration_logs'))
    expect(logs(ids).filter((id) => logs(again).includes(id))).toEqual([])
  })

  test('every request of a run is a response document once, so that they add up to what the run cost', () => {
    const responses = writesOf(events).flatMap(({ collection, operation }) =>
      collection === 'model_responses' && 'insertOne' in operation ? [operation.insertOne.document] : [],
    )
    const result = foldRun(events)
    expect(responses).toHaveLength(result.attempts.length)
    const sum = (field: string): number => responses.reduce((total, response) => total + (response[field] as number), 0)
    expect(sum('cost_usd')).toBeCloseTo(result.usage.costUsd ?? Number.NaN, 10)
    expect(sum('input_tokens')).toBe(result.usage.inputTokens)
    expect(sum('output_tokens')).toBe(result.usage.outputTokens)
  })

  test('an answer that nobody could use still is a response, for it was paid', () => {
    const cut = events.findIndex((event) => event.type === 'answer-received')
    const aborted: readonly RunEvent[] = [
      ...events.slice(0, cut),
      { type: 'run-finished', atMs: 1_790_000_009_000, stopReason: 'aborted', bestResponseId: null, error: null },
    ]
    const writes = writesOf(aborted)
    const responses = writes.filter(({ collection, operation }) => collection === 'model_responses' && 'insertOne' in operation)
    expect(responses).toHaveLength(foldRun(aborted).attempts.length)
    const end = writes.find(({ stage }) => stage === 'thread-end')
    expect(end?.operation).toMatchObject({ updateOne: { update: { $set: { thread_status: 'aborted', final_response: null } } } })
  })

  test('a run without a thread in the database writes nothing', () => {
    const nowhere = events.map((event) => (event.type === 'run-started' ? { ...event, sessionId: null, threadId: null } : event))
    expect(writesOf(nowhere)).toEqual([])
  })

  test('streamed pieces leave no trace', () => {
    const types = writesOf(events).map(({ operation }) => ('insertOne' in operation ? operation.insertOne.document['event_type'] : null))
    expect(types).toContain('call-started')
    expect(types).not.toContain('call-texted')
  })

  test('a log past its bound keeps its entries without their details', () => {
    const large = events.map((event) => (event.type === 'answer-received' ? { ...event, text: 'x'.repeat(3_000_000) } : event))
    const entries = writesOf(large).flatMap(({ collection, operation }) =>
      collection === 'orchestration_logs' && 'insertOne' in operation ? [operation.insertOne.document] : [],
    )
    expect(entries).toHaveLength(large.filter(({ type }) => type !== 'call-texted').length)
    expect(entries.some(({ details }) => details === null)).toBe(true)
    expect(entries[0]?.['details']).not.toBeNull()
  })
})

test('a text is cut at a whole character', () => {
  expect(boundedText('aé'.repeat(3), 5)).toBe('aéa')
  expect(boundedText('short', 5)).toBe('short')
  expect(boundedText('💡💡', 7)).toBe('💡')
})
