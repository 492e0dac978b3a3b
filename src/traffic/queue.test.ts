import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makeQueue } from './queue.ts'

const signal = new AbortController().signal

test('no job starts before one of a higher effective priority, or before an older one of the same', async () => {
  const job = fc.record({ afterMs: fc.nat(40_000), priority: fc.integer({ min: 1, max: 10 }), cancelled: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(job, { minLength: 1, maxLength: 40, size: 'max' }), async (jobs) => {
      let nowMs = 0
      const clock = { now: () => 0, monotonicMs: () => nowMs, setTimer: () => ({ cancel: () => undefined }) }
      const queue = makeQueue({ clock, concurrency: 1 })
      queue.pause()
      const started: number[] = []
      const ranks: number[] = []
      const waits = jobs.map(({ afterMs, priority, cancelled }, index) => {
        nowMs += afterMs
        ranks.push(nowMs - 30_000 * priority)
        const controller = new AbortController()
        const wait = queue.run(async () => void started.push(index), { priority }, controller.signal).catch(() => undefined)
        if (cancelled) controller.abort(new Error('cancelled'))
        return wait
      })
      queue.resume()
      await Promise.all(waits)
      const expected = jobs
        .flatMap(({ cancelled }, index) => (cancelled ? [] : [index]))
        .toSorted((a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0) || a - b)
      expect(started).toEqual(expected)
      expect(queue.stats()).toMatchObject({ waiting: 0, running: 0, finished: expected.length })
    }),
  )
})

test('whatever comes, ends, is cancelled or paused, jobs start as a naive queue that weighs them all anew would start them', async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('add' as const), priority: fc.integer({ min: 1, max: 10 }), sizeBytes: fc.nat(30) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(2), fails: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), tenths: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(10) }) },
    { weight: 1, arbitrary: fc.constantFrom({ kind: 'pause' as const }, { kind: 'resume' as const }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      let nowMs = 0
      const clock = { now: () => 0, monotonicMs: () => nowMs, setTimer: () => ({ cancel: () => undefined }) }
      const queue = makeQueue({ clock, concurrency: 2, maxWaiting: 8, maxWaitingBytes: 100 })
      interface Job {
        readonly name: number
        readonly priority: number
        readonly sizeBytes: number
        readonly sinceMs: number
        readonly controller: AbortController
        end: (fails: boolean) => void
      }
      let waiting: Job[] = []
      let running: Job[] = []
      let paused = false
      const started: number[] = []
      const expected: number[] = []
      const outcomes: Promise<string>[] = []
      const expectedOutcomes: string[] = []
      // A step of 3 s is exact in tenths of a priority, so that equal ones are equal.
      const weight = ({ priority, sinceMs }: Job): number => Math.round(10 * priority + (nowMs - sinceMs) / 3_000)
      const serve = (): void => {
        while (!paused && running.length < 2 && waiting.length > 0) {
          const best = waiting.reduce((a, b) => (weight(b) > weight(a) ? b : a))
          waiting = waiting.filter((job) => job !== best)
          running.push(best)
          expected.push(best.name)
        }
      }
      for (const [name, action] of steps.entries()) {
        if (action.kind === 'wait') nowMs += action.tenths * 3_000
        else if (action.kind === 'pause' || action.kind === 'resume') {
          paused = action.kind === 'pause'
          queue[action.kind]()
          serve()
        } else if (action.kind === 'cancel') {
          const job = [...running, ...waiting][action.which]
          if (job === undefined) continue
          job.controller.abort(new Error('cancelled'))
          // What runs goes on: it has the signal and may heed it.
          if (waiting.includes(job)) expectedOutcomes[job.name] = 'cancelled'
          waiting = waiting.filter((other) => other !== job)
        } else if (action.kind === 'end') {
          const job = running[action.which]
          if (job === undefined) continue
          running = running.filter((other) => other !== job)
          job.end(action.fails)
          expectedOutcomes[job.name] = action.fails ? 'failed' : 'done'
          serve()
        } else {
          const { priority, sizeBytes } = action
          const job: Job = { name, priority, sizeBytes, sinceMs: nowMs, controller: new AbortController(), end: () => undefined }
          const work = (): Promise<string> => {
            started.push(name)
            return new Promise((resolve, reject) => {
              job.end = (fails) => (fails ? reject(new Error('failed')) : resolve('done'))
            })
          }
          const mustWait = paused || running.length >= 2
          const bytes = waiting.reduce((sum, other) => sum + other.sizeBytes, 0)
          outcomes[name] = queue.run(work, { priority, sizeBytes }, job.controller.signal).catch((error: Error) => error.message)
          if (mustWait && (waiting.length >= 8 || bytes + sizeBytes > 100)) expectedOutcomes[name] = 'refused'
          else waiting.push(job)
          serve()
        }
        for (let turn = 0; turn < 6; turn += 1) await Promise.resolve()
        expect(started).toEqual(expected)
        const waitingBytes = waiting.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        expect(queue.stats()).toMatchObject({ waiting: waiting.length, waitingBytes, running: running.length })
      }
      for (const [name, outcome] of expectedOutcomes.entries()) {
        if (outcome === undefined) continue
        expect(await outcomes[name]).toMatch(outcome === 'refused' ? /^the queue takes no more/ : outcome)
      }
    }),
    { numRuns: 200 },
  )
})

test('all who wait with one signal leave at once; what runs with it goes on', async () => {
  const queue = makeQueue({ clock: fakeClock(), concurrency: 1 })
  const controller = new AbortController()
  let end = (): void => undefined
  const running = queue.run(() => new Promise<void>((resolve) => void (end = resolve)), {}, controller.signal)
  const waits = [1, 2, 3].map((name) =>
    queue.run(() => Promise.resolve(name), {}, controller.signal).catch((error: Error) => error.message),
  )
  const other = queue.run(() => Promise.resolve('other'), { priority: 1 }, signal)
  controller.abort(new Error('stopped'))
  expect(await Promise.all(waits)).toEqual(['stopped', 'stopped', 'stopped'])
  expect(queue.stats()).toMatchObject({ waiting: 1, running: 1 })
  end()
  await running
  expect(await other).toBe('other')
})

test('a job that throws at once fails, and frees its place', async () => {
  const queue = makeQueue({ clock: fakeClock(), concurrency: 1 })
  const broken = (): Promise<void> => {
    throw new Error('at once')
  }
  await expect(queue.run(broken, {}, signal)).rejects.toThrow('at once')
  expect(await queue.run(() => Promise.resolve('next'), {}, signal)).toBe('next')
})

test('as many run at once as may, and a failing job frees its place', async () => {
  const clock = fakeClock()
  const queue = makeQueue({ clock, concurrency: 2 })
  let running = 0
  let most = 0
  const jobs = Array.from({ length: 6 }, (_, index) =>
    queue
      .run(
        async () => {
          running += 1
          most = Math.max(most, running)
          await new Promise((resolve) => clock.setTimer(() => resolve(undefined), 10))
          running -= 1
          if (index % 2 === 0) throw new Error(`job ${index}`)
          return index
        },
        {},
        signal,
      )
      .catch((error: Error) => error.message),
  )
  await clock.advance(100)
  expect(await Promise.all(jobs)).toEqual(['job 0', 1, 'job 2', 3, 'job 4', 5])
  expect(most).toBe(2)
})

test('an urgent job overtakes, an old one is not starved by urgent ones for ever', async () => {
  const clock = fakeClock()
  const queue = makeQueue({ clock, concurrency: 1 })
  queue.pause()
  const order: string[] = []
  const add = (name: string, priority: number): void => void queue.run(async () => void order.push(name), { priority }, signal)
  add('old and low', 1)
  await clock.advance(280_000)
  add('fresh and urgent', 10)
  await clock.advance(1)
  add('late and urgent', 10)
  queue.resume()
  await queue.drain()
  expect(order).toEqual(['old and low', 'fresh and urgent', 'late and urgent'])
})

test('what would exceed the bounds on count or bytes is refused with the reason', async () => {
  const queue = makeQueue({ clock: fakeClock(), concurrency: 1, maxWaiting: 2, maxWaitingBytes: 100 })
  queue.pause()
  const wait = queue.run(() => Promise.resolve(), { sizeBytes: 60 }, signal)
  await expect(queue.run(() => Promise.resolve(), { sizeBytes: 60 }, signal)).rejects.toMatchObject({
    code: 'queue_full',
    message: expect.stringContaining('60 bytes') as string,
  })
  const second = queue.run(() => Promise.resolve(), {}, signal)
  await expect(queue.run(() => Promise.resolve(), {}, signal)).rejects.toMatchObject({
    code: 'queue_full',
    message: expect.stringContaining('2 jobs') as string,
  })
  queue.resume()
  await Promise.all([wait, second, queue.drain()])
  expect(queue.stats()).toMatchObject({ rejected: 2, waitingBytes: 0 })
})

test('a job hears how long it waited', async () => {
  const clock = fakeClock()
  const queue = makeQueue({ clock, concurrency: 1 })
  queue.pause()
  const waited = queue.run((waitedMs) => Promise.resolve(waitedMs), {}, signal)
  await clock.advance(1_234)
  queue.resume()
  expect(await waited).toBe(1_234)
  expect(queue.stats()).toMatchObject({ meanWaitMs: 1_234, longestWaitMs: 1_234 })
})
