import { describe, expect, it } from 'vitest'
import type { Attempt, AttemptResult } from '../models/call.ts'
import type { Ticket } from '../traffic/gate.ts'
import { makeBudget, requirePrices } from './budget.ts'

const signal = new AbortController().signal

function attempt(costAtMostUsd: number | null): Attempt {
  return {
    id: '1',
    runId: '1',
    step: { threadId: '1', iteration: 1, role: 'primary', model: 'a/x', sample: 0 },
    tryNumber: 1,
    provider: 'a',
    request: { model: 'x', messages: [], maxTokens: 1, stream: false },
    simulated: false,
    price: null,
    inputTokensAtMost: 1,
    costAtMostUsd,
    createdAtMs: 0,
  }
}

const result = (costUsd: number | null): AttemptResult => ({
  outcome: 'ok',
  answer: null,
  usage: null,
  costUsd,
  errorCode: null,
  errorMessage: null,
  latencyMs: 1,
})

const enter = async (budget: ReturnType<typeof makeBudget>, usd: number | null): Promise<Ticket<AttemptResult>> =>
  budget.enter(attempt(usd), signal)

describe('a budget', () => {
  it('counts what the thread had spent before it was cut off', async () => {
    const budget = makeBudget(1, 0.75)
    expect(budget.remainingUsd()).toBeCloseTo(0.25, 9)
    await expect(enter(budget, 0.5)).rejects.toMatchObject({ code: 'cost_limit' })
  })

  it('holds the upper bound of a call until it is settled, then what the call cost', async () => {
    const budget = makeBudget(1)
    const ticket = await enter(budget, 0.75)
    expect(budget.remainingUsd()).toBe(0.25)
    await ticket.settle('ok', result(0.5))
    expect(budget.remainingUsd()).toBe(0.5)
    expect(budget.refused()).toBe(false)
  })

  it('refuses a call that fits beside what is spent but not beside what is reserved', async () => {
    const budget = makeBudget(1)
    await enter(budget, 0.75)
    await expect(enter(budget, 0.5)).rejects.toMatchObject({ code: 'cost_limit' })
    expect(budget.refused()).toBe(true)
  })

  it('lets a call pass that fits exactly', async () => {
    await expect(enter(makeBudget(0.5), 0.5)).resolves.toBeDefined()
    await expect(enter(makeBudget(0), 0)).resolves.toBeDefined()
  })

  it('gives all back for a call that never left', async () => {
    const budget = makeBudget(1)
    await (await enter(budget, 0.75)).settle('unsent')
    expect(budget.remainingUsd()).toBe(1)
  })

  it.each(['error', 'timeout', 'aborted'] as const)(
    'keeps the reservation of a call that ended in %s without a cost',
    async (settlement) => {
      const budget = makeBudget(1)
      await (await enter(budget, 0.75)).settle(settlement)
      expect(budget.remainingUsd()).toBe(0.25)
    },
  )

  it('without a bound lets everything pass', async () => {
    const budget = makeBudget(null)
    await enter(budget, 1e9)
    await (await enter(budget, null)).settle('ok', result(null))
    expect(budget.remainingUsd()).toBe(Number.POSITIVE_INFINITY)
  })

  it('refuses a price that nobody knows', async () => {
    await expect(enter(makeBudget(1), null)).rejects.toMatchObject({ code: 'unknown_price' })
    expect(() => requirePrices([{ model: 'a/x', price: null }], 1)).toThrow(/unknown: a\/x/)
    expect(() => requirePrices([{ model: 'a/x', price: null }], null)).not.toThrow()
    expect(() => requirePrices([{ model: 'a/x', price: { inputPerMillion: 0, outputPerMillion: 0 } }], 1)).not.toThrow()
  })
})
