import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import type { Clock } from '../core/runtime.ts'
import { makeRetry } from './retry.ts'
import { parseRetryAfter } from './retryAfter.ts'

interface Failure extends Error {
  readonly askedMs: number
}

const signal = new AbortController().signal
const failing = (failures: number) => async (tryNumber: number) => {
  if (tryNumber <= failures) throw new Error(`try ${tryNumber}`)
  return tryNumber
}

test('tries again after a pause, up to three times in all', async () => {
  const clock = fakeClock()
  const retry = makeRetry({ clock, random: () => 0.999, pauseAsked: () => 0 })
  const second = retry(failing(1), signal)
  await clock.advance(499)
  expect(clock.pending()).toBe(1)
  await clock.advance(1)
  expect(await second).toBe(2)
  const never = retry(failing(9), signal).catch((error: Error) => error.message)
  await clock.advance(2_000)
  expect(await never).toBe('try 3')
})

test('waits as long as it was asked to, and gives up at once when that is too long', async () => {
  const clock = fakeClock()
  const asked = makeRetry({ clock, random: () => 0, pauseAsked: () => 7_000 })
  const second = asked(failing(1), signal)
  await clock.advance(6_999)
  expect(clock.pending()).toBe(1)
  await clock.advance(1)
  expect(await second).toBe(2)
  const tooLong = makeRetry({ clock, random: () => 0, pauseAsked: () => 86_400_000 })
  await expect(tooLong(failing(1), signal)).rejects.toThrow('try 1')
})

test('what is not to be tried again fails at once', async () => {
  const retry = makeRetry({ clock: fakeClock(), random: () => 0, pauseAsked: () => null })
  await expect(retry(failing(1), signal)).rejects.toThrow('try 1')
})

test('an abort ends the pause with its reason', async () => {
  const controller = new AbortController()
  const retry = makeRetry({ clock: fakeClock(), random: () => 0.5, pauseAsked: () => 0 })
  const waiting = retry(failing(1), controller.signal)
  await Promise.resolve()
  controller.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
})

test('over many failing calls no more than the reserve and a fifth are retries', async () => {
  const clock = fakeClock()
  const retry = makeRetry({ clock, random: () => 0, pauseAsked: () => 0 })
  let tries = 0
  for (let call = 0; call < 500; call += 1) {
    const outcome = retry(async () => {
      tries += 1
      throw new Error('down')
    }, signal).catch(() => undefined)
    await clock.advance(0)
    await outcome
  }
  expect(tries - 500).toBeLessThanOrEqual(10 + 100)
  expect(tries - 500).toBeGreaterThanOrEqual(100)
})

test('a pause that would not end before the deadline is not begun', async () => {
  const clock = fakeClock()
  const retry = makeRetry({ clock, random: () => 0.5, pauseAsked: () => 1_000 })
  await expect(retry(failing(1), signal, clock.monotonicMs() + 1_250)).rejects.toThrow('try 1')
  const second = retry(failing(1), signal, clock.monotonicMs() + 1_251)
  await clock.advance(1_250)
  expect(await second).toBe(2)
})

test('with an aborted signal nothing is tried', async () => {
  const retry = makeRetry({ clock: fakeClock(), random: () => 0, pauseAsked: () => 0 })
  let tries = 0
  const attempt = async (): Promise<void> => void (tries += 1)
  await expect(retry(attempt, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  expect(tries).toBe(0)
})

test('in whatever order calls succeed and fail: retries stay within reserve and share, tries within their number, pauses within the deadline', async () => {
  const call = fc.record({ failures: fc.nat(4), askedMs: fc.nat(30_000), leftMs: fc.integer({ min: 1, max: 40_000 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 60, size: 'max' }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      async (calls, draw) => {
        let nowMs = 0
        const clock: Clock = {
          now: () => 0,
          monotonicMs: () => nowMs,
          setTimer: (callback, delayMs) => {
            nowMs += delayMs
            queueMicrotask(callback)
            return { cancel: () => undefined }
          },
        }
        const retry = makeRetry({ clock, random: () => draw, pauseAsked: (error) => (error as Failure).askedMs })
        let retries = 0
        for (const [index, { failures, askedMs, leftMs }] of calls.entries()) {
          const deadlineAtMs = nowMs + leftMs
          let tries = 0
          const attempt = async (): Promise<void> => {
            tries += 1
            expect(nowMs).toBeLessThan(deadlineAtMs)
            if (tries <= failures) throw Object.assign(new Error('down'), { askedMs })
          }
          await retry(attempt, signal, deadlineAtMs).catch((error: Failure) => expect(error.message).toBe('down'))
          expect(tries).toBeLessThanOrEqual(3)
          retries += tries - 1
          expect(retries).toBeLessThanOrEqual(10 + 0.2 * (index + 1))
        }
      },
    ),
  )
})

const nowMs = Date.parse('2026-11-24T10:00:00Z')
test.each([
  ['2', 2_000],
  ['0', 0],
  ['86400', 86_400_000],
  ['1.5', 1_500],
  ['Tue, 24 Nov 2026 10:00:30 GMT', 30_000],
  ['Tue, 24 Nov 2026 09:00:00 GMT', 0],
  ['Tuesday, 24-Nov-26 10:00:30 GMT', 30_000],
  ['Tue Nov 24 10:00:30 2026', 30_000],
  ['Soon maybe 2026', undefined],
  ['Tue, 99 Nov 2026 10:00:30 GMT', undefined],
  ['soon', undefined],
  ['-3', undefined],
  ['', undefined],
  [undefined, undefined],
  ['2026', 2_026_000],
])('Retry-After: %s is %s ms', (header, expected) => {
  expect(parseRetryAfter(header, nowMs)).toBe(expected)
})
