import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { makeIo } from '../io.ts'
import { makeAgent, type ProviderAgent } from './agent.ts'
import type { ChatRequest } from './chat.ts'
import { ollamaBody, ollamaProvider } from './ollama.ts'
import type { Provider } from './provider.ts'
import { sendJson, wireServer, type Answer, type WireServer } from './wire.testkit.ts'

const { clock } = makeIo(process, '').runtime
const signal = new AbortController().signal
const request: ChatRequest = {
  model: 'llama3',
  messages: [{ role: 'user', content: 'Hello' }],
  maxTokens: 64,
  stream: true,
  format: 'json',
}
let agent: ProviderAgent
let server: WireServer | null = null
beforeAll(() => {
  agent = makeAgent({ version: '0', clock })
})
afterEach(() => server?.close())
afterAll(() => agent.close())

async function provider(answer: Answer): Promise<Provider> {
  server = await wireServer(answer)
  const baseUrl = server.baseUrl.replace(/v1$/, 'api')
  return ollamaProvider({ provider: 'local', identity: 'local', baseUrl, keyVariable: 'ORX_API_KEY', key: null, agent, clock })
}

const lines = [
  { model: 'llama3', message: { role: 'assistant', content: 'Grü' }, done: false },
  { model: 'llama3', message: { role: 'assistant', content: 'ße 🙂' }, done: false },
  { model: 'llama3', message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 12, eval_count: 4 },
]
const text = (objects: readonly object[]): string => objects.map((line) => `${JSON.stringify(line)}\n`).join('')
const byteByByte =
  (body: string): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    for (const byte of Buffer.from(body)) response.write(Buffer.of(byte))
    response.end()
  }

test('the lines are one answer with its counts, however their bytes are split', async () => {
  const asked = await provider(byteByByte(text(lines)))
  const heard: string[] = []
  const answer = await asked.chat(request, signal, (piece) => heard.push(piece))
  expect(answer).toMatchObject({ text: 'Grüße 🙂', finishReason: 'stop', usage: { inputTokens: 12, outputTokens: 4, estimated: false } })
  expect(heard).toEqual(['Grü', 'ße 🙂'])
  expect(server?.received[0]).toMatchObject({
    url: '/api/chat',
    body: { ...ollamaBody(request), options: { num_predict: 64 }, format: 'json' },
  })
})

test.each([
  [
    'a stream without its done line',
    byteByByte(text(lines.slice(0, 2))),
    { failure: 'bad-answer', message: expect.stringContaining('cut') as string },
  ],
  ['a line that is no JSON', byteByByte('{broken\n'), { failure: 'bad-answer' }],
  [
    'an error in a line',
    byteByByte(text([{ error: 'model "llama3" not found' }])),
    { message: expect.stringContaining('not found') as string },
  ],
  [
    '404',
    (_: unknown, response: Parameters<typeof sendJson>[0]) => sendJson(response, { error: 'model not found' }, 404),
    { failure: 'unknown-model' },
  ],
  ['no text', byteByByte(text(lines.slice(2))), { failure: 'bad-answer' }],
] as readonly (readonly [string, Answer, object])[])('%s fails', async (_, answer, expected) => {
  const asked = await provider(answer)
  await expect(asked.chat(request, signal)).rejects.toMatchObject(expected)
})

test('lists the models that are pulled', async () => {
  const asked = await provider((_, response) => sendJson(response, { models: [{ name: 'llama3:8b' }] }))
  expect(await asked.listModels(signal)).toEqual(['llama3:8b'])
  expect(server?.received[0]?.url).toBe('/api/tags')
})
