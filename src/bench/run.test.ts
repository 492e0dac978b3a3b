import { describe, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import type { Environment, SeriesReport } from './report.ts'
import { series, target } from './report.testkit.ts'
import { runBench } from './run.ts'
import type { ScenarioSettings } from './scenario.ts'

/** A look at a series: how many samples there were and how many beyond the limit, or that it cannot be believed. */
type Look = { readonly count: number; readonly beyond: number } | 'late'

function reportOf(name: string, look: Look): SeriesReport {
  if (look === 'late') return series({ name, count: 100, invalid: ['the generator was late'] })
  return series({ name, count: look.count, exceeded: { 10: look.beyond } })
}

const good: Look = { count: 1_000, beyond: 0 }
const few: Look = { count: 50, beyond: 0 }

/** Runs one scenario of two series, `q:one` and `q:two`; their looks come in this order, the last one again and again. A look takes a second. */
async function measured(looks: Readonly<Record<string, readonly Look[]>>, budgetMs: number | null, plannedMs = 1_000) {
  const clock = fakeClock()
  const asked: Pick<ScenarioSettings, 'durationMs' | 'only'>[] = []
  const taken = new Map<string, number>()
  const settings = {
    seed: 1,
    durationMs: 4_000,
    warmupMs: null,
    ratePerSecond: null,
    concurrency: null,
    compareStrategies: false,
    quick: budgetMs !== null,
    only: null,
  }
  const running = runBench(
    {
      id: 'test',
      scenarios: [{ name: 'q', plannedMs: () => plannedMs }],
      targets: Object.keys(looks).map((name) => target({ id: name, scenario: name })),
      settings,
      environment: {} as Environment,
      budgetMs,
    },
    {
      clock,
      execute: async (_scenario, { durationMs, only }) => {
        asked.push({ durationMs, only })
        await clock.advance(1_000)
        return Object.entries(looks).flatMap(([name, ofSeries]) => {
          if (only !== null && !only.includes(name)) return []
          const place = taken.get(name) ?? 0
          taken.set(name, place + 1)
          return [reportOf(name, ofSeries[Math.min(place, ofSeries.length - 1)] ?? good)]
        })
      },
      sampleResources: () => Promise.reject(new Error('nothing is sampled')),
    },
    () => undefined,
    new AbortController().signal,
  )
  const { targets } = await running
  return { asked, verdicts: targets.map(({ verdict }) => verdict) }
}

describe('what cannot be decided', () => {
  test('is measured once more, alone; longer where samples were too few', async () => {
    const found = await measured({ 'q:one': [good], 'q:two': [few, good] }, null)
    expect(found.asked).toEqual([
      { durationMs: 4_000, only: null },
      { durationMs: 12_000, only: ['q:two'] },
    ])
    expect(found.verdicts).toEqual(['pass', 'pass'])
  })

  test('stays open where a second look does not tell either', async () => {
    const found = await measured({ 'q:one': ['late'], 'q:two': [few] }, null)
    expect(found.asked).toHaveLength(2)
    expect(found.verdicts).toEqual(['invalid', 'inconclusive'])
  })

  test('is measured as often as a budget allows where it could not be believed, and is longer once', async () => {
    const found = await measured({ 'q:one': ['late', 'late', few, few], 'q:two': [good] }, 100_000)
    expect(found.asked).toEqual([
      { durationMs: 4_000, only: null },
      { durationMs: 4_000, only: ['q:one'] },
      { durationMs: 4_000, only: ['q:one'] },
      { durationMs: 12_000, only: ['q:one'] },
    ])
    expect(found.verdicts).toEqual(['inconclusive', 'pass'])
  })

  test('is left where the budget has no time for it', async () => {
    const found = await measured({ 'q:one': ['late'] }, 3_500, 1_000)
    expect(found.asked).toHaveLength(3)
    expect(found.verdicts).toEqual(['invalid'])
  })
})
