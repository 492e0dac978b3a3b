import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { profileOf } from './catalog.ts'
import { costAtMostUsd, costUsd } from './costs.ts'
import { defaultGuards } from './http.ts'
import { makeTextStream } from './textStream.ts'

const price = {
  inputPerMillion: 2,
  cachedInputPerMillion: 0.5,
  outputPerMillion: 8,
  tiers: [{ aboveInputTokens: 1_000, inputPerMillion: 4, cachedInputPerMillion: 1, outputPerMillion: 16 }],
}
const usage = (inputTokens: number, cachedInputTokens: number, outputTokens: number) => ({
  inputTokens,
  cachedInputTokens,
  outputTokens,
  estimated: false,
})

test('cached input is cheaper, a long request dearer from its first token on, and an unknown price unknown', () => {
  expect(costUsd(price, usage(1_000, 400, 100))).toBeCloseTo((600 * 2 + 400 * 0.5 + 100 * 8) / 1e6, 12)
  expect(costUsd(price, usage(1_001, 400, 100))).toBeCloseTo((601 * 4 + 400 * 1 + 100 * 16) / 1e6, 12)
  expect(costUsd({ inputPerMillion: 1, outputPerMillion: 1 }, usage(10, 10, 0))).toBeCloseTo(10 / 1e6, 12)
  expect(costUsd(null, usage(1, 0, 1))).toBeNull()
  expect(costAtMostUsd(null, 1, 1)).toBeNull()
})

test('what is reserved is never less than what is charged', () => {
  for (const tokens of [1, 999, 1_001, 5_000]) {
    expect(costAtMostUsd(price, tokens, 50)).toBeGreaterThanOrEqual(costUsd(price, usage(tokens, tokens / 2, 50)) ?? Number.NaN)
  }
})

test('the catalog knows its models with their prices; a model that nobody knows has none', () => {
  expect(profileOf('openai', 'gpt-4.1').price).toMatchObject({ inputPerMillion: 2, outputPerMillion: 8 })
  expect(profileOf('openai', 'gpt-99').price).toBeNull()
  expect(profileOf('local', 'llama3').price).toEqual({ inputPerMillion: 0, outputPerMillion: 0 })
})

test('a stream that only drips is given up after ten seconds, one that flows is not', async () => {
  const peer = { provider: 'local', baseUrl: 'http://127.0.0.1', keyVariable: '', key: null }
  const clock = fakeClock()
  const drip = makeTextStream(peer, defaultGuards, clock, () => undefined)
  drip.add('x')
  await clock.advance(9_000)
  drip.add('x')
  await clock.advance(9_000)
  expect(() => drip.add('x')).toThrow(/bytes a second/)
  const flow = makeTextStream(peer, defaultGuards, clock, () => undefined)
  for (let second = 0; second < 30; second += 1) {
    flow.add('some words ')
    await clock.advance(1_000)
  }
  expect(flow.text()).toHaveLength(330)
})
