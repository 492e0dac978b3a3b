// A client of the service under load, over real HTTP. Invariant: a status that was not expected is an error; every body is read to its end.
import { Pool, type Dispatcher } from 'undici'
import type { Leaving } from '../leaving.ts'

const jsonHeaders = { 'content-type': 'application/json' }
const noHeaders = {}

export interface ServiceClient {
  /** Resolves to the body of a 2xx answer; rejects with what came instead. */
  request(method: 'GET' | 'POST' | 'PATCH', path: string, body: unknown, leaving: Leaving): Promise<unknown>
  close(): Promise<void>
}

class UnexpectedStatus extends Error {
  readonly code: string

  constructor(status: number) {
    super(`the server answered ${status}`)
    this.code = `http ${status}`
  }
}

export function makeServiceClient(origin: string, connections: number): ServiceClient {
  const pool = new Pool(origin, { connections, pipelining: 1, keepAliveTimeout: 30_000 })
  return {
    request: (method, path, body, leaving) =>
      new Promise((resolve, reject) => {
        const pieces: Buffer[] = []
        let statusCode = 0
        let request: Dispatcher.DispatchController | null = null
        leaving.onLeave((reason) => {
          request?.abort(reason)
          reject(reason)
        })
        const text = body === null ? null : JSON.stringify(body)
        // Closer to the wire than request(): promises and streams for each answer would take a third of what the generator can send.
        pool.dispatch(
          { method, path, body: text, headers: text === null ? noHeaders : jsonHeaders },
          {
            onRequestStart: (controller) => {
              request = controller
              if (leaving.reason !== null) controller.abort(leaving.reason)
            },
            onResponseStart: (_controller, status) => {
              statusCode = status
            },
            onResponseData: (_controller, piece) => void pieces.push(piece),
            onResponseEnd: () => {
              leaving.onLeave(null)
              if (statusCode < 200 || statusCode > 299) return reject(new UnexpectedStatus(statusCode))
              const answer = Buffer.concat(pieces).toString('utf8')
              resolve(answer.startsWith('{') || answer.startsWith('[') ? (JSON.parse(answer) as unknown) : answer)
            },
            onResponseError: (_controller, error) => {
              leaving.onLeave(null)
              reject(error)
            },
          },
        )
      }),
    close: () => pool.destroy(),
  }
}

/** Of a resource that was just made. */
export const idOf = (body: unknown): string => (body !== null && typeof body === 'object' && 'id' in body ? String(body.id) : '')

/** As many as a browser farm of this size would hold open; more only queue at the server. */
export const serviceConnections = 64
