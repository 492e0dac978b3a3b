import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OrxError } from '../core/errors.ts'
import { sleep, untilAborted } from '../core/runtime.ts'
import type { CallGate, Ledger } from '../models/call.ts'
import { inputTokensAtMost } from '../models/chat.ts'
import { ProviderError, type ProviderFailure } from '../models/provider.ts'
import type { Script } from '../models/scripted.testkit.ts'
import type { RunEvent, RunSettings, StopReason } from './events.ts'
import { foldRun } from './fold.ts'
import { engine, noLedger, option, prompt, verdict } from './engine.testkit.ts'
import { judgeMessages } from './judge.ts'

/** An author that numbers its drafts, and a judge that scores them in turn. */
function scoring(scores: readonly (number | string)[]): Record<string, Script> {
  let drafts = 0
  return {
    a: () => `draft ${(drafts += 1)}`,
    b: () => {
      const score = scores[drafts - 1]
      return typeof score === 'number' ? verdict(score) : (score ?? 'no verdict')
    },
  }
}

function failing(failure: ProviderFailure, more: { sent?: boolean; status?: number } = {}): Script {
  return () => {
    throw new ProviderError(failure, `it was ${failure}`, { retryable: false, sent: false, ...more })
  }
}

const until = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))

it('answers, is judged by the others, refines and stops when the score is good enough', async () => {
  let drafts = 0
  const { run, events, providers, runtime } = engine({
    a: () => `draft ${(drafts += 1)}`,
    b: () => verdict(drafts === 1 ? 5 : 9),
    c: () => verdict(drafts === 1 ? 6 : 8),
  })
  const result = await run()
  expect(result).toMatchObject({
    finalResponse: 'draft 2',
    stopReason: 'threshold',
    qualityScore: 8.5,
    iterationsUsed: 2,
    model: 'a/model-a',
  })
  expect(result.attempts.map(({ role }) => role)).toEqual(['primary', 'critic', 'critic', 'refiner', 'critic', 'critic'])
  expect(providers.get('a')?.received[1]?.messages[2]?.content).toMatch(/^Critics of your answer said:\nCritic 1: \{"criticism":/)
  expect(foldRun(events)).toEqual(result)
  expect(runtime.clock.pending()).toBe(0)
})

it('goes by a clock that nobody sets: wall time that jumps by an hour, back and forth, changes no time, no order and no stop', async () => {
  const scripts = (): Parameters<typeof engine>[0] => {
    let drafts = 0
    return { a: () => `draft ${(drafts += 1)}`, b: () => verdict(drafts + 3), c: () => verdict(drafts + 4) }
  }
  const steady = await engine(scripts()).run({ settings: { iterations: 3 } })
  const jumping = engine(scripts())
  let looks = 0
  const { clock } = jumping.runtime
  const set = jumping.runtime as { clock: typeof clock }
  set.clock = { ...clock, now: () => clock.now() + ((looks += 1) % 3) * 3_600_000 - 3_600_000 }
  const result = await jumping.run({ settings: { iterations: 3 } })
  expect(looks).toBeGreaterThan(0)
  expect(result).toEqual(steady)
  const times = jumping.events.map(({ atMs }) => atMs)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

describe('the reason to stop', () => {
  it.each<[StopReason, readonly (number | string)[], Partial<RunSettings>, string, number | null]>([
    ['threshold', [5, 8], {}, 'draft 2', 8],
    ['iterations', [5, 6, 7], { iterations: 3 }, 'draft 3', 7],
    ['plateau', [7, 7.1], {}, 'draft 2', 7.1],
    ['plateau', [7, 7], {}, 'draft 1', 7],
    ['plateau', [7, 7, 7.1], { patience: 2 }, 'draft 3', 7.1],
    ['regression', [7, 6], {}, 'draft 1', 7],
    ['regression', [5, 7, 6.4], {}, 'draft 2', 7],
    ['unjudged', ['I like it'], {}, 'draft 1', null],
    ['unjudged', [7, 'I like it'], {}, 'draft 1', 7],
    ['unjudged', [7], { critics: 0 }, 'draft 1', null],
    ['unjudged', [7], { strategy: 'single' }, 'draft 1', null],
    ['threshold', [5, 5, 9], { patience: 2 }, 'draft 3', 9],
  ])('is %s for scores %j and %j, and the best answer is %s', async (stopReason, scores, settings, finalResponse, qualityScore) => {
    const { run, events } = engine(scoring(scores))
    const result = await run({ settings })
    expect(result).toMatchObject({ stopReason, finalResponse, qualityScore })
    expect(events.at(-1)).toMatchObject({ type: 'run-finished', error: null })
  })

  it('is the deadline, with the best answer so far', async () => {
    const { run, runtime } = engine({
      a: (request, signal) => (request.messages.length === 1 ? 'draft 1' : until(signal)),
      b: () => verdict(5),
    })
    const done = run({ settings: { deadlineMs: 5_000 }, queueMs: 1_000 })
    await runtime.clock.advance(3_999)
    expect(runtime.clock.pending()).toBe(1)
    await runtime.clock.advance(1)
    expect(await done).toMatchObject({
      stopReason: 'deadline',
      finalResponse: 'draft 1',
      qualityScore: 5,
      timing: { totalMs: 5_000, queueMs: 1_000 },
    })
    expect(runtime.clock.pending()).toBe(0)
  })

  it('is the deadline with a failure that is not the exit of --timeout when nothing was answered', async () => {
    const { run, runtime, events } = engine({ a: (_request, signal) => until(signal) })
    const done = run({ settings: { deadlineMs: 5_000 } })
    await runtime.clock.advance(5_000)
    expect(await done).toMatchObject({ stopReason: 'deadline', finalResponse: null })
    expect(events.at(-1)).toMatchObject({ error: { code: 'provider_timeout' } })
  })

  it('is the abort, also before anything was asked', async () => {
    const { run, events, providers } = engine(scoring([5]))
    const result = await run({}, AbortSignal.abort(new OrxError('aborted', 'stopped by SIGINT')))
    expect(result).toMatchObject({ stopReason: 'aborted', finalResponse: null, attempts: [] })
    expect(events.at(-1)).toMatchObject({ type: 'run-finished', error: { code: 'aborted' } })
    expect(providers.get('a')?.received).toHaveLength(0)
  })

  it('is the cost when the next call could exceed the bound, and the answer before it stays', async () => {
    const free = await engine(scoring([5, 6, 7])).run({ settings: { iterations: 1 } })
    const most = inputTokensAtMost(judgeMessages(prompt, 'draft 1', 'general')) * 0.001 + 0.4
    const spentByAuthor = free.attempts[0]?.costUsd ?? 0
    const maxCostUsd = spentByAuthor + most
    const { run, providers } = engine(scoring([5, 6, 7]))
    const result = await run({ settings: { maxCostUsd, iterations: 4 } })
    expect(result).toMatchObject({ stopReason: 'cost', finalResponse: 'draft 1', qualityScore: 5 })
    expect(result.usage.costUsd).toBeLessThanOrEqual(maxCostUsd)
    expect(providers.get('b')?.received).toHaveLength(1)
    expect((await engine(scoring([5, 6, 7])).run({ settings: { maxCostUsd: maxCostUsd - 0.001 } })).qualityScore).toBeNull()
  })

  it('is the cost, without an answer, when not even the first call fits', async () => {
    const { run, events, providers } = engine(scoring([5]))
    expect(await run({ settings: { maxCostUsd: 0.001 } })).toMatchObject({ stopReason: 'cost', finalResponse: null, attempts: [] })
    expect(events.at(-1)).toMatchObject({ error: { code: 'cost_limit' } })
    expect(providers.get('a')?.received).toHaveLength(0)
  })

  it('is failed with an answer when only the refinement failed', async () => {
    let drafts = 0
    const { run, events } = engine({
      a: (request, signal, onText) => ((drafts += 1) === 1 ? 'draft 1' : failing('bad-request')(request, signal, onText)),
      b: (request, signal, onText) => (request.format === 'json' ? verdict(5) : failing('bad-request')(request, signal, onText)),
    })
    expect(await run()).toMatchObject({ stopReason: 'failed', finalResponse: 'draft 1', qualityScore: 5 })
    expect(events.find((event) => event.type === 'warning-raised' && event.code === 'refinement_failed')).toBeDefined()
    expect(events.at(-1)).toMatchObject({ error: null })
  })

  it.each<[string, ProviderFailure, ProviderFailure, string]>([
    ['none could be reached', 'unreachable', 'unreachable', 'provider_unreachable'],
    ['all rejected the key', 'credential', 'credential', 'credential_rejected'],
    ['one was unreachable and one rejected the key', 'unreachable', 'credential', 'failed'],
    ['one was unreachable and one overloaded', 'overloaded', 'unreachable', 'provider_error'],
    ['both lacked quota', 'quota', 'quota', 'quota_exceeded'],
  ])('is failed, with the code that decides the exit, when %s', async (_name, first, second, code) => {
    const { run, events } = engine({ a: failing(first), b: failing(second) })
    expect(await run()).toMatchObject({ stopReason: 'failed', finalResponse: null })
    expect(events.at(-1)).toMatchObject({ error: { code } })
  })
})

describe('a run with one model', () => {
  it('is unjudged after one answer and says how to add another', async () => {
    const { run, events } = engine({ a: () => 'alone' })
    expect(await run()).toMatchObject({ stopReason: 'unjudged', finalResponse: 'alone', qualityScore: null, iterationsUsed: 1 })
    expect(events.find((event) => event.type === 'warning-raised')).toMatchObject({
      code: 'one_model',
      message: expect.stringMatching(/--models a,b/),
    })
  })

  it('does not warn where nobody asked for critics', async () => {
    const { run, events } = engine({ a: () => 'alone' })
    await run({ settings: { critics: 0 } })
    expect(events.filter((event) => event.type === 'warning-raised')).toEqual([])
  })
})

describe('a failing author', () => {
  it('is replaced by the next candidate, which then is judged by others and never by itself', async () => {
    const { run, events, providers } = engine({
      a: failing('overloaded', { sent: true, status: 503 }),
      b: (request) => (request.format === 'json' ? verdict(9) : 'by b'),
      c: (request) => (request.format === 'json' ? verdict(9) : 'by c'),
    })
    const result = await run()
    expect(result).toMatchObject({ model: 'b/model-b', finalResponse: 'by b', stopReason: 'threshold' })
    expect(result.attempts.map(({ model, outcome }) => `${model} ${outcome}`)).toEqual(['a/model-a error', 'b/model-b ok', 'c/model-c ok'])
    expect(providers.get('b')?.received).toHaveLength(1)
    expect(events.find((event) => event.type === 'warning-raised')).toMatchObject({
      code: 'fallback',
      message: 'a/model-a failed (it was overloaded); b/model-b is asked instead.',
    })
    expect(events.filter((event) => event.type === 'model-selected').map(({ model, critics }) => [model, ...critics])).toEqual([
      ['a/model-a', 'b/model-b', 'c/model-c'],
      ['b/model-b', 'c/model-c'],
    ])
  })

  it('is not replaced by a model that failed as a critic', async () => {
    let drafts = 0
    const { run, providers } = engine({
      a: (...asked) => ((drafts += 1) === 1 ? 'draft 1' : failing('bad-request')(...asked)),
      b: failing('credential', { sent: true, status: 401 }),
      c: (request) => (request.format === 'json' ? verdict(5) : 'by c'),
    })
    expect(await run()).toMatchObject({ stopReason: 'unjudged', iterationsUsed: 2, finalResponse: 'draft 1' })
    expect(providers.get('b')?.received).toHaveLength(1)
    expect(providers.get('c')?.received).toHaveLength(2)
  })

  it('whose key was rejected takes the other models of its provider with it', async () => {
    const { run, providers } = engine(
      { a: failing('credential', { sent: true, status: 401 }), b: () => 'by b' },
      { models: [option('a/one'), option('a/two', { quality: 0.9 }), option('b/three')] },
    )
    expect(await run()).toMatchObject({ model: 'b/three', stopReason: 'unjudged' })
    expect(providers.get('a')?.received).toHaveLength(1)
  })
})

describe('the judges', () => {
  it('that write no valid verdict are dropped and counted, the others count', async () => {
    const { run, events } = engine({
      a: () => 'draft',
      b: () => 'ten out of ten',
      c: () => verdict(8),
      d: failing('timeout', { sent: true }),
    })
    const result = await run({ settings: { critics: 3 } })
    expect(result).toMatchObject({ stopReason: 'threshold', qualityScore: 8, droppedVerdicts: 2 })
    expect(
      events
        .filter((event) => event.type === 'verdict-dropped')
        .map(({ judge }) => judge)
        .toSorted(),
    ).toEqual(['b/model-b', 'd/model-d'])
  })

  it('never judge an answer of their own, whoever fails when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('ok', 'fail', 'bad'), { minLength: 40, maxLength: 40 }),
        fc.integer({ min: 2, max: 4 }),
        async (fates, count) => {
          let turn = 0
          const script: Script = (request, signal, onText) => {
            const fate = fates[(turn += 1) % fates.length]
            if (fate === 'fail') return failing('overloaded', { sent: true, status: 500 })(request, signal, onText)
            if (request.format !== 'json') return `draft ${turn}`
            return fate === 'bad' ? 'no verdict' : verdict(1 + (turn % 7))
          }
          const names = ['a', 'b', 'c', 'd'].slice(0, count)
          const { run, events } = engine(Object.fromEntries(names.map((name) => [name, script])))
          await run({ settings: { patience: 3, critics: 3 } })
          const authors = new Map<string, string>()
          for (const event of events) {
            if (event.type === 'answer-received') authors.set(event.responseId, event.model)
            if (event.type === 'answer-judged') expect(event.judge).not.toBe(authors.get(event.responseId))
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('work in parallel', async () => {
    const slow = engine({
      a: () => 'draft',
      b: async (_request, signal) => (await sleep(slow.runtime.clock, 1_000, signal), verdict(9)),
      c: async (_request, signal) => (await sleep(slow.runtime.clock, 1_000, signal), verdict(9)),
    })
    const done = slow.run()
    await slow.runtime.clock.advance(1_000)
    expect(await done).toMatchObject({ timing: { totalMs: 1_000, providerMs: 1_000, overheadMs: 0 } })
  })

  it('are heard in their own order by the author, whoever came back first', async () => {
    const refinement = async (firstMs: number, secondMs: number): Promise<string | undefined> => {
      const judge =
        (delayMs: number, criticism: string): Script =>
        async (_request, signal) => {
          await sleep(made.runtime.clock, delayMs, signal)
          return verdict(5, criticism)
        }
      const made = engine({ a: () => 'draft', b: judge(firstMs, 'from b'), c: judge(secondMs, 'from c') })
      const done = made.run({ settings: { iterations: 2 } })
      await made.runtime.clock.advance(5_000)
      await done
      return made.providers.get('a')?.received[1]?.messages[2]?.content
    }
    const first = await refinement(10, 500)
    expect(first).toMatch(/from b[\s\S]*from c/)
    expect(await refinement(500, 10)).toBe(first)
  })
})

describe('the bound on cost', () => {
  const slowFor = (model: string): Ledger => ({
    ...noLedger,
    recall: async (step) => {
      for (let turn = 0; step.model === model && turn < 50; turn += 1) await Promise.resolve()
      return null
    },
  })

  it('is never exceeded, critics in parallel and failures in between included', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.05, max: 12, noNaN: true }),
        fc.nat(4),
        fc.array(fc.nat(9), { minLength: 30, maxLength: 30 }),
        async (maxCostUsd, critics, fates) => {
          let turn = 0
          const script: Script = async (request, signal, onText) => {
            const fate = fates[(turn += 1) % fates.length] ?? 0
            for (let wait = 0; wait < fate; wait += 1) await Promise.resolve()
            if (fate === 9) return failing('timeout', { sent: true })(request, signal, onText)
            return request.format === 'json' ? verdict(1 + (fate % 5)) : 'word '.repeat(40 + fate)
          }
          const { run } = engine({ a: script, b: script, c: script, d: script })
          const result = await run({ settings: { maxCostUsd, critics, patience: 5 } })
          expect(result.usage.costUsd).toBeLessThanOrEqual(maxCostUsd + 1e-9)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('leaves out the critics that do not fit, in their order, and then ends the run', async () => {
    const costly = { inputPerMillion: 1_000, outputPerMillion: 4_000 }
    const free = { inputPerMillion: 0, outputPerMillion: 0 }
    const { run, events } = engine(
      { a: () => 'draft', b: () => verdict(5), c: () => verdict(6) },
      {
        models: [
          option('a/x', { price: free }),
          option('b/y', { price: costly, quality: 0.9 }),
          option('c/z', { price: costly, quality: 0.8 }),
        ],
        ledger: slowFor('b/y'),
      },
    )
    // The one that fits is the first in order, not the first to be ready.
    const result = await run({ settings: { maxCostUsd: 1.9 } })
    expect(result).toMatchObject({ stopReason: 'cost', qualityScore: 5, droppedVerdicts: 1 })
    expect(events.filter((event) => event.type === 'verdict-dropped')).toMatchObject([{ judge: 'c/z' }])
  })

  it('does not know what an unpriced model costs, and says so', async () => {
    const { run, events } = engine({ a: () => 'draft' }, { models: [option('a/x', { price: null })] })
    expect((await run()).usage.costUsd).toBeNull()
    expect(events.find((event) => event.type === 'warning-raised' && event.code === 'unknown_price')).toBeDefined()
  })
})

describe('an abort', () => {
  /** Runs two iterations, counting every point where the run waits, and aborts at the one numbered `at`. */
  async function abortAt(
    at: number,
  ): Promise<{ points: number; events: readonly RunEvent[]; result: Awaited<ReturnType<ReturnType<typeof engine>['run']>> }> {
    const controller = new AbortController()
    let points = 0
    const point = async (): Promise<void> => {
      points += 1
      if (points === at) controller.abort(new OrxError('aborted', 'stopped by SIGINT'))
      await Promise.resolve()
      if (points === at) await Promise.resolve()
    }
    const waiting =
      (answer: Script): Script =>
      async (request, signal, onText) => {
        await point()
        onText('partial')
        await point()
        signal.throwIfAborted()
        return answer(request, signal, onText)
      }
    const gate: CallGate = {
      name: 'limiter',
      enter: async (_attempt, signal) => {
        await point()
        signal.throwIfAborted()
        return { sent: () => undefined, settle: point }
      },
    }
    const scripts = scoring([5, 6, 7])
    const { run, events } = engine(Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, waiting(script)])), {
      gates: [gate],
      ledger: { ...noLedger, recall: async () => (await point(), null) },
    })
    const result = await run({ settings: { iterations: 3 } }, controller.signal, () => {
      points += 1
      if (points === at) controller.abort(new OrxError('aborted', 'stopped by SIGINT'))
    })
    return { points, events, result }
  }

  it('at every point where a run waits or speaks returns the best answer so far', async () => {
    const { points, result } = await abortAt(Number.POSITIVE_INFINITY)
    expect(result).toMatchObject({ stopReason: 'iterations', finalResponse: 'draft 3' })
    expect(points).toBeGreaterThan(60)
    const reached = new Set<string | null>()
    for (let at = 1; at <= points; at += 1) {
      const { events, result } = await abortAt(at)
      const last = events.findLast((event) => event.type === 'run-finished')
      expect(events.at(-1)).toBe(last)
      const answered = events.filter((event) => event.type === 'answer-received')
      const judged = events.findLast((event) => event.type === 'iteration-finished')
      expect(['aborted', 'iterations']).toContain(result.stopReason)
      expect(result.finalResponse === null).toBe(answered.length === 0)
      expect(last).toMatchObject({
        bestResponseId: judged?.bestResponseId ?? null,
        error: answered.length === 0 ? { code: 'aborted' } : null,
      })
      const started = events.filter((event) => event.type === 'call-started').length
      const ended = events.filter((event) => event.type === 'attempt-finished' || event.type === 'attempt-unsent').length
      expect(ended).toBe(started)
      expect(result.droppedVerdicts).toBe(0)
      reached.add(result.finalResponse)
    }
    expect(reached).toEqual(new Set([null, 'draft 1', 'draft 2', 'draft 3']))
  })
})

describe('a run', () => {
  it('says nothing after its end, not even of a call that goes on for others', async () => {
    const controller = new AbortController()
    const made = engine(
      { a: async () => (await sleep(made.runtime.clock, 1_000), 'late') },
      { caller: { cache: { getOrLoad: (_key, load, _options, signal) => untilAborted(load(new AbortController().signal), signal) } } },
    )
    const done = made.run({ settings: { useCache: true } }, controller.signal)
    await made.runtime.clock.advance(10)
    controller.abort()
    expect(await done).toMatchObject({ stopReason: 'aborted' })
    await made.runtime.clock.advance(5_000)
    expect(made.events.at(-1)?.type).toBe('run-finished')
  })

  it('refuses an author it may not ask', async () => {
    await expect(engine({ a: () => 'x' }).run({ author: 'z/none' })).rejects.toMatchObject({ code: 'unknown_model' })
    await expect(engine({}, { models: [] }).run()).rejects.toMatchObject({ code: 'unknown_model' })
  })

  it('asks the best candidate when no author is named', async () => {
    const { run } = engine({ a: () => 'by a', b: () => 'by b' }, { models: [option('a/x'), option('b/y', { quality: 1 })] })
    expect(await run({ author: null, settings: { critics: 0 } })).toMatchObject({ model: 'b/y', finalResponse: 'by b' })
  })

  it('makes the same decisions, texts and costs again', async () => {
    const once = async (): Promise<unknown> => {
      const { run } = engine(scoring([5, 6.5, 6]))
      const { timing: _timing, ...rest } = await run()
      return rest
    }
    expect(await once()).toEqual(await once())
  })

  it('ends with run-finished even when a part of it breaks', async () => {
    const broken: CallGate = {
      name: 'broken',
      enter: () => {
        throw new TypeError('a bug')
      },
    }
    const { run, events } = engine({ a: () => 'x' }, { gates: [broken] })
    expect(await run()).toMatchObject({ stopReason: 'failed', finalResponse: null })
    expect(events.at(-1)).toMatchObject({ type: 'run-finished', error: { code: 'internal' } })
  })
})
