// The process's one pool of HTTP connections to providers. Invariant: every request of ours goes through it, under one name.
import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../core/runtime.ts'

/** The documented connection management. */
export interface AgentOptions {
  /** Of orx; the User-Agent is `OrchestrateX/<version>`. */
  readonly version: string
  readonly clock: Clock
  /** Connections to one host; the five real providers make the documented 100 in all. @default 20 */
  readonly connectionsPerHost?: number
  /** @default 30_000 */
  readonly keepAliveMs?: number
  /** @default 10_000 */
  readonly connectMs?: number
  /** How long the addresses of a host are kept, ms. @default 300_000 */
  readonly dnsTtlMs?: number
}

export interface ProviderAgent {
  readonly dispatcher: Dispatcher
  readonly userAgent: string
  close(): Promise<void>
}

export function makeAgent(options: AgentOptions): ProviderAgent {
  const { version, clock, connectionsPerHost = 20, keepAliveMs = 30_000, connectMs = 10_000, dnsTtlMs = 300_000 } = options
  const agent = new Agent({
    connections: connectionsPerHost,
    keepAliveTimeout: keepAliveMs,
    connect: { timeout: connectMs, lookup: keptLookup(clock, dnsTtlMs) },
    // A stream is bounded by our own guards; pipelining would let one slow answer hold up another.
    pipelining: 1,
  })
  return {
    dispatcher: agent,
    userAgent: `OrchestrateX/${version}`,
    // What is still open belongs to calls that were left: nobody waits for them.
    close: () => agent.destroy(),
  }
}

type SystemLookup = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** The system's lookup, its answers kept for a while, failures not. Asked when a connection is made: a request over one that is there costs nothing. */
export function keptLookup(clock: Clock, ttlMs: number, lookup: SystemLookup = systemLookup): LookupFunction {
  const kept = new Map<string, { readonly addresses: readonly LookupAddress[]; readonly untilMs: number }>()
  return (hostname, options, callback) => {
    const answer = (addresses: readonly LookupAddress[]): void => {
      const [first] = addresses
      if (options.all === true) callback(null, [...addresses])
      else callback(null, first?.address ?? '', first?.family)
    }
    const key = `${hostname}/${options.family ?? 0}`
    const known = kept.get(key)
    if (known !== undefined && clock.monotonicMs() < known.untilMs) {
      answer(known.addresses)
      return
    }
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, [])
        return
      }
      kept.set(key, { addresses, untilMs: clock.monotonicMs() + ttlMs })
      answer(addresses)
    })
  }
}
