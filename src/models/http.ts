// One request to a provider and its guarded answer. Invariant: it ends within its guards, and holds no more than its bounds.
import { EventEmitter } from 'node:events'
import type { Dispatcher } from 'undici'
import { whenAborted } from '../core/abort.ts'
import { deadlineAfter, type Clock } from '../core/runtime.ts'
import type { ProviderAgent } from './agent.ts'
import { badAnswer, networkFailure, timedOut, tooLarge, type Peer } from './failures.ts'

/** The documented timeouts. */
export interface Guards {
  /** Until the headers are there, ms. @default 30_000 */
  readonly headersMs: number
  /** Between two pieces of a body, ms. @default 30_000 */
  readonly silenceMs: number
  /** All of it, ms. @default 60_000 */
  readonly totalMs: number
  /** Of one answer's text. @default 4 MiB */
  readonly answerBytes: number
  /** A stream of text that is slower than this over its first ten seconds and more is given up. @default 1 */
  readonly leastBytesPerSecond: number
}

export const defaultGuards: Guards = {
  headersMs: 30_000,
  silenceMs: 30_000,
  totalMs: 60_000,
  answerBytes: 4_194_304,
  leastBytesPerSecond: 1,
}

/** Framing makes a streamed body larger than its text. */
const framing = 8

export interface Exchange {
  readonly agent: ProviderAgent
  readonly peer: Peer
  readonly guards: Guards
  readonly clock: Clock
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export interface Reply {
  readonly status: number
  header(name: string): string | undefined
  readonly contentType: string
  readonly pieces: AsyncIterable<Uint8Array>
  /** All of the body as text. */
  text(): Promise<string>
}

/**
 * What ends a request early: its time is over, or the caller left. An emitter, which undici takes where it takes a signal: in Node 20 a signal of
 * its own would cost each request a tenth more.
 */
class Stop extends EventEmitter {
  reason: Error | null = null

  get aborted(): boolean {
    return this.reason !== null
  }

  abort(reason: Error): void {
    if (this.reason !== null) return
    this.reason = reason
    this.emit('abort')
  }
}

/** Where requests go, parsed once: a base URL and a path each, so there are few. */
const targets = new Map<string, { readonly origin: string; readonly path: string }>()

function targetOf(url: string): { readonly origin: string; readonly path: string } {
  const known = targets.get(url)
  if (known !== undefined) return known
  const { origin, pathname, search } = new URL(url)
  const target = { origin, path: `${pathname}${search}` }
  targets.set(url, target)
  return target
}

/** Sends it and hands the reply to `read`; whatever fails in between is a ProviderError or the signal's reason. */
export async function exchange<T>(ask: Exchange, signal: AbortSignal, read: (reply: Reply) => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { agent, peer, guards, clock } = ask
  const stop = new Stop()
  const total = clock.setTimer(() => stop.abort(timedOut(peer, `${guards.totalMs / 1_000} s are over`)), guards.totalMs)
  const stopListening = whenAborted(signal, () => stop.abort(signal.reason as Error))
  let response: Dispatcher.ResponseData | null = null
  try {
    const { origin, path } = targetOf(ask.url)
    response = await agent.dispatcher.request({
      origin,
      path,
      method: ask.method,
      headers: ask.headers,
      body: ask.body,
      signal: stop,
      headersTimeout: guards.headersMs,
      bodyTimeout: guards.silenceMs,
    })
    const result = await read(replyOf(response, ask))
    release(response, clock)
    return result
  } catch (error) {
    // Nobody reads on: what is left of the body must not hold the connection.
    response?.body.on('error', () => undefined).destroy()
    if (signal.aborted) throw signal.reason
    throw networkFailure(stop.reason ?? error, peer)
  } finally {
    total.cancel()
    stopListening()
  }
}

/** How long the rest of an answer that is complete may take, so that its connection can be used again. */
const restMs = 1_000

/** Reads what is left behind the end of a stream (a blank line, a closing chunk), beside the way; then the connection is free. */
function release({ body }: Dispatcher.ResponseData, clock: Clock): void {
  if (body.readableEnded) return
  const deadline = deadlineAfter(clock, restMs, () => new Error('the rest did not come'))
  void body
    .dump({ limit: 65_536, signal: deadline.signal })
    .catch(() => undefined)
    .finally(() => deadline.cancel())
}

function replyOf(response: Dispatcher.ResponseData, { peer, guards }: Exchange): Reply {
  const header = (name: string): string | undefined => {
    const value = response.headers[name]
    return Array.isArray(value) ? value[0] : value
  }
  const encoding = header('content-encoding')
  // We asked for none: unpacking what may be a bomb is not our trade.
  if (encoding !== undefined && encoding !== 'identity') throw badAnswer(peer, 'an answer that is not compressed', encoding)
  async function* bounded(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    // Whoever stops reading at the end of a stream must not close the connection by that.
    for await (const piece of response.body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      bytes += piece.byteLength
      if (bytes > guards.answerBytes * framing) throw tooLarge(peer, guards.answerBytes)
      yield piece
    }
  }
  return {
    status: response.statusCode,
    header,
    contentType: header('content-type') ?? '',
    pieces: { [Symbol.asyncIterator]: bounded },
    text: async () => {
      // A body that says its length ends there: it needs no counting.
      const lengthBytes = Number(header('content-length') ?? Number.NaN)
      if (lengthBytes > guards.answerBytes * framing) throw tooLarge(peer, guards.answerBytes)
      if (lengthBytes >= 0) return response.body.text()
      const pieces: Uint8Array[] = []
      for await (const piece of bounded()) pieces.push(piece)
      return Buffer.concat(pieces).toString('utf8')
    },
  }
}
