// What every wire format does alike: where it posts, how it reads JSON, what an error in a body becomes.
import { z } from 'zod'
import type { Clock } from '../core/runtime.ts'
import type { Secret } from '../core/secret.ts'
import type { ProviderAgent } from './agent.ts'
import { badAnswer, statedFailure, type Complaint, type Peer } from './failures.ts'
import { defaultGuards, exchange, type Guards, type Reply } from './http.ts'
import type { ProviderError } from './provider.ts'

/** What a provider is made of, whatever its format. */
export interface WireOptions extends Peer {
  /** What cache keys name it by. */
  readonly identity: string
  readonly agent: ProviderAgent
  readonly clock: Clock
  readonly guards?: Partial<Guards>
}

export interface Wire {
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly guards: Guards
  post<T>(path: string, body: unknown, signal: AbortSignal, read: (reply: Reply) => Promise<T>): Promise<T>
  get<T>(path: string, signal: AbortSignal, read: (reply: Reply) => Promise<T>): Promise<T>
  /** JSON out of a reply; throws what it says of an error, by its status or in itself. */
  json(text: string, reply: Reply, model: string): unknown
  /** JSON out of one event of a stream; throws an error that it tells. */
  event(data: string, reply: Reply, model: string): unknown
}

const errorSchema = z.string().or(z.object({ message: z.string().nullish(), type: z.unknown().optional(), code: z.unknown().optional() }))

/** An error object in a body, or null where there is none. Some servers send `{"error": "text"}`. */
function complaintIn(value: unknown): Complaint | null {
  if (typeof value !== 'object' || value === null || !('error' in value) || value.error === null) return null
  const parsed = errorSchema.safeParse(value.error)
  if (!parsed.success) return { message: JSON.stringify(value.error), kinds: [] }
  if (typeof parsed.data === 'string') return { message: parsed.data, kinds: [] }
  const { message, type, code } = parsed.data
  return { message: message ?? '', kinds: [type, code].filter((kind) => kind !== undefined && kind !== null).map(String) }
}

/** @param headers of every request: how the format shows a key */
export function makeWire(options: WireOptions, headers: Readonly<Record<string, string>>): Wire {
  const { agent, clock } = options
  const guards = { ...defaultGuards, ...options.guards }
  const baseUrl = options.baseUrl.replace(/\/+$/, '')
  // Put together once, not for each request.
  const getHeaders = { 'accept-encoding': 'identity', 'user-agent': agent.userAgent, ...headers }
  const postHeaders = { ...getHeaders, 'content-type': 'application/json' }
  const refusal = (reply: Reply, status: number | null, complaint: Complaint, model: string): ProviderError =>
    statedFailure({ ...options, status, complaint, retryAfter: reply.header('retry-after'), model, nowMs: clock.now() })
  return {
    baseUrl,
    guards,
    post: (path, body, signal, read) =>
      exchange(
        { agent, peer: options, guards, clock, url: baseUrl + path, method: 'POST', headers: postHeaders, body: JSON.stringify(body) },
        signal,
        read,
      ),
    get: (path, signal, read) =>
      exchange({ agent, peer: options, guards, clock, url: baseUrl + path, method: 'GET', headers: getHeaders, body: null }, signal, read),
    json: (text, reply, model) => {
      const isError = reply.status >= 400
      let value: unknown = null
      try {
        value = JSON.parse(text)
      } catch {
        if (!isError) throw badAnswer(options, 'JSON', text)
      }
      const complaint = complaintIn(value)
      if (isError) throw refusal(reply, reply.status, complaint ?? { message: text, kinds: [] }, model)
      if (complaint !== null) throw refusal(reply, null, complaint, model)
      return value
    },
    event: (data, reply, model) => {
      let value: unknown
      try {
        value = JSON.parse(data)
      } catch {
        throw badAnswer(options, 'JSON in each event', data)
      }
      const complaint = complaintIn(value)
      if (complaint !== null) throw refusal(reply, null, complaint, model)
      return value
    },
  }
}

/** The key as a bearer token, where there is one. */
export function bearer(key: Secret | null): Readonly<Record<string, string>> {
  return key === null ? {} : { authorization: `Bearer ${key.reveal()}` }
}

const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) })

/** The names of `GET /models`, as OpenAI and Anthropic give them. */
export async function listedModels(wire: Wire, peer: Peer, signal: AbortSignal): Promise<readonly string[]> {
  return wire.get('/models', signal, async (reply) => {
    const value = wire.json(await reply.text(), reply, '')
    const parsed = modelListSchema.safeParse(value)
    if (!parsed.success) throw badAnswer(peer, 'a list of models', JSON.stringify(value))
    return parsed.data.data.map(({ id }) => id)
  })
}
