import fc from 'fast-check'
import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import type { Clock } from '../core/runtime.ts'
import { makeLimiter, type Limits, type Permit } from './limiter.ts'

const none: Limits = { requestsPerMinute: null, unitsPerMinute: null, atOnce: null }
const signal = new AbortController().signal

/** A clock without promises to settle: the events of a simulation in the order of their time, timers off by what `jitter` says. */
function simulation(jitter: () => number) {
  let nowMs = 0
  let order = 0
  const events: { atMs: number; order: number; run: () => void }[] = []
  const at = (atMs: number, run: () => void) => {
    order += 1
    const event = { atMs: Math.max(nowMs, atMs), order, run }
    events.push(event)
    return { cancel: () => void (events.includes(event) && events.splice(events.indexOf(event), 1)) }
  }
  // Wall time jumps by an hour, back and forth.
  const clock: Clock = {
    now: () => nowMs + (order % 3) * 3_600_000,
    monotonicMs: () => nowMs,
    setTimer: (run, delayMs) => at(nowMs + delayMs + jitter(), run),
  }
  const run = async (): Promise<void> => {
    for (;;) {
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve()
      const next = events.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (next === undefined) return
      events.splice(events.indexOf(next), 1)
      nowMs = Math.max(nowMs, next.atMs)
      next.run()
    }
  }
  return { clock, at, run, now: () => nowMs }
}

function mostInAnyWindow(sent: readonly { atMs: number; units: number }[]): { requests: number; units: number } {
  let requests = 0
  let units = 0
  for (const { atMs } of sent) {
    const inside = sent.filter((other) => other.atMs >= atMs && other.atMs <= atMs + 60_000)
    requests = Math.max(requests, inside.length)
    units = Math.max(
      units,
      inside.reduce((sum, other) => sum + other.units, 0),
    )
  }
  return { requests, units }
}

describe('in every window of 60 s', () => {
  test('no more leave than the limits say, whatever the timers, the lateness of sending and the answers do', async () => {
    const request = fc.record({
      atMs: fc.integer({ min: 0, max: 150_000 }),
      units: fc.integer({ min: 1, max: 400 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      lateMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })),
      takesMs: fc.integer({ min: 0, max: 20_000 }),
      ending: fc.constantFrom('ok' as const, 'error' as const, 'unsent' as const, 'aborted' as const),
      priority: fc.integer({ min: 1, max: 10 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 9 }),
        async (requests, perMinute, noise) => {
          let draws = noise
          const world = simulation(() => {
            draws = (draws * 7 + 3) % 12
            return draws - 1
          })
          const limiter = makeLimiter({ requestsPerMinute: perMinute, unitsPerMinute: 1_000, atOnce: 4 }, world.clock)
          const sent: { atMs: number; units: number }[] = []
          let out = 0
          for (const { atMs, units, share, lateMs, takesMs, ending, priority } of requests) {
            world.at(atMs, () => {
              void limiter.enter({ units, priority }, signal).then((permit) => {
                out += 1
                expect(out).toBeLessThanOrEqual(4)
                const settle = (actual?: number): void => {
                  out -= 1
                  permit.settle(ending, actual)
                }
                if (ending === 'unsent') world.at(world.now() + lateMs, () => settle())
                else {
                  world.at(world.now() + lateMs, () => {
                    permit.sent()
                    const actual = Math.ceil(units * share)
                    const entry = { atMs: world.now(), units }
                    sent.push(entry)
                    world.at(world.now() + takesMs, () => {
                      if (ending === 'ok') entry.units = actual
                      settle(ending === 'ok' ? actual : undefined)
                    })
                  })
                }
              })
            })
          }
          await world.run()
          expect(sent).toHaveLength(requests.filter(({ ending }) => ending !== 'unsent').length)
          const most = mostInAnyWindow(sent)
          expect(most.requests).toBeLessThanOrEqual(perMinute)
          expect(most.units).toBeLessThanOrEqual(1_000)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('600 requests that reserve 4,000 and use 1,650 pass 60 and 100,000 a minute within 650 s', async () => {
    const world = simulation(() => 0)
    const limiter = makeLimiter({ requestsPerMinute: 60, unitsPerMinute: 100_000, atOnce: null }, world.clock)
    let lastMs = 0
    for (let index = 0; index < 600; index += 1) {
      void limiter.enter({ units: 4_000 }, signal).then((permit) => {
        permit.sent()
        lastMs = world.now()
        world.at(world.now() + 2_000, () => permit.settle('ok', 1_650))
      })
    }
    await world.run()
    expect(lastMs).toBeLessThanOrEqual(650_000)
    expect(lastMs).toBeGreaterThanOrEqual(540_000)
  })
})

async function grant(limiter: ReturnType<typeof makeLimiter>, units = 1): Promise<Permit> {
  const permit = await limiter.enter({ units }, signal)
  permit.sent()
  return permit
}

test('those who wait are served by priority, then in their order', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, atOnce: 1 }, clock)
  const first = await grant(limiter)
  const served: string[] = []
  const ask = (name: string, priority: number): void =>
    void limiter.enter({ units: 1, priority }, signal).then((permit) => {
      served.push(name)
      permit.settle('ok')
    })
  ask('a5', 5)
  ask('b5', 5)
  ask('c9', 9)
  first.settle('ok')
  await clock.advance(0)
  expect(served).toEqual(['c9', 'a5', 'b5'])
})

test('an aborted waiter leaves with its reason, and the next one is served', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, requestsPerMinute: 1 }, clock)
  await grant(limiter)
  const controller = new AbortController()
  const aborted = limiter.enter({ units: 1 }, controller.signal)
  const next = limiter.enter({ units: 1 }, signal)
  controller.abort(new Error('stopped'))
  await expect(aborted).rejects.toThrow('stopped')
  await clock.advance(60_002)
  expect((await next).waitedMs).toBeGreaterThanOrEqual(60_000)
  expect(limiter.stats()).toMatchObject({ waiting: 0 })
})

test('a wait that cannot end before the deadline is refused at once', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, requestsPerMinute: 1 }, clock)
  await grant(limiter)
  await expect(limiter.enter({ units: 1, deadlineAtMs: clock.monotonicMs() + 30_000 }, signal)).rejects.toMatchObject({
    code: 'rate_limited',
  })
  await expect(limiter.enter({ units: 1 }, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
})

test('the wait is counted by those who come first, not by those of a lower priority', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, requestsPerMinute: 2 }, clock)
  await grant(limiter)
  await clock.advance(10_000)
  await grant(limiter)
  const low = Array.from({ length: 3 }, () => limiter.enter({ units: 1, priority: 3 }, signal))
  const deadlineAtMs = clock.monotonicMs() + 50_500
  // The fourth in line leaves in the second window, 70 s from the first grant.
  await expect(limiter.enter({ units: 1, priority: 3, deadlineAtMs }, signal)).rejects.toMatchObject({ code: 'rate_limited' })
  const urgent = limiter.enter({ units: 1, priority: 9, deadlineAtMs }, signal)
  await clock.advance(50_002)
  expect((await urgent).waitedMs).toBeLessThanOrEqual(50_002)
  await clock.advance(180_000)
  for (const permit of await Promise.all(low.slice(0, 1))) permit.settle('ok')
})

test('a wait that ends by the deadline is never refused, whoever else waits and whatever the remote says', async () => {
  const before = fc.record({ atMs: fc.nat(90_000), units: fc.integer({ min: 1, max: 60 }), priority: fc.integer({ min: 4, max: 6 }) })
  const probe = fc.record({ atMs: fc.nat(90_000), units: fc.integer({ min: 1, max: 60 }) })
  let waits = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(before, { maxLength: 40, size: 'max' }),
      probe,
      fc.integer({ min: 1, max: 8 }),
      fc.nat(8),
      async (others, asked, perMinute, remaining) => {
        const servedAt = async (deadline: { deadlineAtMs?: number }): Promise<number | 'refused'> => {
          const world = simulation(() => -0.9)
          const limiter = makeLimiter({ requestsPerMinute: perMinute, unitsPerMinute: 100, atOnce: null }, world.clock)
          let outcome: number | 'refused' = 0
          const leave = (permit: Permit): void => {
            permit.sent()
            permit.settle('ok')
          }
          for (const { atMs, units, priority } of others) world.at(atMs, () => void limiter.enter({ units, priority }, signal).then(leave))
          world.at(20_000, () => limiter.correct({ remainingRequests: remaining, resetRequestsMs: 30_000, remainingUnits: 10 * remaining }))
          world.at(asked.atMs, () => {
            void limiter.enter({ units: asked.units, ...deadline }, signal).then(
              (permit) => {
                outcome = world.now()
                leave(permit)
              },
              () => {
                outcome = 'refused'
              },
            )
          })
          await world.run()
          return outcome
        }
        const atMs = await servedAt({})
        if (atMs === 'refused') throw new Error('refused without a deadline')
        if (atMs > asked.atMs) waits += 1
        expect(await servedAt({ deadlineAtMs: atMs })).toBe(atMs)
      },
    ),
    { numRuns: 150 },
  )
  expect(waits).toBeGreaterThan(0)
})

test('who waits for a permit that leaves late is served a minute after it left, though it has not come back', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, requestsPerMinute: 1 }, clock)
  const held = await limiter.enter({ units: 1 }, signal)
  const next = limiter.enter({ units: 1 }, signal)
  await clock.advance(5_000)
  held.sent()
  await clock.advance(60_001)
  expect((await next).waitedMs).toBe(65_001)
})

test('those who leave with one signal leave together: none of them is served in between', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, unitsPerMinute: 100 }, clock)
  await grant(limiter, 50)
  const controller = new AbortController()
  const large = limiter.enter({ units: 90 }, controller.signal).catch((error: Error) => error.message)
  const small = limiter.enter({ units: 10 }, controller.signal).catch((error: Error) => error.message)
  const other = limiter.enter({ units: 20 }, signal)
  controller.abort(new Error('stopped'))
  expect(await Promise.all([large, small])).toEqual(['stopped', 'stopped'])
  expect((await other).waitedMs).toBe(0)
  expect(limiter.stats()).toMatchObject({ waiting: 0, requests: 2, units: 70 })
})

test('whoever has been served listens no more', async () => {
  const limiter = makeLimiter({ ...none, atOnce: 1 }, fakeClock())
  const first = await grant(limiter)
  const controller = new AbortController()
  const next = limiter.enter({ units: 1 }, controller.signal)
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
  first.settle('ok')
  await next
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
})

test('a request that can never fit is refused, not kept for ever', async () => {
  const limiter = makeLimiter({ ...none, unitsPerMinute: 100 }, fakeClock())
  await expect(limiter.enter({ units: 101 }, signal)).rejects.toThrow(/101 tokens can never fit a limit of 100/)
})

test('what was never sent gives back its place at once', async () => {
  const limiter = makeLimiter({ ...none, requestsPerMinute: 1 }, fakeClock())
  const permit = await limiter.enter({ units: 1 }, signal)
  permit.settle('unsent')
  permit.settle('unsent')
  expect(limiter.stats()).toMatchObject({ requests: 0, atOnce: 0 })
  await limiter.enter({ units: 1 }, signal)
})

test('what the provider says is left corrects the window, for as long as it says', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ ...none, requestsPerMinute: 10 }, clock)
  limiter.correct({ remainingRequests: 0, resetRequestsMs: 5_000 })
  let served = false
  void limiter.enter({ units: 1 }, signal).then(() => {
    served = true
  })
  await clock.advance(4_900)
  expect(served).toBe(false)
  await clock.advance(200)
  expect(served).toBe(true)
  limiter.correct({ remainingRequests: 500 })
  expect(limiter.stats().requests).toBe(1)
})

test('a limit that the provider states holds when it is the lower one, and who can no longer fit is told', async () => {
  const clock = fakeClock()
  const limiter = makeLimiter({ requestsPerMinute: 60, unitsPerMinute: null, atOnce: null }, clock)
  limiter.correct({ limitRequests: 500, limitUnits: 1_000 })
  await grant(limiter, 900)
  const waiting = limiter.enter({ units: 800 }, signal)
  const next = limiter.enter({ units: 50 }, signal)
  expect(limiter.stats()).toMatchObject({ requests: 1, units: 900, utilization: 0.9 })
  limiter.correct({ limitRequests: 2, limitUnits: 700 })
  await expect(waiting).rejects.toThrow(/800 tokens can never fit a limit of 700/)
  limiter.correct({ limitRequests: 100, limitUnits: 1_000 })
  expect((await next).waitedMs).toBe(0)
  limiter.correct({ limitRequests: 0, limitUnits: 0 })
  expect(limiter.stats().utilization).toBe(0.95)
})

test('two accounts of the same use by others are counted once', () => {
  const limiter = makeLimiter({ ...none, requestsPerMinute: 100 }, fakeClock())
  limiter.correct({ remainingRequests: 60, resetRequestsMs: 30_000 })
  limiter.correct({ remainingRequests: 60, resetRequestsMs: 30_000 })
  limiter.correct({ remainingRequests: 70, resetRequestsMs: 30_000 })
  expect(limiter.stats().requests).toBe(40)
})

test('without limits everybody passes', async () => {
  const limiter = makeLimiter(none, fakeClock())
  const permits = await Promise.all(Array.from({ length: 1_000 }, () => limiter.enter({ units: 1e9 }, signal)))
  expect(permits.every((permit) => permit.waitedMs === 0)).toBe(true)
  for (const permit of permits) permit.sent()
  // And nothing is remembered for a window that bounds nothing.
  expect(limiter.stats()).toEqual({ waiting: 0, atOnce: 1_000, requests: 0, units: 0, utilization: 0 })
})
