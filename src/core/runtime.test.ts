import { expect, test } from 'vitest'
import { fakeClock } from './clock.testkit.ts'
import { seededRandom } from './random.ts'
import { deadlineAfter, sleep, untilAborted } from './runtime.ts'

test('a sleep ends at its time and not before', async () => {
  const clock = fakeClock()
  let awake = false
  const sleeping = sleep(clock, 100).then(() => {
    awake = true
  })
  await clock.advance(99)
  expect(awake).toBe(false)
  await clock.advance(1)
  await sleeping
  expect(awake).toBe(true)
})

test('an aborted sleep rejects with the reason and leaves no timer', async () => {
  const clock = fakeClock()
  const controller = new AbortController()
  const sleeping = sleep(clock, 100, controller.signal)
  controller.abort(new Error('enough'))
  await expect(sleeping).rejects.toThrow('enough')
  expect(clock.pending()).toBe(0)
})

test('a deadline aborts with its own reason, or with its parent when that is first', async () => {
  const clock = fakeClock()
  const late = deadlineAfter(clock, 50, () => new Error('late'))
  await clock.advance(50)
  expect(late.signal.reason).toEqual(new Error('late'))

  const parent = new AbortController()
  const child = deadlineAfter(clock, 50, () => new Error('late'), parent.signal)
  parent.abort(new Error('stopped'))
  expect(child.signal.reason).toEqual(new Error('stopped'))
  expect(clock.pending()).toBe(0)
})

test('a cancelled deadline never aborts', async () => {
  const clock = fakeClock()
  const deadline = deadlineAfter(clock, 50, () => new Error('late'))
  deadline.cancel()
  await clock.advance(100)
  expect(deadline.signal.aborted).toBe(false)
})

test('untilAborted gives the value, the failure or the reason, whichever is first', async () => {
  const controller = new AbortController()
  await expect(untilAborted(Promise.resolve(1), controller.signal)).resolves.toBe(1)
  await expect(untilAborted(Promise.reject(new Error('broken')), controller.signal)).rejects.toThrow('broken')
  const waiting = untilAborted(new Promise(() => undefined), controller.signal)
  controller.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
})

test('one seed gives one sequence, another seed another, both uniform', () => {
  const draw = (seed: string): number[] => Array.from({ length: 2_000 }, seededRandom(seed))
  expect(draw('a')).toEqual(draw('a'))
  expect(draw('a')).not.toEqual(draw('b'))
  const mean = draw('a').reduce((sum, value) => sum + value, 0) / 2_000
  expect(mean).toBeGreaterThan(0.47)
  expect(mean).toBeLessThan(0.53)
})
