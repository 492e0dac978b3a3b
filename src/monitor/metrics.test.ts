import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makeMetrics } from './metrics.ts'
import { prometheusText } from './prometheus.ts'

test('an endpoint has its count, errors, extremes, mean and percentiles', () => {
  const metrics = makeMetrics(fakeClock())
  for (let ms = 1; ms <= 1_000; ms += 1) metrics.record('GET /a', ms, ms % 10 !== 0)
  metrics.record('GET /b', 5, true)
  const [a, b] = metrics.endpoints()
  expect(a).toMatchObject({ endpoint: 'GET /a', count: 1_000, errors: 100, errorRate: 0.1 })
  expect(b).toMatchObject({ endpoint: 'GET /b', count: 1, errors: 0, errorRate: 0 })
  for (const [is, wanted] of [
    [a?.minMs, 1],
    [a?.maxMs, 1_000],
    [a?.meanMs, 500.5],
    [a?.p50Ms, 500],
    [a?.p95Ms, 950],
    [a?.p99Ms, 990],
  ] as const) {
    expect(Math.abs((is ?? 0) - wanted) / wanted).toBeLessThan(0.002)
  }
})

test('whatever is recorded, extremes bound the percentiles and nothing is no number', () => {
  const times = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(times, (all) => {
      const metrics = makeMetrics(fakeClock())
      for (const ms of all) metrics.record('x', ms, true)
      const [x] = metrics.endpoints()
      const ascending = [x?.minMs, x?.p50Ms, x?.p95Ms, x?.p99Ms].map(Number)
      expect(ascending.every((value, index) => value >= (ascending[index - 1] ?? 0))).toBe(true)
      expect(x?.count).toBe(all.length)
      expect(Number(x?.p99Ms)).toBeLessThanOrEqual(Number(x?.maxMs) * 1.001 + 0.001)
    }),
  )
})

test('any async function is tracked, with what it returns and how it fails', async () => {
  const clock = fakeClock()
  const metrics = makeMetrics(clock)
  const tracked = metrics.track('work', async () => {
    await clock.advance(40)
    return 'done'
  })
  expect(await tracked).toBe('done')
  await expect(metrics.track('work', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(metrics.endpoints()).toMatchObject([{ endpoint: 'work', count: 2, errors: 1 }])
  expect(Math.round(metrics.endpoints()[0]?.maxMs ?? 0)).toBe(40)
})

test('a reset starts from zero and says when', async () => {
  const clock = fakeClock()
  const metrics = makeMetrics(clock)
  metrics.record('x', 1, true)
  await clock.advance(5_000)
  metrics.reset()
  expect([metrics.endpoints(), metrics.since()]).toEqual([[], clock.now()])
})

test('names without end do not eat the memory', () => {
  const metrics = makeMetrics(fakeClock())
  for (let index = 0; index < 700; index += 1) metrics.record(`name ${index}`, 1, true)
  const endpoints = metrics.endpoints()
  expect(endpoints.length).toBeLessThanOrEqual(501)
  expect(endpoints.reduce((sum, { count }) => sum + count, 0)).toBe(700)
})

test('Prometheus reads them: each name once with help and type, each line a sample', () => {
  const metrics = makeMetrics(fakeClock())
  metrics.record('GET /api/sessions/:id', 12, true)
  metrics.record('GET /a"b\\', 12, false)
  const text = prometheusText(metrics.endpoints(), [{ name: 'orx_ready', help: 'Whether it is.', value: 1 }])
  expect(text).toContain('orx_http_requests_total{method="GET",route="/api/sessions/:id"} 1\n')
  expect(text).toContain('orx_http_request_errors_total{method="GET",route="/a\\"b\\\\"} 1\n')
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? [0-9.e+-]+)$/)
  const types = text.split('\n').filter((line) => line.startsWith('# TYPE'))
  expect(new Set(types).size).toBe(types.length)
})
