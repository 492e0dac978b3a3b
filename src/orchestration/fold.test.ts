import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sleep } from '../core/runtime.ts'
import { ProviderError } from '../models/provider.ts'
import type { Script } from '../models/scripted.testkit.ts'
import type { RunEvent } from './events.ts'
import { foldRun, initialRun, resultOf, stepRun } from './fold.ts'
import { engine, verdict } from './engine.testkit.ts'

/** Two iterations with three critics that take their time, one of which writes no verdict and one of which fails. */
async function recorded(): Promise<readonly RunEvent[]> {
  let drafts = 0
  const after =
    (delayMs: number, answer: () => string): Script =>
    async (_request, signal) => {
      await sleep(made.runtime.clock, delayMs, signal)
      return answer()
    }
  const made = engine({
    a: async (_request, signal, onText) => {
      onText('dra')
      onText('ft')
      await sleep(made.runtime.clock, 100, signal)
      return `draft ${(drafts += 1)}`
    },
    b: after(30.3, () => verdict(4 + drafts)),
    c: after(20.2, () => 'no verdict'),
    d: after(10.1, () => {
      if (drafts === 2) throw new ProviderError('timeout', 'too slow', { retryable: false, sent: true })
      return verdict(5.7)
    }),
  })
  const done = made.run({ settings: { critics: 3, iterations: 2 } })
  await made.runtime.clock.advance(10_000)
  await done
  return made.events
}

const events = await recorded()

/** Two answers that three critics find alike and compare, at different speeds; one of them abstains. */
async function recordedComparison(): Promise<readonly RunEvent[]> {
  let drafts = 0
  const judge =
    (delayMs: number, better: string): Script =>
    async ({ messages }, signal) => {
      const question = messages.at(-1)?.content ?? ''
      await sleep(made.runtime.clock, delayMs, signal)
      if (!question.includes('<<<CANDIDATE A')) return verdict(6)
      const newPlace = /<<<CANDIDATE (A|B) \w+\ndraft 2/.exec(question)?.[1] ?? 'tie'
      return JSON.stringify({ better: better === 'new' ? newPlace : better, reason: 'It is.' })
    }
  const made = engine({ a: () => `draft ${(drafts += 1)}`, b: judge(30, 'new'), c: judge(20, 'A'), d: judge(10, 'new') })
  const done = made.run({ settings: { critics: 3, iterations: 2 } })
  await made.runtime.clock.advance(10_000)
  await done
  return made.events
}

const comparison = await recordedComparison()

/** The critic whose event it is, by iteration; null for what is in order by itself. */
function criticOf(event: RunEvent): string | null {
  if ('step' in event) return event.step.role === 'critic' ? `${event.step.iteration} ${event.step.model}` : null
  if (event.type === 'answer-judged' || event.type === 'verdict-dropped') return `${event.iteration} ${event.judge}`
  return null
}

/** The same run with its critics' events interleaved as `picks` say; each critic's own keep their order. */
function interleaved(picks: readonly number[], events: readonly RunEvent[]): readonly RunEvent[] {
  const result: RunEvent[] = []
  let lanes = new Map<string, RunEvent[]>()
  let turn = 0
  const drain = (): void => {
    while (lanes.size > 0) {
      const names = [...lanes.keys()].toSorted()
      const name = names[(picks[(turn += 1) % picks.length] ?? 0) % names.length] ?? ''
      const lane = lanes.get(name) ?? []
      const next = lane.shift()
      if (next !== undefined) result.push(next)
      if (lane.length === 0) lanes.delete(name)
    }
    lanes = new Map()
  }
  for (const event of events) {
    const critic = criticOf(event)
    if (critic === null) {
      drain()
      result.push(event)
    } else lanes.set(critic, [...(lanes.get(critic) ?? []), event])
  }
  return result
}

describe('the result of a run', () => {
  it('is what its events say', () => {
    expect(foldRun(events)).toMatchObject({
      id: 'run-1',
      finalResponse: 'draft 2',
      qualityScore: 6,
      stopReason: 'iterations',
      iterationsUsed: 2,
      iterations: [
        { iteration: 1, model: 'a/model-a', score: 5.35, latencyMs: 100, fromCache: false },
        { iteration: 2, model: 'a/model-a', score: 6, latencyMs: 100, fromCache: false },
      ],
      droppedVerdicts: 3,
      cache: { hits: 0, misses: 0 },
      timing: { queueMs: 0, limiterMs: 0 },
    })
  })

  it.each([
    ['came back', events],
    ['came back with their comparisons', comparison],
  ])('does not hang on the order in which parallel critics %s', (_name, events) => {
    const expected = foldRun(events)
    fc.assert(
      fc.property(fc.array(fc.nat(5), { minLength: 30, maxLength: 30 }), (picks) => {
        const shuffled = interleaved(picks, events)
        expect(shuffled).toHaveLength(events.length)
        expect(foldRun(shuffled)).toStrictEqual(expected)
      }),
    )
    expect(interleaved([0], events).map(criticOf)).not.toEqual(interleaved([2, 1, 0], events).map(criticOf))
  })

  it('names the answer that a majority preferred, though its score is no higher', () => {
    expect(foldRun(comparison)).toMatchObject({ finalResponse: 'draft 2', qualityScore: 6, bestIteration: 2, stopReason: 'plateau' })
    expect(foldRun(comparison).iterations[1]).toMatchObject({
      spread: { lowest: 6, highest: 6 },
      comparison: { kept: 'new', decidedBy: 'majority', votes: [{ prefers: 'new' }, { prefers: null }, { prefers: 'new' }] },
    })
  })

  it('counts time once that critics share', () => {
    const { timing } = foldRun(events)
    expect(timing.providerMs).toBeCloseTo(2 * (100 + 30.3), 6)
    expect(timing.totalMs).toBeCloseTo(2 * (100 + 30.3), 2)
    expect(timing.overheadMs).toBeCloseTo(0, 2)
  })

  it('sums what the attempts cost and used', () => {
    const { attempts, usage } = foldRun(events)
    expect(attempts.filter(({ outcome }) => outcome === 'timeout')).toMatchObject([{ model: 'd/model-d', errorCode: 'provider_timeout' }])
    expect(usage.costUsd).toBe(attempts.reduce((total, { costUsd }) => total + (costUsd ?? 0), 0))
    expect(usage.inputTokens).toBe(attempts.reduce((total, { inputTokens }) => total + inputTokens, 0))
  })

  it('is not made of half a run', () => {
    expect(() => foldRun(events.slice(0, -1))).toThrow(/whole run/)
    expect(() => foldRun(events.slice(1))).toThrow(/whole run/)
  })
})

describe('a run that is still going on', () => {
  it('shows the text of a call as it comes, and begins anew with the next try', () => {
    const textAt = (count: number): string | undefined => [...events.slice(0, count).reduce(stepRun, initialRun).calls.values()][0]?.text
    const second = events.findIndex((event) => event.type === 'call-texted') + 2
    expect(textAt(second)).toBe('draft')
    const again = events.find((event) => event.type === 'call-started')
    if (again === undefined) throw new Error('no call was started')
    const state = stepRun(events.slice(0, second).reduce(stepRun, initialRun), again)
    expect([...state.calls.values()].map(({ text }) => text)).toEqual([''])
  })

  it('leaves earlier states as they were', () => {
    const states = events.map((_event, index) => events.slice(0, index).reduce(stepRun, initialRun))
    const frozen = JSON.stringify(states)
    let state = initialRun
    for (const event of events) state = stepRun(state, event)
    expect(JSON.stringify(states)).toBe(frozen)
    expect(resultOf(state)).toEqual(foldRun(events))
  })
})
