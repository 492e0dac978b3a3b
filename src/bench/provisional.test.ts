import { expect, test } from 'vitest'
import { provisionalVerdict, type SoFar } from './provisional.ts'
import type { TargetReport } from './report.ts'
import { judgePercentile } from './verdict.ts'

const target: TargetReport = {
  id: 't',
  source: 'a test',
  description: 'd',
  scenario: 's',
  metric: 'response',
  percentile: 99,
  direction: 'max',
  limit: 10,
  unit: 'ms',
  measured: null,
  samples: 0,
  exceeded: 0,
  verdict: 'invalid',
  reason: '',
  samplesMissing: null,
}
const soFar = (count: number, exceeded: number, more: Partial<SoFar> = {}): SoFar => ({
  count,
  errors: 0,
  measuredMs: 1_000,
  p50: 1,
  p95: 2,
  p99: 3,
  exceeded: { 10: exceeded },
  ...more,
})

test.each([
  [298, 0, 'inconclusive', 1],
  [299, 0, 'pass', null],
  [100, 20, 'fail', null],
  [1_000, 8, 'inconclusive', expect.any(Number)],
  [1_000, 10, 'inconclusive', null],
  [1_000_000, 5_000, 'pass', null],
  [1_000_000, 20_000, 'fail', null],
  [1_000_000, 9_900, 'inconclusive', expect.any(Number)],
])('of %d samples %d beyond the limit is %s so far', (count, exceeded, verdict, samplesMissing) => {
  expect(provisionalVerdict(target, soFar(count, exceeded), 35)).toEqual({ measured: 3, samples: count, verdict, samplesMissing })
})

test('where few exceed, it says what the bench would say', () => {
  for (let exceeded = 0; exceeded < 60; exceeded += 1)
    expect(provisionalVerdict(target, soFar(3_000, exceeded), 35)?.verdict).toBe(judgePercentile(exceeded, 3_000, 99, 35))
})

test('rates are known on the way, figures of the end are not, nor is anything without samples', () => {
  const rate = { ...target, metric: 'achievedPerSecond', percentile: null, direction: 'min', limit: 495 } as const
  expect(provisionalVerdict(rate, soFar(500, 0), 35)).toMatchObject({ measured: 500, verdict: 'pass' })
  const errors = { ...target, metric: 'errorRatePercent', percentile: null, limit: 0.1 }
  expect(provisionalVerdict(errors, soFar(500, 0, { errors: 5 }), 35)).toMatchObject({ measured: 1, verdict: 'fail' })
  expect(provisionalVerdict({ ...target, metric: 'hitRatio', percentile: null }, soFar(500, 0), 35)).toBeNull()
  expect(provisionalVerdict(target, soFar(0, 0), 35)).toBeNull()
  expect(provisionalVerdict({ ...target, limit: 11 }, soFar(500, 0), 35)).toBeNull()
})
