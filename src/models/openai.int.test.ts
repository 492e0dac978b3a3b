import fc from 'fast-check'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { secret } from '../core/secret.ts'
import { makeIo } from '../io.ts'
import { makeAgent, type ProviderAgent } from './agent.ts'
import type { ChatRequest } from './chat.ts'
import type { Guards } from './http.ts'
import { openAiBody, openAiProvider, openAiRateLimit } from './openai.ts'
import type { Provider, ProviderError } from './provider.ts'
import { completion, completionEvents, sendJson, wireServer, type Answer, type WireServer } from './wire.testkit.ts'

const { clock } = makeIo(process, '').runtime
const signal = new AbortController().signal
const request: ChatRequest = { model: 'test-model', messages: [{ role: 'user', content: 'Hello, größe 🙂' }], maxTokens: 64, stream: false }
const key = 'key-canary-0123456789'

let agent: ProviderAgent
let server: WireServer | null = null
beforeAll(() => {
  agent = makeAgent({ version: '1.2.3', clock })
})
afterEach(async () => {
  await server?.close()
  server = null
})
afterAll(() => agent.close())

async function provider(answer: Answer, guards: Partial<Guards> = {}): Promise<Provider> {
  server = await wireServer(answer)
  return openAiProvider({
    provider: 'openai',
    identity: 'openai',
    baseUrl: `${server.baseUrl}/`,
    keyVariable: 'OPENAI_API_KEY',
    key: secret(key),
    agent,
    clock,
    jsonMode: true,
    guards,
  })
}

async function failure(answer: Answer, guards: Partial<Guards> = {}, more: Partial<ChatRequest> = {}): Promise<ProviderError> {
  const asked = await provider(answer, guards)
  return asked.chat({ ...request, ...more }, signal).then(
    () => expect.fail('it should have failed'),
    (error: ProviderError) => error,
  )
}

const stream =
  (text: string | readonly Buffer[]): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    for (const piece of typeof text === 'string' ? [Buffer.from(text)] : text) response.write(piece)
    response.end()
  }

describe('a whole answer', () => {
  test('is read with its usage, its limits and the model that gave it', async () => {
    const asked = await provider((_, response) =>
      sendJson(response, completion('Hi.'), 200, {
        'x-ratelimit-limit-requests': '60',
        'x-ratelimit-remaining-requests': '59',
        'x-ratelimit-reset-requests': '1s',
        'x-ratelimit-reset-tokens': '6m0.5s',
      }),
    )
    expect(await asked.chat(request, signal)).toEqual({
      text: 'Hi.',
      model: 'test-model-2026',
      finishReason: 'stop',
      usage: { inputTokens: 20, outputTokens: 5, cachedInputTokens: 8, estimated: false },
      firstTextMs: null,
      rateLimit: { limitRequests: 60, remainingRequests: 59, resetRequestsMs: 1_000, resetTokensMs: 360_500 },
    })
    expect(server?.received[0]).toMatchObject({
      url: '/v1/chat/completions',
      headers: { 'authorization': `Bearer ${key}`, 'user-agent': 'OrchestrateX/1.2.3', 'content-type': 'application/json' },
      body: { model: 'test-model', max_tokens: 64, messages: request.messages },
    })
  })

  test('without usage is counted by its bytes, and says so', async () => {
    const asked = await provider((_, response) => sendJson(response, completion('four and four', { usage: null })))
    expect((await asked.chat(request, signal)).usage).toEqual({ inputTokens: 5, outputTokens: 4, cachedInputTokens: 0, estimated: true })
  })

  test('that a server gives instead of the stream it was asked for is taken', async () => {
    const asked = await provider((_, response) => sendJson(response, completion('Hi.')))
    expect(await asked.chat({ ...request, stream: true }, signal)).toMatchObject({ text: 'Hi.' })
  })
})

describe('a streamed answer', () => {
  const pieces = ['Grö', 'ße und 🙂', ' — fertig\n', 'data: [DONE] is text here']

  test('is the same text however its bytes are split', async () => {
    const bytes = Buffer.from(completionEvents(pieces))
    let cuts: readonly number[] = []
    const asked = await provider((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let from = 0
      for (const cut of [...cuts, bytes.length]) {
        response.write(bytes.subarray(from, cut))
        from = cut
      }
      response.end()
    })
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 40 }), async (places) => {
        cuts = places.toSorted((a, b) => a - b)
        const heard: string[] = []
        const answer = await asked.chat({ ...request, stream: true }, signal, (piece) => heard.push(piece))
        expect([answer.text, heard.join('')]).toEqual([pieces.join(''), pieces.join('')])
      }),
      { numRuns: 60 },
    )
    cuts = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1)
    expect((await asked.chat({ ...request, stream: true }, signal)).text).toBe(pieces.join(''))
  })

  test('asks for its usage and reads it from the last event', async () => {
    const asked = await provider(stream(completionEvents(pieces)))
    const answer = await asked.chat({ ...request, stream: true }, signal)
    expect(answer.usage).toEqual({ inputTokens: 20, outputTokens: 5, cachedInputTokens: 0, estimated: false })
    expect(answer.firstTextMs).toBeGreaterThanOrEqual(0)
    expect(server?.received[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } })
  })

  test.each([
    ['without [DONE], but with its reason to end', completionEvents(pieces, { done: false }), pieces.join('')],
    ['without a reason, but with [DONE]', completionEvents(pieces, { finish: false }), pieces.join('')],
  ])('that ends %s is whole', async (_, text, expected) => {
    const asked = await provider(stream(text))
    expect((await asked.chat({ ...request, stream: true }, signal)).text).toBe(expected)
  })

  test.each([
    ['cut between two events', completionEvents(pieces, { done: false, finish: false, usage: false }), /it was cut/],
    ['cut within an event', completionEvents(pieces).slice(0, 400), /it was cut/],
    ['with an event that is no JSON', 'data: {broken\n\n', /JSON in each event/],
    ['with an event of another shape', 'data: {"hello": 1}\n\n', /chunk of a chat completion/],
    ['without any text', completionEvents([]), /it was empty/],
    ['of nothing at all', '', /it was cut/],
  ])('%s is a bad answer that may be tried again', async (_, text, message) => {
    const error = await failure(stream(text), {}, { stream: true })
    expect(error).toMatchObject({ failure: 'bad-answer', code: 'bad_answer', retryable: true, sent: true })
    expect(error.message).toMatch(message)
  })

  test('with an error in it after 200 is that error', async () => {
    const events = `${completionEvents(['begun'], { done: false, finish: false, usage: false })}data: {"error":{"message":"overloaded now","type":"server_error"}}\n\n`
    expect(await failure(stream(events), {}, { stream: true })).toMatchObject({ failure: 'overloaded', retryable: true })
  })
})

const says =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    sendJson(response, body, status, headers)
const complaint = (message: string, more: Record<string, unknown> = {}) => ({
  error: { message, type: null, param: null, code: null, ...more },
})

describe('what a provider says of an error', () => {
  test.each([
    ['401', says(401, complaint('Incorrect API key')), { failure: 'credential', exitCode: 4, retryable: false }],
    ['403', says(403, complaint('not yours')), { failure: 'credential', exitCode: 4, retryable: false }],
    ['400 for a wrong key, as xAI does', says(400, complaint('Incorrect API key provided')), { failure: 'credential', exitCode: 4 }],
    [
      '400',
      says(400, complaint('max_tokens too large', { type: 'invalid_request_error' })),
      { failure: 'bad-request', exitCode: 1, retryable: false },
    ],
    ['402', says(402, complaint('pay first')), { failure: 'quota', exitCode: 1, retryable: false }],
    [
      '404',
      says(404, complaint('no such model', { code: 'model_not_found' })),
      { failure: 'unknown-model', exitCode: 1, retryable: false },
    ],
    ['429', says(429, complaint('slow down')), { failure: 'rate-limited', retryable: true }],
    ['429 with Retry-After', says(429, complaint('slow down'), { 'retry-after': '7' }), { retryAfterMs: 7_000, retryable: true }],
    ['429 without credit', says(429, complaint('no credit', { code: 'insufficient_quota' })), { failure: 'quota', retryable: false }],
    ['500', says(500, complaint('broken')), { failure: 'overloaded', retryable: true, exitCode: 1 }],
    ['529', says(529, complaint('overloaded')), { failure: 'overloaded', retryable: true }],
    [
      '502 as a page',
      (_: unknown, response: ServerResponse) => void response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
      { failure: 'overloaded', retryable: true },
    ],
    ['200 with an error in it', says(200, complaint('Provider returned error', { code: 502 })), { failure: 'overloaded' }],
    [
      '200 with an error that is a text',
      says(200, { error: 'model not loaded' }),
      { message: expect.stringContaining('model not loaded') as string },
    ],
  ])('%s', async (_, answer, expected) => {
    expect(await failure(answer)).toMatchObject({ ...expected, sent: true, hint: expect.stringMatching(/\S/) as string })
  })

  test('never carries the key or a control character, whatever the body says', async () => {
    const error = await failure(says(401, complaint(`your key ${key} is wrong\u001b[2J \u202e`)))
    const shown = `${error.message} ${error.hint} ${JSON.stringify(error)}`
    expect(shown).not.toContain(key)
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(error.message).not.toMatch(/[\u0000-\u001f\u202e]/)
    expect((await failure(says(200, { hello: key }))).message).toMatch(/got: .*\*\*\*/)
  })
})

describe('what is no answer', () => {
  test.each([
    [
      'a page instead of JSON',
      (_: unknown, response: ServerResponse) =>
        void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>'),
      /expected JSON, got: <!doctype html>/,
    ],
    ['JSON of another shape', says(200, { hello: 1 }), /expected a chat completion/],
    ['an empty text', says(200, completion('  ')), /it was empty/],
    [
      'a body that is cut',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
        response.write('{"choices": [')
        setImmediate(() => response.destroy())
      },
      /broke/,
    ],
    [
      'a compressed body nobody asked for',
      (_: unknown, response: ServerResponse) =>
        void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync(JSON.stringify(completion('x'.repeat(1_000_000))))),
      /not compressed/,
    ],
  ] as readonly (readonly [string, Answer, RegExp])[])('%s is a bad answer', async (_, answer, message) => {
    const error = await failure(answer)
    expect(error).toMatchObject({ failure: 'bad-answer', exitCode: 1 })
    expect(error.message).toMatch(message)
  })

  test('more than the bound is refused, streamed or not', async () => {
    expect(await failure(says(200, completion('x'.repeat(2_000))), { answerBytes: 1_000 })).toMatchObject({
      failure: 'too-large',
      retryable: false,
    })
    expect(
      await failure(stream(completionEvents(['x'.repeat(900), 'y'.repeat(900)])), { answerBytes: 1_000 }, { stream: true }),
    ).toMatchObject({ failure: 'too-large' })
    expect(await failure((_, response) => void response.end('z'.repeat(50_000)), { answerBytes: 1_000 })).toMatchObject({
      failure: 'too-large',
    })
  })
})

describe('time', () => {
  test.each([
    ['no headers', () => undefined, { headersMs: 200 }],
    [
      'headers, then silence',
      (_: unknown, response: ServerResponse) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: '),
      { silenceMs: 200 },
    ],
    [
      'a drip that never ends',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const drip = setInterval(() => response.write(': still here\n\n'), 20)
        response.once('close', () => clearInterval(drip))
      },
      { totalMs: 300 },
    ],
  ] as readonly (readonly [string, Answer, Partial<Guards>])[])('%s ends as a timeout', async (_, answer, guards) => {
    expect(await failure(answer, guards, { stream: true })).toMatchObject({
      failure: 'timeout',
      code: 'provider_timeout',
      retryable: true,
      sent: true,
    })
  })

  test('an abort ends the call with its reason, and the connection with it', async () => {
    const asked = await provider(() => undefined)
    const controller = new AbortController()
    const call = asked.chat(request, controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 50)
    await expect(call).rejects.toThrow('enough')
  })
})

test('a port where nothing listens is unreachable, and certainly was not sent', async () => {
  const asked = await provider(() => undefined)
  await server?.close()
  server = null
  const error = await asked.chat(request, signal).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ failure: 'unreachable', code: 'provider_unreachable', exitCode: 69, sent: false, retryable: true })
})

test('one host never has more than 20 connections', async () => {
  const waiting: ServerResponse[] = []
  const asked = await provider((_, response) => {
    waiting.push(response)
    setTimeout(() => sendJson(response, completion('Hi.')), 20)
  })
  await Promise.all(Array.from({ length: 60 }, () => asked.chat(request, signal)))
  expect(waiting).toHaveLength(60)
  expect(server?.connections().most).toBe(20)
})

test('one connection serves call after call, streamed ones too', async () => {
  const asked = await provider(stream(completionEvents(['Hi.'])))
  for (let call = 0; call < 10; call += 1) {
    await asked.chat({ ...request, stream: true }, signal)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(server?.connections().opened).toBe(1)
})

test('a server that never ends its stream after [DONE] does not hold the answer', async () => {
  const asked = await provider((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(completionEvents(['Hi.']))
  })
  expect((await asked.chat({ ...request, stream: true }, signal)).text).toBe('Hi.')
})

test('lists the models of a server', async () => {
  const asked = await provider((_, response) => sendJson(response, { data: [{ id: 'llama3' }, { id: 'qwen3' }] }))
  expect(await asked.listModels(signal)).toEqual(['llama3', 'qwen3'])
  expect(server?.received[0]?.url).toBe('/v1/models')
})

test('JSON is asked for only where the server is known to take it', () => {
  const json: ChatRequest = { ...request, format: 'json' }
  expect(openAiBody(json, { jsonMode: true, tokensField: 'max_tokens' })).toHaveProperty('response_format', { type: 'json_object' })
  expect(openAiBody(json, { jsonMode: false, tokensField: 'max_tokens' })).not.toHaveProperty('response_format')
})

test.each([
  ['20ms', 20],
  ['1s', 1_000],
  ['1m30.5s', 90_500],
  ['soon', undefined],
])('a reset of %s is %s ms', (text, expected) => {
  const state = openAiRateLimit((name) => (name === 'x-ratelimit-reset-requests' ? text : undefined))
  expect(state?.resetRequestsMs).toBe(expected)
})
