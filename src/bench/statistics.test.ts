import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeRatio, ratioInterval } from './compare.ts'
import { hgrmText, makeHistogram } from './histogram.ts'
import type { ResourceSample, SeriesReport } from './report.ts'
import { series, target } from './report.testkit.ts'
import { stolenNotes } from './resources.ts'
import { poissonSchedule } from './schedule.ts'
import type { Target } from './targets.ts'
import { binomialAtMost, judgePercentile, judgeTargets, samplesMissing, wholeVerdict } from './verdict.ts'

describe('a histogram', () => {
  test('knows percentiles within a thousandth, whatever is recorded', () => {
    const values = fc.array(fc.double({ min: 0.001, max: 59_000, noNaN: true }), { minLength: 1, maxLength: 300, size: 'max' })
    fc.assert(
      fc.property(values, (all) => {
        const histogram = makeHistogram('ms')
        for (const value of all) histogram.record(value)
        const sorted = all.toSorted((a, b) => a - b)
        for (const percent of [50, 95, 99, 100]) {
          const truth = sorted[Math.max(0, Math.ceil((percent / 100) * all.length) - 1)] ?? 0
          expect(Math.abs(histogram.percentile(percent) - truth)).toBeLessThanOrEqual(truth * 0.001 + 0.002)
        }
      }),
    )
  })

  test('counts exactly what is beyond a limit, also after another was added', () => {
    const [one, two] = [makeHistogram('ms', [100]), makeHistogram('ms', [100])]
    for (const value of [99.9999, 100, 100.0001]) one.record(value)
    two.record(5_000)
    one.add(two)
    expect([one.above(100), one.count()]).toEqual([2, 4])
  })

  test('takes no value that is none, and clamps what is beyond a minute', () => {
    const histogram = makeHistogram('ms')
    expect(() => histogram.record(Number.NaN)).toThrow(TypeError)
    expect(() => histogram.record(-1)).toThrow(TypeError)
    histogram.record(1e9)
    expect(histogram.percentile(100)).toBeCloseTo(60_000, -2)
  })

  test('is a file that plotters read', () => {
    const histogram = makeHistogram('ms')
    for (let value = 1; value <= 100; value += 1) histogram.record(value)
    expect(hgrmText(histogram.encode(), 'ms')).toMatch(/Value\s+Percentile\s+TotalCount/)
  })
})

describe('a schedule', () => {
  test('is the same for the same seed, ascending, and of the rate that was asked for', () => {
    const stages = [
      { durationMs: 10_000, perSecond: 300 },
      { durationMs: 5_000, perSecond: 1_000 },
    ]
    const times = poissonSchedule(stages, 7)
    expect(poissonSchedule(stages, 7)).toEqual(times)
    expect(poissonSchedule(stages, 8)).not.toEqual(times)
    expect(times.every((at, index) => index === 0 || at >= (times[index - 1] ?? 0))).toBe(true)
    expect([times.filter((at) => at < 10_000).length, times.length]).toEqual([3_000, 8_000])
  })

  test('has the gaps of independent arrivals: their deviation is their mean', () => {
    const times = poissonSchedule([{ durationMs: 100_000, perSecond: 200 }], 3)
    const gaps = Array.from(times.subarray(1), (at, index) => at - (times[index] ?? 0))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
    expect(deviation / mean).toBeCloseTo(1, 1)
  })
})

describe('a verdict', () => {
  // Exact binomial, one-sided at 5 %.
  test.each([
    [99, 1_000, 4, 16],
    [99, 2_000, 12, 29],
    [99, 5_000, 38, 63],
    [99, 10_000, 83, 118],
    [95, 300, 8, 22],
    [95, 1_000, 38, 63],
  ])('on P%d with %d samples is pass up to %d beyond the limit, and fail from %d', (percentile, n, pass, fail) => {
    expect([judgePercentile(pass, n, percentile, 1), judgePercentile(pass + 1, n, percentile, 1)]).toEqual(['pass', 'inconclusive'])
    expect([judgePercentile(fail, n, percentile, 1), judgePercentile(fail - 1, n, percentile, 1)]).toEqual(['fail', 'inconclusive'])
  })

  test.each([
    [95, 59],
    [99, 299],
  ])('needs %d percent of so many samples without one beyond the limit: %d', (percentile, n) => {
    expect([judgePercentile(0, n, percentile, 1), judgePercentile(0, n - 1, percentile, 1)]).toEqual(['pass', 'inconclusive'])
    expect(samplesMissing(0, n - 1, percentile)).toBeGreaterThan(0)
  })

  test('that fails is claimed more carefully the more targets there are', () => {
    expect([judgePercentile(16, 1_000, 99, 1), judgePercentile(16, 1_000, 99, 35)]).toEqual(['fail', 'inconclusive'])
  })

  test('rests on a distribution: its sums are those of the binomial', () => {
    expect(binomialAtMost(0, 3, 0.5)).toBeCloseTo(1 / 8, 12)
    expect(binomialAtMost(1, 3, 0.5)).toBeCloseTo(4 / 8, 12)
    expect(binomialAtMost(-1, 3, 0.5)).toBe(0)
    expect(binomialAtMost(3, 3, 0.5)).toBe(1)
    expect(binomialAtMost(500, 50_000, 0.01)).toBeCloseTo(0.512, 2)
  })

  const figure = { metric: 'hits', direction: 'min', limit: 5 } as const
  const noPercentile = ({ percentile: _percentile, ...rest }: Target): Target => rest
  const sample = (more: Partial<ResourceSample>): ResourceSample => ({
    scenario: 's',
    atMs: 0,
    rssMb: 100,
    cpuPercent: 10,
    stolenPercent: null,
    dbConnections: 5,
    eventLoopLagMs: 0,
    ...more,
  })
  const resources = (count: number): readonly ResourceSample[] => Array.from({ length: count }, () => sample({}))

  test.each<readonly [string, Target, SeriesReport | null, number, string]>([
    ['kept', target({}), series({}), 0, 'pass'],
    ['missed', target({}), series({ exceeded: { 10: 200 } }), 0, 'fail'],
    ['without a sample', target({}), series({ count: 0 }), 0, 'inconclusive'],
    ['of a scenario that did not run', target({}), null, 0, 'invalid'],
    ['of a generator that was late', target({}), series({ invalid: ['late'] }), 0, 'invalid'],
    ['of an open load, measured closed', target({ model: 'open' }), series({ model: 'closed' }), 0, 'invalid'],
    ['whose limit was not counted', target({ limit: 11 }), series({}), 0, 'invalid'],
    ['of a figure that is kept', noPercentile(target(figure)), series({}), 0, 'pass'],
    ['of a figure that is missed', noPercentile(target({ ...figure, limit: 6 })), series({}), 0, 'fail'],
    ['of a figure that is not there', noPercentile(target({ ...figure, metric: 'none' })), series({}), 0, 'invalid'],
    ['of a figure that is no number', noPercentile(target(figure)), series({ figures: { hits: Number.NaN } }), 0, 'invalid'],
    ['of memory, sampled often enough', noPercentile(target({ metric: 'rssPeakMb', limit: 200 })), series({}), 30, 'pass'],
    ['of memory, sampled too seldom', noPercentile(target({ metric: 'rssPeakMb', limit: 200 })), series({}), 29, 'inconclusive'],
  ])('on a target %s', (_, wanted, measured, samples, verdict) => {
    expect(judgeTargets([wanted], measured === null ? [] : [measured], resources(samples))[0]).toMatchObject({ verdict })
  })

  test('on memory looks at the samples of its own scenario', () => {
    const samples = [
      ...resources(30),
      ...Array.from({ length: 30 }, () => sample({ scenario: 'other', rssMb: 9_999, dbConnections: null })),
    ]
    const memory = noPercentile(target({ metric: 'rssPeakMb', limit: 200 }))
    expect(judgeTargets([memory], [series({})], samples)[0]).toMatchObject({ verdict: 'pass', measured: 100, samples: 30 })
    const connections = noPercentile(target({ scenario: 'other', metric: 'dbConnectionsPeak', limit: 49 }))
    expect(judgeTargets([connections], [series({ name: 'other' })], samples)[0]).toMatchObject({ verdict: 'invalid', measured: null })
  })

  test.each([
    ['nothing where nobody tells', [null, null], 0],
    ['nothing where it is little', [0, 1, 0.5], 0],
    ['what the host gave to others', [0, 30, null], 1],
  ])('on a measurement says %s', (_, stolen, notes) => {
    const said = stolenNotes(stolen.map((stolenPercent) => ({ stolenPercent })))
    expect(said).toHaveLength(notes)
    if (notes > 0) expect(said[0]).toContain('15.0 %')
  })

  test('of the whole is the worst, and no target is no pass', () => {
    const of = (...verdicts: readonly ('pass' | 'fail' | 'invalid' | 'inconclusive')[]) =>
      wholeVerdict(verdicts.map((verdict) => ({ verdict })))
    expect([of('pass', 'invalid', 'fail'), of('inconclusive', 'invalid'), of('pass', 'inconclusive'), of('pass'), of()]).toEqual([
      'fail',
      'invalid',
      'inconclusive',
      'pass',
      'inconclusive',
    ])
  })
})

describe('a comparison', () => {
  test('claims a regression only when the whole interval is beyond what is tolerated', () => {
    const around = (middle: number, spread: number): readonly number[] =>
      Array.from({ length: 40 }, (_, index) => middle + spread * (((index * 7) % 11) / 5 - 1))
    expect(judgeRatio(ratioInterval(around(1, 0.02), 1), 0.05)).toBe('pass')
    expect(judgeRatio(ratioInterval(around(1.3, 0.02), 1), 0.05)).toBe('fail')
    expect(judgeRatio(ratioInterval(around(1.05, 0.3), 1), 0.05)).toBe('inconclusive')
    expect(judgeRatio({ ratio: Number.NaN, low: Number.NaN, high: Number.NaN }, 0.05)).toBe('invalid')
  })
})
