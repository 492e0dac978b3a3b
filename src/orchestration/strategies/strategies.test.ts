import { describe, expect, test } from 'vitest'
import type { ChatRequest } from '../../models/chat.ts'
import type { RunEvent } from '../events.ts'
import { foldRun } from '../fold.ts'
import { engine, verdict } from '../engine.testkit.ts'

const questionOf = ({ messages }: ChatRequest): string => messages.at(-1)?.content ?? ''
const isJudged = (request: ChatRequest): boolean => questionOf(request).includes('<<<CANDIDATE')
/** A judge that gives the score that stands in the candidate: `draft worth 7`. */
const judge = (request: ChatRequest): string => verdict(Number(/worth ([\d.]+)/.exec(questionOf(request))?.[1] ?? 1))
const told = (events: readonly RunEvent[], type: RunEvent['type']): readonly RunEvent[] => events.filter((event) => event.type === type)

describe('best of n', () => {
  const worths = [5, 9, 7]
  const sampled = (request: ChatRequest): string => {
    const number = Number(/candidate (\d+) of/.exec(request.messages[0]?.content ?? '')?.[1] ?? 0)
    return isJudged(request) ? judge(request) : `draft worth ${worths[number - 1] ?? 1}`
  }

  test('asks one model as often as there are iterations, judges each answer, and returns the best', async () => {
    const { run, events, providers } = engine({ a: sampled, b: judge, c: judge })
    const result = await run({ settings: { strategy: 'best-of-n', iterations: 3 } })
    expect(result).toMatchObject({
      finalResponse: 'draft worth 9',
      qualityScore: 9,
      stopReason: 'threshold',
      iterationsUsed: 3,
      strategy: 'best-of-n',
    })
    expect(result.iterations.map(({ score }) => score)).toEqual([5, 9, 7])
    expect(new Set(result.iterations.map(({ model }) => model)).size).toBe(1)
    expect(new Set(providers.get('a')?.received.map((request) => JSON.stringify(request))).size).toBe(3)
    expect(told(events, 'answer-judged')).toHaveLength(6)
    expect(foldRun(events)).toEqual(result)
  })

  test('ends with iterations when none is good enough, and without critics unjudged with the first', async () => {
    const low = engine({ a: sampled, b: judge })
    expect(await low.run({ settings: { strategy: 'best-of-n', iterations: 1 } })).toMatchObject({
      stopReason: 'iterations',
      qualityScore: 5,
    })
    const alone = engine({ a: sampled, b: judge })
    expect(await alone.run({ settings: { strategy: 'best-of-n', iterations: 3, critics: 0 } })).toMatchObject({
      stopReason: 'unjudged',
      finalResponse: 'draft worth 5',
    })
  })

  test('goes on with those that came when others fail, and fails when all do', async () => {
    let calls = 0
    const flaky = (request: ChatRequest): string => {
      calls += 1
      if (calls === 1) throw new Error('broken')
      return sampled(request)
    }
    const some = engine({ a: flaky, b: judge })
    expect(await some.run({ settings: { strategy: 'best-of-n', iterations: 3 } })).toMatchObject({
      stopReason: 'threshold',
      iterationsUsed: 2,
    })
    const none = engine({
      a: () => {
        throw new Error('broken')
      },
      b: judge,
    })
    expect(await none.run({ settings: { strategy: 'best-of-n', iterations: 2 } })).toMatchObject({
      stopReason: 'failed',
      finalResponse: null,
    })
  })

  test('stays within its bound on cost', async () => {
    const { run } = engine({ a: sampled, b: judge })
    const result = await run({ settings: { strategy: 'best-of-n', iterations: 10, maxCostUsd: 1.5 } })
    expect(result.stopReason).toBe('cost')
    expect(result.usage.costUsd).toBeLessThanOrEqual(1.5)
  })
})

describe('fusion', () => {
  const member = (name: string) => (request: ChatRequest) => {
    if (isJudged(request)) return judge(request)
    return questionOf(request).includes('<<<ANSWER 1') ? `fused worth 9 from ${name}` : `answer of ${name} worth 4`
  }

  test('asks several models at once, lets the first write one answer out of theirs, and lets the others judge it', async () => {
    const { run, events, providers } = engine({ a: member('a'), b: member('b'), c: member('c') })
    const result = await run({ settings: { strategy: 'fusion' } })
    expect(result).toMatchObject({ finalResponse: 'fused worth 9 from a', qualityScore: 9, stopReason: 'threshold', iterationsUsed: 4 })
    expect(result.attempts.map(({ role }) => role)).toEqual(['primary', 'primary', 'primary', 'synthesizer', 'critic', 'critic'])
    const synthesis = providers.get('a')?.received.find((request) => questionOf(request).includes('<<<ANSWER 1'))
    for (const name of ['a', 'b', 'c']) expect(questionOf(synthesis ?? expect.fail('no synthesis'))).toContain(`answer of ${name}`)
    expect(told(events, 'answer-judged').map((event) => (event.type === 'answer-judged' ? event.judge : ''))).not.toContain('a/model-a')
    expect(foldRun(events)).toEqual(result)
  })

  test('without a synthesis the first answer stands; alone it is unjudged', async () => {
    const broken = (request: ChatRequest): string => {
      if (questionOf(request).includes('<<<ANSWER 1')) throw new Error('broken')
      return member('a')(request)
    }
    const { run } = engine({ a: broken, b: member('b') })
    expect(await run({ settings: { strategy: 'fusion' } })).toMatchObject({ finalResponse: 'answer of a worth 4', stopReason: 'unjudged' })
    const alone = engine({ a: member('a') })
    expect(await alone.run({ settings: { strategy: 'fusion' } })).toMatchObject({
      finalResponse: 'answer of a worth 4',
      stopReason: 'unjudged',
      iterationsUsed: 1,
    })
  })
})

test.each(['critique', 'single', 'best-of-n', 'fusion'] as const)('%s makes the same run again from the same answers', async (strategy) => {
  const script = (request: ChatRequest): string => (isJudged(request) ? judge(request) : 'draft worth 6')
  const once = async () => (await engine({ a: script, b: script, c: script }).run({ settings: { strategy, iterations: 3 } })) as object
  expect(await once()).toEqual(await once())
})
