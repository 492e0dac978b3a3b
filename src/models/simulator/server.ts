// The simulated provider: a real HTTP server on loopback that speaks OpenAI's chat completions and invents its answers.
// Invariant: the same seed and request give the same text, streamed or not; whatever it says, it says that it is simulated.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { z } from 'zod'
import { sleep, type Clock } from '../../core/runtime.ts'
import { profilesOf } from '../catalog.ts'
import { answerOf, hashOf, type SimulatedAnswer } from './answers.ts'
import { makeComings, type Fault, type FaultPlan } from './faults.ts'

export interface SimulatorOptions {
  readonly clock: Clock
  readonly seed: string
  /** Of the simulated latencies; 0 answers at once. @default 1 */
  readonly scale: number
  readonly faults: FaultPlan
  /** 0: any free port. */
  readonly port: number
}

export interface Simulator {
  readonly port: number
  /** `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string
  close(): Promise<void>
}

const requestLimitBytes = 8_388_608
/** A request that comes again does so within seconds, as a retry. */
const rememberedRequests = 20_000
/** Pieces of a stream come this far apart, before scaling. */
const pieceMs = 100

const bodySchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1),
  max_tokens: z.int().positive().optional(),
  max_completion_tokens: z.int().positive().optional(),
  stream: z.boolean().optional(),
})

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const comingOf = makeComings(rememberedRequests)
  const server = createServer((request, response) => {
    const controller = new AbortController()
    response.once('close', () => controller.abort(new Error('the client has left')))
    respond(request, response, options, comingOf, controller.signal).catch((error: unknown) => {
      if (!response.headersSent) refuse(response, 500, 'server_error', error instanceof Error ? error.message : String(error))
      response.end()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: options.port, host: '127.0.0.1' }, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: SimulatorOptions,
  comingOf: (hash: string) => number,
  signal: AbortSignal,
): Promise<void> {
  if (request.method === 'GET' && request.url === '/v1/models') {
    const data = profilesOf('simulated').map(({ model }) => ({ id: model, object: 'model', owned_by: 'simulated' }))
    sendJson(response, 200, { object: 'list', data })
    return
  }
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
    return refuse(response, 404, 'not_found_error', `the simulated provider has no ${request.method ?? ''} ${request.url ?? ''}`)
  }
  const parsed = bodySchema.safeParse(await jsonOf(request))
  if (!parsed.success)
    return refuse(
      response,
      400,
      'invalid_request_error',
      parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    )
  const { model, messages, stream = false } = parsed.data
  if (!profilesOf('simulated').some((profile) => profile.model === model))
    return refuse(response, 404, 'model_not_found', `there is no simulated model ${model}`)
  const simulated = { model, messages, maxTokens: parsed.data.max_completion_tokens ?? parsed.data.max_tokens ?? 2_048 }
  const hash = hashOf(options.seed, simulated)
  const fault = options.faults(hash, comingOf(hash))
  const whole = answerOf(options.seed, simulated)
  const answer = fault === 'empty' ? { ...whole, text: '', outputTokens: 0 } : whole
  await sleep(options.clock, answer.firstTokenMs * options.scale, signal)
  if (fault !== null && fault !== 'cut' && fault !== 'empty') return showFault(fault, request, response, signal)
  const id = `chatcmpl-simulated-${hash.slice(0, 16)}`
  if (stream) await streamAnswer(response, answer, { id, model }, options, fault, signal)
  else await sendWhole(request, response, answer, { id, model }, options, fault, signal)
}

interface Head {
  readonly id: string
  readonly model: string
}

const usageOf = ({ inputTokens, outputTokens }: SimulatedAnswer) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
})

async function sendWhole(
  request: IncomingMessage,
  response: ServerResponse,
  answer: SimulatedAnswer,
  head: Head,
  { clock, scale }: SimulatorOptions,
  fault: Fault | null,
  signal: AbortSignal,
): Promise<void> {
  await sleep(clock, ((answer.outputTokens * 1_000) / answer.tokensPerSecond) * scale, signal)
  const message = { role: 'assistant', content: answer.text }
  const choices = [{ index: 0, message, finish_reason: answer.finishReason }]
  const body = JSON.stringify({ ...head, object: 'chat.completion', choices, usage: usageOf(answer) })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  if (fault !== 'cut') return void response.end(body)
  response.write(body.slice(0, body.length / 2))
  request.socket.destroySoon()
}

async function streamAnswer(
  response: ServerResponse,
  answer: SimulatedAnswer,
  head: Head,
  { clock, scale }: SimulatorOptions,
  fault: Fault | null,
  signal: AbortSignal,
): Promise<void> {
  const send = (data: unknown): void => void response.write(`data: ${JSON.stringify(data)}\n\n`)
  const chunk = (delta: object, finish_reason: string | null): void =>
    send({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  chunk({ role: 'assistant', content: '' }, null)
  const words = answer.text.match(/\s*\S+\s*$|\s*\S+/g) ?? []
  const wordsPerPiece = Math.max(
    1,
    Math.round((words.length * answer.tokensPerSecond * pieceMs) / 1_000 / Math.max(1, answer.outputTokens)),
  )
  for (let from = 0; from < words.length; from += wordsPerPiece) {
    if (fault === 'cut' && from * 2 > words.length) return void response.end()
    chunk({ content: words.slice(from, from + wordsPerPiece).join('') }, null)
    if (scale > 0) await sleep(clock, pieceMs * scale, signal)
  }
  chunk({}, answer.finishReason)
  send({ ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) })
  response.end('data: [DONE]\n\n')
}

async function showFault(
  fault: Exclude<Fault, 'cut' | 'empty'>,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  switch (fault) {
    case '401':
      return refuse(response, 401, 'invalid_api_key', 'simulated: this key is rejected')
    case '429':
      response.setHeader('retry-after', '1')
      return refuse(response, 429, 'rate_limit_exceeded', 'simulated: too many requests')
    case '500':
      return refuse(response, 500, 'server_error', 'simulated: something broke')
    case 'reset':
      request.socket.resetAndDestroy()
      return
    case 'hang':
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>simulated proxy page</title>')
  }
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { message, type: code, param: null, code } })
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.byteLength
    if (bytes > requestLimitBytes) return null
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown
  } catch {
    return null
  }
}
