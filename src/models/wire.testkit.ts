// A server for tests of what speaks HTTP: it answers as it is told, and keeps what it was asked.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'

export interface Received {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
}

export interface WireServer {
  readonly baseUrl: string
  readonly received: Received[]
  /** The most connections that were open at once, and all that were ever opened. */
  connections(): { readonly most: number; readonly opened: number }
  close(): Promise<void>
}

export type Answer = (request: Received, response: ServerResponse, raw: IncomingMessage) => void

export async function wireServer(answer: Answer): Promise<WireServer> {
  const received: Received[] = []
  let open = 0
  let most = 0
  let opened = 0
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => {
      const entry = {
        url: request.url ?? '',
        headers: request.headers,
        body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
      }
      received.push(entry)
      answer(entry, response, request)
    })
  })
  server.on('connection', (socket) => {
    open += 1
    opened += 1
    most = Math.max(most, open)
    socket.once('close', () => {
      open -= 1
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    received,
    connections: () => ({ most, opened }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

export function completion(text: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    model: 'test-model-2026',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 20, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 8 } },
    ...more,
  }
}

/** The events of a streamed chat completion. */
export function completionEvents(
  pieces: readonly string[],
  more: { readonly usage?: boolean; readonly done?: boolean; readonly finish?: boolean } = {},
): string {
  const { usage = true, done = true, finish = true } = more
  const chunk = (delta: object, finish_reason: string | null = null): string =>
    `data: ${JSON.stringify({ model: 'test-model-2026', choices: [{ index: 0, delta, finish_reason }] })}\n\n`
  return [
    ': a comment, as some gateways send to keep the line open\n\n',
    chunk({ role: 'assistant', content: '' }),
    ...pieces.map((content) => chunk({ content })),
    finish ? chunk({}, 'stop') : '',
    usage
      ? `data: ${JSON.stringify({ model: 'test-model-2026', choices: [], usage: { prompt_tokens: 20, completion_tokens: 5 } })}\n\n`
      : '',
    done ? 'data: [DONE]\n\n' : '',
  ].join('')
}
