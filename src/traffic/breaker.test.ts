import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makeBreaker, type BreakerState } from './breaker.ts'
import { enterAll, type Gate, type Settlement, type Ticket } from './gate.ts'

const signal = new AbortController().signal
type Verdict = 'ok' | 'failed' | null

function breakerOf(changes: BreakerState[] = []) {
  const clock = fakeClock()
  const judge = (_: Settlement, verdict: Verdict | undefined): Verdict => verdict ?? null
  const breaker = makeBreaker<Verdict>({
    name: 'openai',
    clock,
    threshold: 3,
    openMs: 1_000,
    judge,
    onChange: (state) => changes.push(state),
  })
  const call = async (verdict: Verdict): Promise<void> => {
    const ticket = await breaker.enter(null, signal)
    await ticket.settle('ok', verdict)
  }
  return { clock, breaker, call }
}

test('opens after failures in a row, lets one probe through when its time is over, and closes when that succeeds', async () => {
  const changes: BreakerState[] = []
  const { clock, breaker, call } = breakerOf(changes)
  for (const verdict of ['failed', 'failed', 'ok', 'failed', 'failed', 'failed'] as const) await call(verdict)
  await expect(call('ok')).rejects.toMatchObject({
    code: 'circuit_open',
    message: expect.stringContaining('openai failed 3 times') as string,
  })
  await clock.advance(1_000)
  const probe = await breaker.enter(null, signal)
  await expect(call('ok')).rejects.toMatchObject({ code: 'circuit_open' })
  await probe.settle('ok', 'ok')
  await call('ok')
  expect(changes).toEqual(['open', 'half-open', 'closed'])
})

test('a probe that fails opens it again; one that brings no verdict leaves the place to the next', async () => {
  const { clock, breaker, call } = breakerOf()
  for (let failure = 0; failure < 3; failure += 1) await call('failed')
  await clock.advance(1_000)
  await call(null)
  expect(breaker.state()).toBe('half-open')
  await call('failed')
  expect(breaker.state()).toBe('open')
  await expect(call('ok')).rejects.toMatchObject({ code: 'circuit_open' })
})

test('what was asked before it opened neither closes it nor opens it again', async () => {
  const { clock, breaker, call } = breakerOf()
  const slow = await Promise.all(Array.from({ length: 6 }, async () => await breaker.enter(null, signal)))
  for (const ticket of slow.splice(0, 3)) await ticket.settle('timeout', 'failed')
  expect(breaker.state()).toBe('open')
  await clock.advance(1_000)
  await call('ok')
  for (const ticket of slow) await ticket.settle('timeout', 'failed')
  expect(breaker.state()).toBe('closed')
})

test('a probe that is settled twice frees one place', async () => {
  const { clock, breaker, call } = breakerOf()
  for (let failure = 0; failure < 3; failure += 1) await call('failed')
  await clock.advance(1_000)
  const first = await breaker.enter(null, signal)
  await first.settle('unsent', null)
  await breaker.enter(null, signal)
  await first.settle('unsent', null)
  await expect(call('ok')).rejects.toMatchObject({ code: 'circuit_open' })
})

test('opens at half of twenty within a minute, though successes come between', async () => {
  const { clock, breaker, call } = breakerOf()
  for (let pair = 0; pair < 9; pair += 1) for (const verdict of ['failed', 'ok'] as const) await call(verdict)
  await call('ok')
  await call('failed')
  expect(breaker.state()).toBe('open')
  await expect(call('ok')).rejects.toMatchObject({ message: expect.stringContaining('openai failed 10 of 20 times within 1 m') as string })
  await clock.advance(1_000)
  await call('ok')
  for (let pair = 0; pair < 30; pair += 1) {
    await clock.advance(7_000)
    for (const verdict of ['failed', 'ok'] as const) await call(verdict)
  }
  expect(breaker.state()).toBe('closed')
})

test('in whatever order requests are asked and come back, its state is that of a naive model', () => {
  const step = fc.record({
    waitMs: fc.nat(700),
    place: fc.nat(3),
    settles: fc.boolean(),
    verdict: fc.constantFrom<Verdict>('ok', 'failed', 'failed', null),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      let nowMs = 0
      const clock = { now: () => 0, monotonicMs: () => nowMs, setTimer: () => ({ cancel: () => undefined }) }
      const breaker = makeBreaker<Verdict>({
        name: 'openai',
        clock,
        threshold: 3,
        openMs: 1_000,
        ratioWindowMs: 5_000,
        ratioVerdicts: 6,
        judge: (_, verdict) => verdict ?? null,
      })
      interface Out {
        readonly settle: (verdict: Verdict) => void
        readonly change: number
        readonly isProbe: boolean
      }
      const out: Out[] = []
      let state = 'closed' as BreakerState
      let change = 0
      let openedAtMs = 0
      let verdicts: { readonly atMs: number; readonly verdict: 'ok' | 'failed' }[] = []
      const become = (next: BreakerState): void => {
        state = next
        change += 1
        openedAtMs = nowMs
        if (next === 'closed') verdicts = []
      }
      const hear = (verdict: Verdict, asked: Out): void => {
        if (verdict === null || asked.change !== change) return
        if (asked.isProbe) {
          become(verdict === 'ok' ? 'closed' : 'open')
          return
        }
        verdicts.push({ atMs: nowMs, verdict })
        if (verdict === 'ok') return
        const tenth = (atMs: number): number => Math.floor(atMs / 500)
        const within = verdicts.filter(({ atMs }) => tenth(atMs) > tenth(nowMs) - 10)
        const failed = within.filter((heard) => heard.verdict === 'failed').length
        const lastThree = verdicts.slice(-3)
        const inARow = lastThree.length === 3 && lastThree.every((heard) => heard.verdict === 'failed')
        if (inARow || (within.length >= 6 && failed >= within.length / 2)) become('open')
      }
      for (const { waitMs, place, settles, verdict } of steps) {
        nowMs += waitMs
        if (settles) {
          const [back] = out.splice(place, 1)
          if (back === undefined) continue
          back.settle(verdict)
          hear(verdict, back)
        } else {
          const isProbe: boolean = state === 'half-open' || (state === 'open' && nowMs >= openedAtMs + 1_000)
          const mayPass = state === 'closed' || (isProbe && !out.some((other) => other.isProbe))
          if (isProbe) state = 'half-open'
          if (mayPass) {
            const ticket = breaker.enter(null, signal) as Ticket<Verdict>
            out.push({ settle: (given) => void ticket.settle('ok', given), change, isProbe })
          } else expect(() => breaker.enter(null, signal)).toThrow(/openai failed/)
        }
        expect(breaker.state()).toBe(state)
        expect(out.filter((other) => other.isProbe).length).toBeLessThanOrEqual(1)
      }
    }),
    { numRuns: 300 },
  )
})

test('gates are entered in order and settled in reverse, once; a refusal gives back what was held', async () => {
  const told: string[] = []
  const gate = (name: string, refuses = false): Gate<null, string> => ({
    name,
    enter: () => {
      told.push(`enter ${name}`)
      if (refuses) throw new Error(`${name} refuses`)
      return {
        sent: () => void told.push(`sent ${name}`),
        settle: (settlement, result) => void told.push(`settle ${name} ${settlement} ${result ?? '-'}`),
      }
    },
  })
  const ticket = await enterAll([gate('a'), gate('b')], null, signal)
  ticket.sent()
  await ticket.settle('ok', 'answer')
  await ticket.settle('error')
  expect(told).toEqual(['enter a', 'enter b', 'sent a', 'sent b', 'settle b ok answer', 'settle a ok answer'])
  told.length = 0
  await expect(enterAll([gate('a'), gate('b', true), gate('c')], null, signal)).rejects.toThrow('b refuses')
  expect(told).toEqual(['enter a', 'enter b', 'settle a unsent -'])
})
