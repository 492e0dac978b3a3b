// The drivers against real time and real HTTP: what must hold on any machine, however slow.
import { request } from 'undici'
import { afterAll, describe, expect, test } from 'vitest'
import { makeIo } from '../io.ts'
import { runClosedLoop } from './closedLoop.ts'
import { startKnownServer } from './knownServer.ts'
import type { Leaving } from './leaving.ts'
import { runOpenLoop } from './openLoop.ts'
import { makePacer } from './pacer.ts'
import { poissonSchedule } from './schedule.ts'
import { makeSeries, type Series } from './series.ts'

const { runtime, yieldNow, yieldUntil, loopProbe } = makeIo(process, '')
const { clock } = runtime
const never = new AbortController().signal

function seriesOf(model: 'open' | 'closed', limits: readonly number[] = []): Series {
  const loop = loopProbe()
  return makeSeries({ name: 's', model, unit: 'ms', limits, clock, loop, onProgress: () => undefined })
}
const pacer = makePacer()
afterAll(() => pacer.stop())
const pacing = { clock, yieldNow, yieldUntil, pause: (ms: number) => pacer.pause(ms) }
const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, ms))

describe('an open loop', () => {
  test('counts from the planned start: what waits for a stall is slow, not missing', async () => {
    const series = seriesOf('open')
    const schedule = poissonSchedule([{ durationMs: 1_200, perSecond: 100 }], 1)
    let freeAtMs = 0
    const startMs = clock.monotonicMs()
    const send = async (): Promise<void> => {
      // All that come within half a second wait for its end.
      const atMs = clock.monotonicMs() - startMs
      if (atMs > 300 && atMs < 800) freeAtMs = startMs + 800
      await pause(Math.max(1, freeAtMs - clock.monotonicMs()))
    }
    const dropped = await runOpenLoop(pacing, { schedule, warmupMs: 0, timeoutMs: 5_000, series, unitPerMs: 1, send }, never)
    const report = series.finish({ offeredPerSecond: 100, concurrency: null, dropped })
    expect(report.count).toBe(schedule.length)
    expect(report.response.p99).toBeGreaterThan(350)
    expect(report.response.max).toBeGreaterThan(400)
  })

  test('counts failures and timeouts as slow, by their kind, and leaves out the warm-up', async () => {
    const series = seriesOf('open', [50])
    const schedule = Float64Array.from([0, 10, 200, 210, 220, 230])
    const send = async (index: number, leaving: Leaving): Promise<void> => {
      if (index === 2) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      if (index === 3) await new Promise((_, reject) => leaving.onLeave(() => reject(new Error('left'))))
    }
    const dropped = await runOpenLoop(pacing, { schedule, warmupMs: 100, timeoutMs: 300, series, unitPerMs: 1, send }, never)
    const report = series.finish({ offeredPerSecond: 10, concurrency: null, dropped })
    expect(report).toMatchObject({
      count: 4,
      errors: 2,
      errorsByKind: { ECONNREFUSED: 1, timeout: 1 },
      exceeded: { 50: expect.any(Number) as number },
    })
    expect(report.exceeded['50']).toBeGreaterThanOrEqual(2)
    expect(report.response.max).toBeGreaterThanOrEqual(299)
  })

  test('that would need more at once than it may is invalid', async () => {
    const series = seriesOf('open')
    const schedule = Float64Array.from(Array.from({ length: 20 }, (_, index) => index))
    const dropped = await runOpenLoop(
      pacing,
      { schedule, warmupMs: 0, timeoutMs: 1_000, maxInFlight: 5, series, unitPerMs: 1, send: () => pause(100) },
      never,
    )
    expect(dropped).toBeGreaterThan(0)
    expect(series.finish({ offeredPerSecond: 1_000, concurrency: null, dropped }).invalid.join()).toContain('never sent')
  })

  test('at a rate that the generator cannot make is invalid, and ends soon after it was planned to', async () => {
    const series = seriesOf('open')
    // Ten million a second for 100 ms, each of which takes at least 10 us to send.
    const schedule = Float64Array.from({ length: 1_000_000 }, (_, index) => index / 10_000)
    const send = (): Promise<void> => {
      for (const untilMs = clock.monotonicMs() + 0.01; clock.monotonicMs() < untilMs;);
      return Promise.resolve()
    }
    const dropped = await runOpenLoop(pacing, { schedule, warmupMs: 0, timeoutMs: 1_000, series, unitPerMs: 1, send }, never)
    expect(dropped).toBeGreaterThan(500_000)
    expect(series.finish({ offeredPerSecond: 1e7, concurrency: null, dropped }).invalid.join()).toContain('never sent')
  })

  test('that is stopped counts what was under way as slow', async () => {
    const series = seriesOf('open')
    const stop = new AbortController()
    clock.setTimer(() => stop.abort(new Error('stop')), 150)
    const schedule = Float64Array.from(Array.from({ length: 100 }, (_, index) => index * 20))
    await runOpenLoop(pacing, { schedule, warmupMs: 0, timeoutMs: 1_000, series, unitPerMs: 1, send: () => pause(10_000) }, stop.signal)
    const report = series.finish({ offeredPerSecond: 50, concurrency: null })
    expect(report.errorsByKind).toEqual({ stopped: report.count })
    expect(report.response.p50).toBeGreaterThanOrEqual(999)
  })
})

test('a closed loop has as many under way as it has users, and measures each', async () => {
  const series = seriesOf('closed')
  const { peak } = await runClosedLoop(
    clock,
    { users: 20, warmupMs: 0, durationMs: 300, timeoutMs: 1_000, series, unitPerMs: 1, act: () => pause(30) },
    never,
  )
  const report = series.finish({ offeredPerSecond: null, concurrency: 20 })
  expect(peak).toBe(20)
  expect(report.count).toBeGreaterThanOrEqual(20)
  expect(report.response.p50).toBeGreaterThanOrEqual(29)
})

test('a server of known latencies tells what it did, and stalls for all that come meanwhile', async () => {
  const server = await startKnownServer('trickle', { clock, seed: 1, warmupMs: 0 })
  try {
    const { body } = await request(`http://127.0.0.1:${server.port}/`)
    expect(await body.text()).toBe('piece '.repeat(6))
    await expect.poll(() => server.told().count).toBe(1)
    expect(server.told().percentiles.p50).toBeGreaterThanOrEqual(295)
  } finally {
    server.close()
  }
})
