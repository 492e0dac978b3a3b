import { describe, expect, it } from 'vitest'
import { fakeRuntime } from '../core/clock.testkit.ts'
import { OrxError } from '../core/errors.ts'
import { sleep, untilAborted } from '../core/runtime.ts'
import type { Settlement } from '../traffic/gate.ts'
import type { PaidAnswer } from './attempt.ts'
import type { Attempt, AttemptResult, CallEvent, CallGate, Ledger, Step } from './call.ts'
import { decisiveOf, failsWith, makeCaller, type CallerDeps, type CallOrder, type CallResult } from './caller.ts'
import { ProviderError, type ProviderErrorOptions, type ProviderFailure } from './provider.ts'
import { scriptedProvider, type Script, type ScriptedProvider } from './scripted.testkit.ts'

const price = { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 }

/** A prompt of 4 bytes: at most 14 tokens in and 5 out, so a reservation of 24 USD; the answer `okay` costs 1 + 2 = 3 USD. */
const request: CallOrder['request'] = { messages: [{ role: 'user', content: 'Why?' }], maxTokens: 5, stream: true }
const reservedUsd = 24
const paidUsd = 3

function fails(failure: ProviderFailure, options: Partial<ProviderErrorOptions> = {}): Script {
  return () => {
    throw new ProviderError(failure, `it was ${failure}`, { retryable: false, sent: true, ...options })
  }
}

interface Bench {
  readonly runtime: ReturnType<typeof fakeRuntime>
  readonly log: string[]
  readonly events: CallEvent[]
  readonly settled: { readonly settlement: Settlement; readonly result: AttemptResult | undefined }[]
  readonly attempts: Attempt[]
  readonly providers: ReadonlyMap<string, ScriptedProvider>
  readonly call: (more?: Partial<CallOrder>, signal?: AbortSignal) => Promise<CallResult>
}

function bench(
  scripts: Readonly<Record<string, Script>>,
  deps: Partial<CallerDeps> & { readonly recalled?: (step: Step) => string | null } = {},
): Bench {
  const { recalled, ...more } = deps
  const runtime = fakeRuntime()
  const log: string[] = []
  const settled: { settlement: Settlement; result: AttemptResult | undefined }[] = []
  const attempts: Attempt[] = []
  const providers = new Map(
    Object.entries(scripts).map(([name, script]) => [
      name,
      scriptedProvider(name, (asked, signal, onText) => {
        log.push(`send ${name}`)
        return script(asked, signal, onText)
      }),
    ]),
  )
  const gate = (name: string): CallGate => ({
    name,
    enter: (attempt) => {
      log.push(`enter ${name}`)
      if (name === 'ledger') attempts.push(attempt)
      return {
        sent: () => void log.push(`sent ${name}`),
        settle: (settlement, result) => {
          log.push(`settle ${name} ${settlement}`)
          if (name === 'ledger') settled.push({ settlement, result })
        },
      }
    },
  })
  const ledger: Ledger = {
    ...gate('ledger'),
    recall: async (step) => {
      log.push('recall')
      const text = recalled?.(step) ?? null
      return text === null ? null : { answer: { ...(await answerOf(text)) }, costUsd: paidUsd }
    },
  }
  const stored = new Map<string, PaidAnswer>()
  const events: CallEvent[] = []
  const caller = makeCaller({
    runtime,
    providers,
    gates: [gate('breaker'), gate('limiter')],
    ledger,
    cache: {
      getOrLoad: async (key, load, { keep }, signal) => {
        log.push('cache')
        const found = stored.get(key)
        if (found) return found
        const value = await load(signal)
        if (keep(value)) stored.set(key, value)
        return value
      },
    },
    retry: async (attempt, signal) => {
      for (let tryNumber = 1; ; tryNumber += 1) {
        try {
          return await attempt(tryNumber)
        } catch (error) {
          if (signal.aborted || tryNumber === 3 || !(error instanceof ProviderError && error.retryable)) throw error
        }
      }
    },
    ...more,
  })
  return {
    runtime,
    log,
    events,
    settled,
    attempts,
    providers,
    call: (order = {}, signal = new AbortController().signal) =>
      caller.call(
        {
          runId: 'run',
          callId: 'call',
          step: { threadId: 'thread', iteration: 1, role: 'primary', sample: 0 },
          targets: [{ model: 'a/x', price }],
          request,
          simulated: false,
          scope: 'me',
          promptVersion: '1',
          useCache: true,
          gates: [gate('budget')],
          emit: (event) => events.push(event),
          ...order,
        },
        signal,
      ),
  }
}

const answerOf = (text: string) => scriptedProvider('any', () => text).chat({ model: 'x', ...request }, new AbortController().signal)
const twoTargets: CallOrder['targets'] = [
  { model: 'a/x', price },
  { model: 'b/y', price },
]
const finished = (events: readonly CallEvent[]) => events.filter((event) => event.type === 'attempt-finished')

describe('a call', () => {
  it('goes through recall, cache and the gates in order, and settles them in reverse', async () => {
    const { call, log, settled } = bench({ a: () => 'okay' })
    const result = await call()
    expect(result).toMatchObject({ model: 'a/x', costUsd: paidUsd, savedUsd: null, fromCache: false, answer: { text: 'okay' } })
    expect(log).toEqual([
      'recall',
      'cache',
      'enter budget',
      'enter breaker',
      'enter limiter',
      'enter ledger',
      'sent budget',
      'sent breaker',
      'sent limiter',
      'sent ledger',
      'send a',
      'settle ledger ok',
      'settle limiter ok',
      'settle breaker ok',
      'settle budget ok',
    ])
    expect(settled[0]?.result).toMatchObject({ outcome: 'ok', costUsd: paidUsd, errorCode: null })
  })

  it('asks the provider for the model by its own name, slashes included', async () => {
    const { call, providers } = bench({ openrouter: () => 'okay' })
    await call({ targets: [{ model: 'openrouter/meta/llama', price }] })
    expect(providers.get('openrouter')?.received[0]).toMatchObject({ model: 'meta/llama', maxTokens: 5, stream: true })
  })

  it('reserves by the upper bounds', async () => {
    const { call, attempts } = bench({ a: () => 'okay' })
    await call()
    expect(attempts[0]).toMatchObject({ inputTokensAtMost: 14, costAtMostUsd: reservedUsd, tryNumber: 1, provider: 'a', simulated: false })
  })

  it('has no cost where the price is unknown', async () => {
    const { call } = bench({ a: () => 'okay' })
    expect(await call({ targets: [{ model: 'a/x', price: null }] })).toMatchObject({ costUsd: null })
  })

  it('tells the pieces of a streamed answer and no others', async () => {
    const script: Script = (_request, _signal, onText) => (onText('ok'), onText('ay'), 'okay')
    const streamed = bench({ a: script })
    await streamed.call()
    expect(streamed.events.flatMap((event) => (event.type === 'call-texted' ? [event.piece] : []))).toEqual(['ok', 'ay'])
    const whole = bench({ a: script })
    await whole.call({ request: { ...request, stream: false } })
    expect(whole.events.map(({ type }) => type)).toEqual(['call-started', 'attempt-finished'])
  })

  it('says when it left, when it came back and how long it waited at the limiter', async () => {
    const { call, events, runtime } = bench(
      { a: async (_request, signal) => (await sleep(runtime.clock, 300, signal), 'okay') },
      {
        gates: [
          {
            name: 'limiter',
            enter: async (_attempt, signal) => {
              await sleep(runtime.clock, 200, signal)
              return { sent: () => undefined, settle: () => undefined }
            },
          },
        ],
      },
    )
    const done = call()
    await runtime.clock.advance(500)
    expect(await done).toMatchObject({ latencyMs: 300 })
    expect(finished(events)).toMatchObject([{ startedMs: 200, endedMs: 500, limiterMs: 200 }])
  })

  it('refuses to mix simulated and real', async () => {
    const { call, log } = bench({ simulated: () => 'okay', a: () => 'okay' })
    await expect(call({ targets: [{ model: 'simulated/x', price }] })).rejects.toMatchObject({ code: 'internal' })
    await expect(call({ simulated: true })).rejects.toMatchObject({ code: 'internal' })
    await expect(call({ targets: [{ model: 'simulated/x', price }], simulated: true })).resolves.toMatchObject({ model: 'simulated/x' })
    expect(log.filter((line) => line.startsWith('send'))).toEqual(['send simulated'])
  })

  it('of a provider that is not there is an unknown model', async () => {
    await expect(bench({ a: () => 'okay' }).call({ targets: [{ model: 'z/x', price }] })).rejects.toMatchObject({ code: 'unknown_model' })
  })
})

describe('a failed try', () => {
  it.each<[string, ProviderFailure, Partial<ProviderErrorOptions>, number, string]>([
    ['was never sent', 'unreachable', { sent: false }, 0, 'error'],
    ['was refused with 400', 'bad-request', { status: 400 }, 0, 'error'],
    ['was refused with 529', 'overloaded', { status: 529 }, 0, 'error'],
    ['timed out', 'timeout', {}, reservedUsd, 'timeout'],
    ['was cut in the middle', 'bad-answer', {}, reservedUsd, 'error'],
    ['failed in the body of a 200', 'overloaded', { status: 200 }, reservedUsd, 'error'],
  ])('that %s books what the provider may charge', async (_name, failure, options, costUsd, outcome) => {
    const { call, events, settled } = bench({ a: fails(failure, options) })
    await expect(call()).rejects.toMatchObject({ failure })
    expect(finished(events)).toMatchObject([{ outcome, costUsd, usage: null }])
    expect(settled).toMatchObject([{ settlement: outcome, result: { costUsd, outcome } }])
  })

  it('is tried again through all gates, as a try of its own, visibly after partial text', async () => {
    let tries = 0
    const { call, events, attempts } = bench({
      a: (asked, signal, onText) => {
        onText(`part ${(tries += 1)}`)
        return tries === 1 ? fails('bad-answer', { retryable: true })(asked, signal, onText) : 'okay'
      },
    })
    await call()
    const oneTry = ['call-started', 'call-texted', 'attempt-finished']
    expect(events.map(({ type }) => type)).toEqual([...oneTry, ...oneTry])
    expect(attempts.map(({ tryNumber }) => tryNumber)).toEqual([1, 2])
    expect(new Set(attempts.map(({ id }) => id)).size).toBe(2)
    expect(finished(events).map(({ costUsd }) => costUsd)).toEqual([reservedUsd, paidUsd])
  })

  it('that is a bug of ours is not hidden, and settled', async () => {
    const { call, settled } = bench({
      a: () => {
        throw new TypeError('x is undefined')
      },
    })
    await expect(call()).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('x is undefined') })
    expect(settled).toMatchObject([{ settlement: 'error', result: { costUsd: reservedUsd } }])
  })
})

describe('a try that a gate refuses', () => {
  const refusing: CallGate = {
    name: 'limiter',
    enter: () => {
      throw new OrxError('circuit_open', 'the circuit is open')
    },
  }

  it('never left: it costs nothing and is no attempt', async () => {
    const { call, log, events } = bench({ a: () => 'okay' }, { gates: [refusing] })
    await expect(call()).rejects.toMatchObject({ code: 'circuit_open' })
    expect(events.map(({ type }) => type)).toEqual(['call-started', 'attempt-unsent'])
    expect(log).toEqual(['recall', 'cache', 'enter budget', 'settle budget unsent'])
  })

  it('by the abort of the run says so', async () => {
    const controller = new AbortController()
    const aborting: CallGate = {
      name: 'limiter',
      enter: () => {
        controller.abort()
        return { sent: () => undefined, settle: () => undefined }
      },
    }
    const { call, events, log } = bench({ a: () => 'okay' }, { gates: [aborting] })
    await expect(call({}, controller.signal)).rejects.toMatchObject({ code: 'aborted' })
    expect(events.at(-1)).toMatchObject({ type: 'attempt-unsent', errorCode: 'aborted' })
    expect(log).not.toContain('send a')
    expect(log).toContain('settle ledger unsent')
  })
})

describe('an abort', () => {
  it('of a request that is out settles it as aborted with its reservation', async () => {
    const controller = new AbortController()
    const { call, settled, events } = bench({
      a: (_request, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
          controller.abort(new OrxError('deadline', 'too late'))
        }),
    })
    await expect(call({ targets: twoTargets }, controller.signal)).rejects.toMatchObject({ code: 'deadline' })
    expect(settled).toMatchObject([{ settlement: 'aborted', result: { costUsd: reservedUsd, errorCode: 'deadline' } }])
    expect(finished(events)).toMatchObject([{ outcome: 'aborted', costUsd: reservedUsd }])
  })

  it('does not lose an answer that had come', async () => {
    const controller = new AbortController()
    const { call, settled } = bench({ a: () => (controller.abort(), 'okay') })
    expect(await call({}, controller.signal)).toMatchObject({ answer: { text: 'okay' } })
    expect(settled).toMatchObject([{ settlement: 'ok' }])
  })

  it('while a failing try comes back asks no other model', async () => {
    const controller = new AbortController()
    const { call, log } = bench({ a: (...asked) => (controller.abort(), fails('overloaded')(...asked)), b: () => 'okay' })
    await expect(call({ targets: twoTargets }, controller.signal)).rejects.toMatchObject({ code: 'provider_error' })
    expect(log).not.toContain('send b')
  })

  it('waits for the settlement of a load that ends with it', async () => {
    const controller = new AbortController()
    const { call, events, settled } = bench(
      {
        a: async (_request, signal) => {
          controller.abort(new OrxError('aborted', 'stopped'))
          for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
          throw signal.reason
        },
      },
      { cache: { getOrLoad: (_key, load, _options, signal) => untilAborted(load(signal), signal) } },
    )
    await expect(call({}, controller.signal)).rejects.toMatchObject({ code: 'aborted' })
    expect(events.at(-1)).toMatchObject({ type: 'attempt-finished', outcome: 'aborted' })
    expect(settled).toHaveLength(1)
  })

  it('before the call asks nothing, not even the ledger', async () => {
    const { call, log } = bench({ a: () => 'okay' })
    await expect(call({}, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
    expect(log).toEqual([])
  })

  it('ends a recall that hangs', async () => {
    const controller = new AbortController()
    const { call } = bench(
      { a: () => 'okay' },
      {
        ledger: {
          name: 'ledger',
          enter: () => ({ sent: () => undefined, settle: () => undefined }),
          recall: () => new Promise(() => undefined),
        },
      },
    )
    const done = call({}, controller.signal)
    controller.abort(new OrxError('deadline', 'too late'))
    await expect(done).rejects.toMatchObject({ code: 'deadline' })
  })
})

describe('an answer that is there already', () => {
  it('in the ledger is used without asking anyone, and costs nothing again', async () => {
    const { call, events, log } = bench({ a: () => 'okay' }, { recalled: () => 'from before' })
    expect(await call()).toMatchObject({ answer: { text: 'from before' }, costUsd: 0, savedUsd: paidUsd, fromCache: true })
    expect(log).toEqual(['recall'])
    expect(finished(events)).toMatchObject([{ outcome: 'cached', costUsd: 0, savedUsd: paidUsd, usage: null }])
  })

  it('in the ledger from a fallback is used before the failing model is asked again', async () => {
    const { call, log } = bench(
      { a: fails('overloaded'), b: () => 'okay' },
      { recalled: ({ model }) => (model === 'b/y' ? 'from before' : null) },
    )
    expect(await call({ targets: twoTargets })).toMatchObject({ model: 'b/y', answer: { text: 'from before' } })
    expect(log).toEqual(['recall', 'recall'])
  })

  it('in the cache costs nothing and says what it saved', async () => {
    const { call, events, providers } = bench({ a: () => 'okay' })
    await call()
    expect(await call()).toMatchObject({ answer: { text: 'okay' }, costUsd: 0, savedUsd: paidUsd, fromCache: true, model: 'a/x' })
    expect(finished(events).map(({ outcome }) => outcome)).toEqual(['ok', 'cached'])
    expect(providers.get('a')?.received).toHaveLength(1)
  })

  it('in the cache is not read nor written with useCache false', async () => {
    const { call, providers } = bench({ a: () => 'okay' })
    await call({ useCache: false })
    expect(await call()).toMatchObject({ fromCache: false })
    expect(await call({ useCache: false })).toMatchObject({ fromCache: false })
    expect(providers.get('a')?.received).toHaveLength(3)
  })

  it('is asked for by itself when the run that loads it for both may spend no more', async () => {
    const joined: CallerDeps['cache'] = { getOrLoad: () => Promise.reject(new OrxError('cost_limit', 'the other run is at its limit')) }
    const { call, providers } = bench({ a: () => 'okay' }, { cache: joined })
    expect(await call()).toMatchObject({ answer: { text: 'okay' }, costUsd: paidUsd, fromCache: false })
    expect(providers.get('a')?.received).toHaveLength(1)
  })

  it('is never an empty one', async () => {
    const { call, providers } = bench({ a: () => ' \n' })
    await call()
    await call()
    expect(providers.get('a')?.received).toHaveLength(2)
  })

  it.each<[string, Partial<CallOrder>]>([
    ['scope', { scope: 'you' }],
    ['model', { targets: [{ model: 'a/y', price }] }],
    ['provider', { targets: [{ model: 'b/x', price }] }],
    ['messages', { request: { ...request, messages: [{ role: 'user', content: 'Why not?' }] } }],
    ['role of a message', { request: { ...request, messages: [{ role: 'system', content: 'Why?' }] } }],
    ['bound on tokens', { request: { ...request, maxTokens: 6 } }],
    ['temperature', { request: { ...request, temperature: 0 } }],
    ['format', { request: { ...request, format: 'json' } }],
    ['prompt version', { promptVersion: '2' }],
    ['role', { step: { threadId: 'thread', iteration: 1, role: 'critic', sample: 0 } }],
    ['iteration', { step: { threadId: 'thread', iteration: 2, role: 'primary', sample: 0 } }],
    ['sample', { step: { threadId: 'thread', iteration: 1, role: 'primary', sample: 1 } }],
  ])('is not that of another %s', async (_name, other) => {
    const { call } = bench({ a: () => 'okay', b: () => 'okay' })
    await call()
    expect(await call(other)).toMatchObject({ fromCache: false })
  })

  it('is that of another thread, streamed or not', async () => {
    const { call } = bench({ a: () => 'okay' })
    await call()
    const step = { threadId: 'other', iteration: 1, role: 'primary', sample: 0 } as const
    expect(await call({ step, request: { ...request, stream: false } })).toMatchObject({ fromCache: true })
  })
})

describe('a fallback', () => {
  it('answers under its own name, and the reason is told', async () => {
    const heard: string[] = []
    const { call } = bench({ a: fails('overloaded', { status: 503 }), b: () => 'okay' })
    const result = await call({
      targets: twoTargets,
      onFailure: (failed, error, next) => heard.push(`${failed.model} ${error.code} ${next?.model ?? 'none'}`),
    })
    expect(result).toMatchObject({ model: 'b/y', answer: { text: 'okay' } })
    expect(heard).toEqual(['a/x provider_error b/y'])
  })

  it('is not cached as the answer of the model that failed', async () => {
    let down = true
    const { call } = bench({ a: (asked, signal, onText) => (down ? fails('overloaded')(asked, signal, onText) : 'by a'), b: () => 'by b' })
    await call({ targets: twoTargets })
    down = false
    expect(await call({ targets: twoTargets })).toMatchObject({ model: 'a/x', answer: { text: 'by a' }, fromCache: false })
  })

  it('never follows the limit on cost', async () => {
    const broke: CallGate = {
      name: 'budget',
      enter: () => {
        throw new OrxError('cost_limit', 'too dear')
      },
    }
    const { call, log } = bench({ a: () => 'okay', b: () => 'okay' })
    await expect(call({ targets: twoTargets, gates: [broke] })).rejects.toMatchObject({ code: 'cost_limit' })
    expect(log).toEqual(['recall', 'recall', 'cache'])
  })

  it('passes by the models of a provider that cannot be reached', async () => {
    const { call, log } = bench({ a: fails('unreachable', { sent: false }), b: () => 'okay' })
    await call({ targets: [twoTargets[0], { model: 'a/z', price }, { model: 'b/y', price }] })
    expect(log.filter((line) => line.startsWith('send'))).toEqual(['send a', 'send b'])
  })
})

it('knows which failures hold for a whole provider', () => {
  expect(failsWith('a/z', 'a/x', 'credential_rejected')).toBe(true)
  expect(failsWith('a/z', 'a/x', 'bad_request')).toBe(false)
  expect(failsWith('a/x', 'a/x', 'bad_request')).toBe(true)
  expect(failsWith('b/x', 'a/x', 'credential_rejected')).toBe(false)
})

it('lets one failure stand for all only when it holds for all', () => {
  const of = (...codes: ('provider_unreachable' | 'credential_rejected' | 'bad_request')[]) =>
    decisiveOf(codes.map((code) => new OrxError(code, code))).code
  expect(of('provider_unreachable', 'provider_unreachable')).toBe('provider_unreachable')
  expect(of('credential_rejected')).toBe('credential_rejected')
  expect(of('provider_unreachable', 'credential_rejected')).toBe('failed')
  expect(of('bad_request', 'provider_unreachable')).toBe('bad_request')
})
