import { expect, test } from 'vitest'
import { mostPoints } from './history.ts'
import { standingOf } from './benchView.ts'
import { events, finished, foldEvents, interval, resources, target, targets } from './benchView.testkit.ts'

const opening = events.slice(0, 2)

test('a scenario waits, is prepared, warms up, is measured, is finished', () => {
  const statusAfter = (count: number): readonly string[] => foldEvents(events.slice(0, count)).scenarios.map(({ status }) => status)
  expect(statusAfter(1)).toEqual(['waiting', 'waiting', 'waiting', 'waiting'])
  expect(statusAfter(2)[0]).toBe('preparing')
  expect(statusAfter(3)[0]).toBe('warm-up')
  expect(statusAfter(8)[0]).toBe('measuring')
  expect(statusAfter(events.length)).toEqual(['finished', 'measuring', 'waiting', 'waiting'])
})

test('the warm-up is no part of what is shown of the measurement', () => {
  const [series] = foldEvents(events.slice(0, 2 + 6)).series
  expect(series?.history.points).toHaveLength(2)
  expect(series?.measuredMs).toBe(500)
})

test('hours of a series fit into a bounded history that still spans all of it', () => {
  const count = 20_000
  const list = Array.from({ length: count }, (_, index) => interval('sessions', 4 + index))
  const state = foldEvents([...opening, ...list, ...Array.from({ length: 1_000 }, (_, index) => resources('sessions', index))])
  const [series] = state.series
  const points = series?.history.points ?? []
  expect(points.length).toBeLessThanOrEqual(mostPoints)
  expect(points.length).toBeGreaterThan(mostPoints / 4)
  expect(points.reduce((sum, point) => sum + point.count, 0)).toBe(124 * count)
  expect(points.reduce((sum, point) => sum + point.durationMs, 0)).toBe(250 * count)
  expect(Math.max(...points.map(({ max }) => max))).toBe(30)
  expect(series?.gauges['queueDepth']).toHaveLength(mostPoints)
  expect(state.resources).toHaveLength(mostPoints)
})

test('a target stands provisionally while its scenario runs, and as the bench says afterwards', () => {
  const [sessionsP95] = targets
  if (sessionsP95 === undefined) return expect.fail()
  const running = foldEvents(events.slice(0, 30))
  expect(standingOf(running, sessionsP95)).toMatchObject({ kind: 'so far', verdict: 'pass', measured: 9 })
  const done = foldEvents(events)
  const judged = done.targets.find(({ id }) => id === sessionsP95.id)
  expect(judged && standingOf(done, judged)).toMatchObject({ kind: 'final', verdict: 'pass', samples: 16_000 })
})

test('a second look begins anew and is provisional again', () => {
  const first = [...events.slice(0, 30), { type: 'scenario-finished', scenario: 'sessions', series: [finished('sessions')] } as const]
  const again = foldEvents([...first, { type: 'scenario-started', scenario: 'sessions', plannedMs: 60_000 }, interval('sessions', 9)])
  expect(again.scenarios[0]).toMatchObject({ looks: 2, status: 'measuring', plannedMs: 60_000 })
  expect(again.series[0]?.history.points).toHaveLength(1)
  expect(standingOf(again, target('session-operations-p95', 'sessions')).kind).toBe('so far')
})

test('of series that are measured at once one is followed, until it is silent', () => {
  const together = foldEvents([...opening, interval('sessions', 5), interval('sessions:other', 5), interval('sessions', 6)])
  expect(together.followed).toBe('sessions')
  const later = foldEvents(
    Array.from({ length: 8 }, (_, index) => interval('sessions:other', 6 + index)),
    together,
    5_000,
  )
  expect(later.followed).toBe('sessions:other')
})

test('memory is judged by its peak in its own scenario, once there are enough samples of it', () => {
  const memory = target('memory', 'resources')
  const few = foldEvents([...opening, resources('sessions', 90), resources('resources', 3), resources('resources', 1)])
  expect(standingOf(few, memory)).toMatchObject({ kind: 'so far', measured: 303, samples: 2, verdict: 'inconclusive', samplesMissing: 28 })
  const enough = foldEvents(
    Array.from({ length: 28 }, () => resources('resources', 2)),
    few,
  )
  expect(standingOf(enough, memory)).toMatchObject({ kind: 'so far', measured: 303, samples: 30, verdict: 'pass', samplesMissing: null })
})
