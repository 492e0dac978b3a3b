import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { secret } from '../core/secret.ts'
import { makeIo } from '../io.ts'
import { makeAgent, type ProviderAgent } from './agent.ts'
import { anthropicBody, anthropicProvider, anthropicRateLimit } from './anthropic.ts'
import type { ChatRequest } from './chat.ts'
import type { Provider } from './provider.ts'
import { sendJson, wireServer, type Answer, type WireServer } from './wire.testkit.ts'

const { clock } = makeIo(process, '').runtime
const signal = new AbortController().signal
const request: ChatRequest = {
  model: 'claude-test',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
  ],
  maxTokens: 64,
  stream: false,
}
let agent: ProviderAgent
let server: WireServer | null = null
beforeAll(() => {
  agent = makeAgent({ version: '1.2.3', clock })
})
afterEach(() => server?.close())
afterAll(() => agent.close())

async function provider(answer: Answer): Promise<Provider> {
  server = await wireServer(answer)
  return anthropicProvider({
    provider: 'anthropic',
    identity: 'anthropic',
    baseUrl: server.baseUrl,
    keyVariable: 'ANTHROPIC_API_KEY',
    key: secret('key-canary-0123456789'),
    agent,
    clock,
  })
}

const message = {
  model: 'claude-test-2026',
  content: [
    { type: 'thinking', thinking: 'hm' },
    { type: 'text', text: 'Hi.' },
  ],
  stop_reason: 'end_turn',
  usage: { input_tokens: 10, output_tokens: 3, cache_read_input_tokens: 7, cache_creation_input_tokens: 2 },
}

const events = (lines: readonly object[]): string =>
  lines.map((event) => `event: ${'type' in event ? String(event.type) : ''}\ndata: ${JSON.stringify(event)}\n\n`).join('')
const begun = [
  {
    type: 'message_start',
    message: { model: 'claude-test-2026', usage: { input_tokens: 10, output_tokens: 1, cache_read_input_tokens: 7 } },
  },
  { type: 'ping' },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grü' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'ße 🙂' } },
]
const ended = [{ type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: 64 } }, { type: 'message_stop' }]
const stream =
  (text: string): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const byte of Buffer.from(text)) response.write(Buffer.of(byte))
    response.end()
  }

test('what is said to the system stands apart, and the limit on tokens is always there', () => {
  expect(anthropicBody(request)).toEqual({
    model: 'claude-test',
    max_tokens: 64,
    system: 'Be brief.',
    messages: [{ role: 'user', content: 'Hello' }],
  })
})

test('a whole message is read, with the cached tokens among those of the input', async () => {
  const asked = await provider((_, response) => sendJson(response, message, 200, { 'anthropic-ratelimit-requests-remaining': '39' }))
  expect(await asked.chat(request, signal)).toEqual({
    text: 'Hi.',
    model: 'claude-test-2026',
    finishReason: 'stop',
    usage: { inputTokens: 19, outputTokens: 3, cachedInputTokens: 7, estimated: false },
    firstTextMs: null,
    rateLimit: { remainingRequests: 39 },
  })
  expect(server?.received[0]).toMatchObject({
    url: '/v1/messages',
    headers: { 'x-api-key': 'key-canary-0123456789', 'anthropic-version': '2023-06-01' },
  })
})

test('a stream that comes byte by byte is the same text, with the last count of its tokens', async () => {
  const asked = await provider(stream(events([...begun, ...ended])))
  const heard: string[] = []
  const answer = await asked.chat({ ...request, stream: true }, signal, (piece) => heard.push(piece))
  expect(answer).toMatchObject({
    text: 'Grüße 🙂',
    finishReason: 'length',
    usage: { inputTokens: 17, outputTokens: 64, cachedInputTokens: 7 },
  })
  expect(heard).toEqual(['Grü', 'ße 🙂'])
})

describe('what goes wrong', () => {
  test.each([
    ['a stream that is cut', stream(events(begun)), { failure: 'bad-answer', retryable: true }],
    [
      'an error after 200',
      stream(events([...begun, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }])),
      { failure: 'overloaded', retryable: true },
    ],
    [
      '529',
      (_: unknown, response: Parameters<typeof sendJson>[0]) =>
        sendJson(response, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 529),
      { failure: 'overloaded' },
    ],
    [
      '429',
      (_: unknown, response: Parameters<typeof sendJson>[0]) =>
        sendJson(response, { type: 'error', error: { type: 'rate_limit_error', message: 'Slow' } }, 429, { 'retry-after': '3' }),
      { failure: 'rate-limited', retryAfterMs: 3_000 },
    ],
    [
      '401',
      (_: unknown, response: Parameters<typeof sendJson>[0]) =>
        sendJson(response, { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }, 401),
      { failure: 'credential', exitCode: 4 },
    ],
    [
      'no text',
      (_: unknown, response: Parameters<typeof sendJson>[0]) => sendJson(response, { ...message, content: [] }),
      { failure: 'bad-answer' },
    ],
    [
      'another shape',
      (_: unknown, response: Parameters<typeof sendJson>[0]) => sendJson(response, { choices: [] }),
      { failure: 'bad-answer' },
    ],
  ] as readonly (readonly [string, Answer, object])[])('%s', async (_, answer, expected) => {
    const asked = await provider(answer)
    await expect(asked.chat({ ...request, stream: true }, signal)).rejects.toMatchObject(expected)
  })
})

test('resets are points in time', () => {
  const nowMs = Date.parse('2026-11-24T10:00:00Z')
  expect(anthropicRateLimit((name) => (name === 'anthropic-ratelimit-tokens-reset' ? '2026-11-24T10:00:30Z' : undefined), nowMs)).toEqual({
    resetTokensMs: 30_000,
  })
})
