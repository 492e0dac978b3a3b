// The fault matrix: what a provider may do to a run, and what the real binary makes of it. Needs `npm run build`.
import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { binary } from './binary.testkit.ts'
import type { RunResult } from './orchestration/events.ts'
import { completion, completionEvents, sendJson, wireServer, type Received, type WireServer } from './models/wire.testkit.ts'

const canary = 'key-canary-0123456789'
let folder: string
let server: WireServer | null = null
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-faults-'))
})
afterEach(async () => {
  await server?.close()
  server = null
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Envelope {
  readonly exitCode: number
  readonly data: RunResult | null
  readonly error: { readonly code: string; readonly hint: string } | null
}

async function orx(baseUrl: string, deadline: string): Promise<{ exitCode: number | null; text: string; envelope: Envelope }> {
  const argv = [
    binary,
    'run',
    'Why?',
    '--model',
    'local/one',
    '--models',
    'local/one,local/two',
    '--critics',
    '0',
    '--db',
    'none',
    '--json',
    '--deadline',
    deadline,
  ]
  const child = spawn(process.execPath, argv, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ORX_BASE_URL: baseUrl, ORX_API_KEY: canary },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
  })
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { exitCode, text: stdout + stderr, envelope: JSON.parse(stdout) as Envelope }
}

/** Does something to the n-th request (from 1) of a model; `true` when it has answered. */
type Fault = (context: {
  readonly coming: number
  readonly request: Received
  readonly response: ServerResponse
  readonly raw: IncomingMessage
}) => void

const error =
  (status: number, message: string, headers: Record<string, string> = {}, code: string | null = null): Fault =>
  ({ response }) =>
    sendJson(response, { error: { message, type: null, param: null, code } }, status, headers)
const events =
  (text: string): Fault =>
  ({ response }) =>
    void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text)
const fine: Fault = ({ request, response }) => sendJson(response, completion(`answer of ${String(request.body['model'])}`))
/** The first requests of each model fail, then it answers. */
const first =
  (times: number, fault: Fault): Fault =>
  (context) =>
    context.coming <= times ? fault(context) : fine(context)
/** The first model fails for good, the second is well. */
const one =
  (fault: Fault): Fault =>
  (context) =>
    context.request.body['model'] === 'one' ? fault(context) : fine(context)
const soon = new Date(Date.now() + 1_500).toUTCString()

interface Row {
  readonly fault: Fault
  readonly exit: number
  /** Of the error; null: there is an answer. */
  readonly code: string | null
  /** Requests of model one, and of model two. */
  readonly requests: readonly [number, number]
  readonly deadline?: string
}

const rows: Readonly<Record<string, Row>> = {
  '429, Retry-After in seconds, then well': {
    fault: first(1, error(429, 'slow', { 'retry-after': '1' })),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  '429, Retry-After as a date, then well': {
    fault: first(1, error(429, 'slow', { 'retry-after': soon })),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  '429, Retry-After in the past, then well': {
    fault: first(1, error(429, 'slow', { 'retry-after': 'Tue, 24 Nov 2020 10:00:00 GMT' })),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  '429, Retry-After is garbage, then well': {
    fault: first(1, error(429, 'slow', { 'retry-after': 'soon' })),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  '429, Retry-After of a day: the next model': {
    fault: one(error(429, 'slow', { 'retry-after': '86400' })),
    exit: 0,
    code: null,
    requests: [1, 1],
  },
  'bare 429 for ever': { fault: error(429, 'slow'), exit: 1, code: 'rate_limited', requests: [3, 3] },
  'a burst of 503, then well': { fault: first(2, error(503, 'busy')), exit: 0, code: null, requests: [3, 0] },
  'a burst of 529, then well': { fault: first(2, error(529, 'overloaded')), exit: 0, code: null, requests: [3, 0] },
  'model one down: the next model': { fault: one(error(500, 'broken')), exit: 0, code: null, requests: [3, 1] },
  'a reset, then well': { fault: first(1, ({ raw }) => void raw.socket.resetAndDestroy()), exit: 0, code: null, requests: [2, 0] },
  '401: not again, and no other model of it': {
    fault: error(401, `bad ${canary}`),
    exit: 4,
    code: 'credential_rejected',
    requests: [1, 0],
  },
  '402: not again': { fault: error(402, 'pay'), exit: 1, code: 'quota_exceeded', requests: [1, 0] },
  '403: not again': { fault: error(403, 'no'), exit: 4, code: 'credential_rejected', requests: [1, 0] },
  '400: not again, but another model': { fault: one(error(400, 'too long')), exit: 0, code: null, requests: [1, 1] },
  'insufficient quota: not again': {
    fault: error(429, 'none left', {}, 'insufficient_quota'),
    exit: 1,
    code: 'quota_exceeded',
    requests: [1, 0],
  },
  'no headers': { fault: () => undefined, exit: 1, code: 'provider_timeout', requests: [1, 0], deadline: '1s' },
  'a stream that sticks': {
    fault: ({ response }) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: '),
    exit: 1,
    code: 'provider_timeout',
    requests: [1, 0],
    deadline: '1s',
  },
  'a stream that drips': {
    fault: ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const drip = setInterval(() => response.write(': \n\n'), 50)
      response.once('close', () => clearInterval(drip))
    },
    exit: 1,
    code: 'provider_timeout',
    requests: [1, 0],
    deadline: '1s',
  },
  'a chunk that is cut, then well': {
    fault: first(1, events(completionEvents(['half']).slice(0, 200))),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  'no terminal event, then well': {
    fault: first(1, events(completionEvents(['half'], { done: false, finish: false }))),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  'UTF-8 split byte by byte': {
    fault: ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const byte of Buffer.from(completionEvents(['größe 🙂 東京']))) response.write(Buffer.of(byte))
      response.end()
    },
    exit: 0,
    code: null,
    requests: [1, 0],
  },
  'bad JSON for ever': {
    fault: ({ response }) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices": ['),
    exit: 1,
    code: 'bad_answer',
    requests: [3, 2],
  },
  'bad SSE, then well': { fault: first(1, events('data: {nonsense\n\n')), exit: 0, code: null, requests: [2, 0] },
  'a page instead of JSON, then well': {
    fault: first(1, ({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  '200 with an error in it, then well': {
    fault: first(1, ({ response }) => sendJson(response, { error: { message: 'upstream failed', code: 502 } })),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  'an SSE error after 200, then well': {
    fault: first(1, events('data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  'empty content, then well': {
    fault: first(1, ({ response }) => sendJson(response, completion(''))),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
  'an answer over 4 MiB: the next model': {
    fault: one(({ response }) => sendJson(response, completion('x'.repeat(4_300_000)))),
    exit: 0,
    code: null,
    requests: [1, 1],
  },
  'a gzip bomb, then well': {
    fault: first(
      1,
      ({ response }) =>
        void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(20_000_000))),
    ),
    exit: 0,
    code: null,
    requests: [2, 0],
  },
}

test.each(Object.entries(rows))('%s', async (_, { fault, exit, code, requests, deadline = '30s' }) => {
  const comings = new Map<string, number>()
  let answered = 0
  server = await wireServer((request, response, raw) => {
    if (request.url.endsWith('/models')) return sendJson(response, { data: [{ id: 'one' }, { id: 'two' }] })
    const model = String(request.body['model'])
    const coming = (comings.get(model) ?? 0) + 1
    comings.set(model, coming)
    response.once('finish', () => {
      if (response.statusCode === 200) answered += 1
    })
    fault({ coming, request, response, raw })
  })
  const fromMs = performance.now()
  const ended = await orx(server.baseUrl, deadline)
  const { data, error: told } = ended.envelope
  expect([ended.exitCode, ended.envelope.exitCode, told?.code ?? null]).toEqual([exit, exit, code])
  if (code === null) expect(data?.finalResponse).toBeTruthy()
  else expect(told?.hint).toMatch(/\S/)
  // What a provider received is what the run tells of, and nobody is asked more often than may be.
  expect([comings.get('one') ?? 0, comings.get('two') ?? 0]).toEqual(requests)
  expect(data?.attempts).toHaveLength(requests[0] + requests[1])
  expect(answered).toBeLessThanOrEqual(data?.attempts.length ?? 0)
  expect(performance.now() - fromMs).toBeLessThan(deadline === '1s' ? 8_000 : 40_000)
  expect(ended.text).not.toContain(canary)
  expect(ended.text).not.toMatch(/\n\s+at \S/)
})

test.each([
  ['a refused connection', 'http://127.0.0.1:1/v1'],
  ['a name that does not resolve', 'http://no-such-host.invalid/v1'],
])('%s is 69', async (_, baseUrl) => {
  const ended = await orx(baseUrl, '30s')
  expect([ended.exitCode, ended.envelope.error?.code]).toEqual([69, 'provider_unreachable'])
})

test('a server that speaks no TLS is unreachable by https, and not asked again', async () => {
  server = await wireServer((_, response) => sendJson(response, {}))
  const ended = await orx(server.baseUrl.replace('http:', 'https:'), '30s')
  expect([ended.exitCode, ended.envelope.error?.code]).toEqual([69, 'provider_unreachable'])
  expect(server.connections().opened).toBe(1)
})

test('a server that keeps its list of models back holds a run no longer than its deadline', async () => {
  server = await wireServer(() => undefined)
  const fromMs = performance.now()
  const ended = await orx(server.baseUrl, '1s')
  expect([ended.exitCode, ended.envelope.error?.code]).toEqual([1, 'provider_timeout'])
  expect(performance.now() - fromMs).toBeLessThan(8_000)
})
