// Servers whose latencies are known, because they note what they did themselves. Invariant: what they tell is what each request really took
// there, from its arrival until its answer was handed to the system; noted before, not after, as the handing over may wake the client first.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seededRandom } from '../core/random.ts'
import type { Clock } from '../core/runtime.ts'
import { makeHistogram } from './histogram.ts'
import type { Percentiles } from './report.ts'

export const knownKinds = ['known', 'prompt', 'stall', 'hang', 'error', 'trickle'] as const
export type KnownKind = (typeof knownKinds)[number]

export interface KnownServer {
  readonly port: number
  /** Of the requests that came after the warm-up. */
  told(): { readonly count: number; readonly percentiles: Percentiles }
  close(): void
}

const meanMs = 20
const stallEveryMs = 10_000
const stallMs = 1_500
const stallFromMs = 4_000
const trickleMs = 300
const trickles = 6

/** @param warmupMs since the first request: what came within it is not told */
export async function startKnownServer(
  kind: KnownKind,
  { clock, seed, warmupMs }: { readonly clock: Clock; readonly seed: number; readonly warmupMs: number },
): Promise<KnownServer> {
  const random = seededRandom(`known/${seed}`)
  const times = makeHistogram('ms')
  let firstMs: number | null = null
  const handle = (sinceFirstMs: number, response: ServerResponse, end: (text: string) => void): void => {
    const answerAfter = (ms: number): void => {
      if (ms <= 0) end('ok')
      else clock.setTimer(() => end('ok'), ms)
    }
    switch (kind) {
      case 'known':
        return answerAfter(-Math.log(1 - random()) * meanMs)
      case 'prompt':
        return end('ok')
      case 'stall': {
        // As a collection of garbage, or a lock, does it: all that come meanwhile are answered together.
        const at = sinceFirstMs % stallEveryMs
        const isStalled = at >= stallFromMs && at < stallFromMs + stallMs
        return answerAfter(meanMs + (isStalled ? stallFromMs + stallMs - at : 0))
      }
      case 'hang':
        return
      case 'error':
        response.statusCode = 500
        return answerAfter(1)
      case 'trickle': {
        response.writeHead(200)
        const piece = (left: number): void => {
          if (left === 0) return end('')
          response.write('piece ')
          clock.setTimer(() => piece(left - 1), trickleMs / trickles)
        }
        piece(trickles)
      }
    }
  }
  const server = createServer((_request, response) => {
    const arrivedMs = clock.monotonicMs()
    firstMs ??= arrivedMs
    const sinceFirstMs = arrivedMs - firstMs
    handle(sinceFirstMs, response, (text) => {
      if (sinceFirstMs >= warmupMs) times.record(clock.monotonicMs() - arrivedMs)
      response.end(text)
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    told: () => ({ count: times.count(), percentiles: times.percentiles() }),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
