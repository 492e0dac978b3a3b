import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { seededRandom } from '../core/random.ts'
import type { ChatMessage, ChatRequest } from '../models/chat.ts'
import { answerOf } from '../models/simulator/answers.ts'
import {
  bootstrapInterval,
  compareStrategies,
  type ComparedOrder,
  type ComparisonOptions,
  type ComparisonPorts,
} from './compareStrategies.ts'
import { engine, option, verdict } from './engine.testkit.ts'
import type { RunResult } from './events.ts'

const never = new AbortController().signal

const prompts = ['tides', 'hash maps', 'rainbows', 'two-phase commit', 'leap years', 'magnets'].map((topic) => ({
  id: topic,
  prompt: `Explain ${topic} to somebody who has never heard of them.`,
  domain: 'general' as const,
}))

/** Each run on an engine of its own with three of the simulated models. */
function simulated(seed: string): ComparisonPorts & { readonly orders: ComparedOrder[]; readonly asked: (readonly ChatMessage[])[] } {
  const says = (request: ChatRequest): string => answerOf(seed, request).text
  const models = ['atlas', 'birch', 'cedar'].map((name) => option(`simulated/${name}`))
  const orders: ComparedOrder[] = []
  const asked: (readonly ChatMessage[])[] = []
  return {
    orders,
    asked,
    run: ({ id, prompt, domain, settings }) => {
      orders.push({ id, prompt, domain, settings })
      const { run } = engine({ simulated: says }, { models })
      return run({ id, prompt, domain, simulated: true, settings: { ...settings, maxTokens: 1_000, iterations: 3, threshold: 9.5 } })
    },
    judge: async (model, messages) => {
      asked.push(messages)
      return answerOf(seed, { model, messages, maxTokens: 1_000 }).text
    },
  }
}

const options: ComparisonOptions = { prompts, maxCostUsd: 60, panel: ['p/one', 'p/two', 'p/three'], seed: 7 }

it('runs each prompt with each strategy under the same bound, and states what each has spent', async () => {
  const ports = simulated('1')
  const comparison = await compareStrategies(options, ports, never)
  expect(ports.orders).toHaveLength(prompts.length * 4)
  expect(new Set(ports.orders.map(({ settings }) => `${settings.maxCostUsd} ${settings.useCache}`))).toEqual(new Set(['60 false']))
  expect(comparison.strategies.map(({ strategy }) => strategy)).toEqual(['single', 'best-of-n', 'fusion', 'critique'])
  for (const figures of comparison.strategies) {
    expect(figures).toMatchObject({ answered: prompts.length, graded: prompts.length })
    expect(figures.dearestUsd).toBeLessThanOrEqual(60)
    expect(figures.spentPerPromptUsd).toBeCloseTo((figures.spentUsd ?? 0) / prompts.length)
    expect(figures.interval?.low).toBeLessThanOrEqual(figures.meanQuality ?? 0)
    expect(figures.interval?.high).toBeGreaterThanOrEqual(figures.meanQuality ?? 11)
  }
  const [alone, ...others] = comparison.strategies
  expect(alone?.versusSingle).toBeNull()
  for (const { versusSingle, meanQuality } of others) {
    expect(versusSingle?.pairs).toBe(prompts.length)
    expect(versusSingle?.mean).toBeCloseTo((meanQuality ?? 0) - (alone?.meanQuality ?? 0))
  }
})

it('says of simulated models that it is no statement about models, and comes out the same for the same seed', async () => {
  const comparison = await compareStrategies(options, simulated('1'), never)
  expect(comparison).toMatchObject({ simulated: true, note: expect.stringContaining('no statement about models') })
  expect(await compareStrategies(options, simulated('1'), never)).toEqual(comparison)
  const real: ComparisonPorts = { ...simulated('1'), run: () => answers('an answer') }
  expect(await compareStrategies(options, real, never)).toMatchObject({ simulated: false, note: expect.not.stringContaining('simulated') })
})

const answers = (text: string): Promise<RunResult> => engine({ a: () => text }).run({ settings: { strategy: 'single' } })

it('grades blind: a judge reads prompt and answer, never the strategy or the author, and the same words once', async () => {
  const asked: (readonly ChatMessage[])[] = []
  const ports: ComparisonPorts = {
    run: () => answers('the same words'),
    judge: async (_model, messages) => {
      asked.push(messages)
      return verdict(6)
    },
  }
  const comparison = await compareStrategies({ ...options, panel: ['p/one'] }, ports, never)
  expect(asked).toHaveLength(prompts.length)
  expect(asked.map((messages) => JSON.stringify(messages)).join()).not.toMatch(/critique|best-of-n|fusion|model-a/)
  expect(comparison.strategies.map(({ meanQuality }) => meanQuality)).toEqual([6, 6, 6, 6])
  expect(comparison.strategies[3]?.versusSingle).toEqual({ mean: 0, interval: { low: 0, high: 0 }, pairs: prompts.length })
})

it('counts a prompt without an answer as useless, and leaves out one that nobody could grade', async () => {
  const ports: ComparisonPorts = {
    run: ({ id, settings }) =>
      settings.strategy === 'fusion' && id === 'tides'
        ? engine({
            a: () => {
              throw new Error('broken')
            },
          }).run()
        : answers(id === 'magnets' ? 'ungradable' : 'fine'),
    judge: async (_model, messages) => (messages.at(-1)?.content.includes('ungradable') ? 'I like it' : verdict(6)),
  }
  const { strategies } = await compareStrategies(options, ports, never)
  const fused = strategies.find(({ strategy }) => strategy === 'fusion')
  expect(fused).toMatchObject({ answered: prompts.length - 1, graded: prompts.length - 1, meanQuality: 5 })
  expect(fused?.versusSingle).toMatchObject({ mean: -1, pairs: prompts.length - 1 })
})

it('refuses a panel of nobody, and one whose judge took part', async () => {
  await expect(compareStrategies({ ...options, panel: [] }, simulated('1'), never)).rejects.toMatchObject({ code: 'usage' })
  await expect(compareStrategies({ ...options, panel: ['simulated/birch'] }, simulated('1'), never)).rejects.toMatchObject({
    code: 'usage',
  })
})

it('stops between runs when it is stopped', async () => {
  const stop = new AbortController()
  const ports = simulated('1')
  const run: ComparisonPorts['run'] = (order, signal) => {
    if (ports.orders.length === 2) stop.abort(new Error('enough'))
    return ports.run(order, signal)
  }
  await expect(compareStrategies(options, { ...ports, run }, stop.signal)).rejects.toThrow('enough')
  expect(ports.orders).toHaveLength(3)
})

it('has an interval that lies within the values, moves with them, and covers the true mean about as often as it says', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1, max: 10, noNaN: true }), { minLength: 2, maxLength: 20 }), fc.string(), (values, seed) => {
      const { low, high } = bootstrapInterval(values, seed) ?? expect.fail('no interval')
      expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9)
      expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9)
      expect(low).toBeLessThanOrEqual(high)
      expect(bootstrapInterval(values, seed)).toEqual({ low, high })
    }),
    { numRuns: 50 },
  )
  expect(bootstrapInterval([5], '1')).toBeNull()
  const random = seededRandom('coverage')
  const covered = Array.from({ length: 200 }, (_, sample) => {
    const values = Array.from({ length: 30 }, random)
    const { low, high } = bootstrapInterval(values, String(sample)) ?? expect.fail('no interval')
    return low <= 0.5 && 0.5 <= high
  }).filter(Boolean).length
  expect(covered).toBeGreaterThan(175)
  expect(covered).toBeLessThan(200)
})
