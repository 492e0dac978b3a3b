import { expect, test } from 'vitest'
import targetsFile from '../../fixtures/targets.json' with { type: 'json' }
import { parseTargets, scenarioOf, withinLoad } from './targets.ts'

const names = [
  'cache',
  'limiter',
  'queue',
  'batch',
  'pool',
  'metrics',
  'queries',
  'sessions',
  'http',
  'orchestrations',
  'indexes',
  'resources',
]

test('the documented targets are of scenarios that exist, and say where they come from', () => {
  const targets = parseTargets(JSON.stringify(targetsFile), 'fixtures/targets.json', names)
  expect(targets.length).toBeGreaterThan(30)
  expect(new Set(targets.map(({ scenario }) => scenarioOf(scenario)))).toEqual(new Set(names))
})

test('every problem of a file is told at once', () => {
  const good = {
    id: 'a',
    source: 's',
    description: 'd',
    scenario: 'cache',
    metric: 'response',
    percentile: 99,
    direction: 'max',
    limit: 1,
    unit: 'ms',
  }
  const tell = (...targets: readonly object[]): string => {
    try {
      parseTargets(JSON.stringify({ schemaVersion: 1, targets }), 'mine.json', names)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(tell(good)).toBe('')
  const broken = tell({ ...good, percentile: 98 }, { ...good, id: 'b', limit: '5' }, { ...good, id: 'c', direction: 'up' })
  for (const place of ['targets[0].percentile', 'targets[1].limit', 'targets[2].direction']) expect(broken).toContain(place)
  const odd = tell(good, good, { ...good, id: 'd', scenario: 'cash' }, { ...good, id: 'e', metric: 'hitRatioPercent' })
  for (const text of ['stands in targets[0] already', 'no scenario "cash"', 'is no latency']) expect(odd).toContain(text)
  expect(() => parseTargets('{', 'mine.json', names)).toThrow('no JSON')
})

test('a target that asks for more load than there is to be is left out, not missed', () => {
  const targets = parseTargets(JSON.stringify(targetsFile), 'fixtures/targets.json', names)
  const leftOut = (ratePerSecond: number | null, concurrency: number | null): readonly string[] =>
    withinLoad(targets, { ratePerSecond, concurrency }).leftOut.map(({ id }) => id)
  expect(leftOut(null, null)).toEqual([])
  expect(leftOut(100, null)).toEqual(['request-rate'])
  expect(leftOut(1_000, 20)).toEqual(['concurrent-sessions', 'concurrent-orchestrations'])
})
