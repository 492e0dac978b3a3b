// A cache in memory with an optional store behind it, and one load a key at a time.
// Eviction is SIEVE: a hand that goes from old to new and spares what was used since it last came by. Source: Zhang et al., NSDI 2024.
// Invariant: never more entries or bytes than the bounds; a caller that leaves never hurts the others; a failure is never kept.
import { makeAborter, whenAborted, type Aborter } from '../core/abort.ts'
import type { Clock } from '../core/runtime.ts'

/** A second level. One that fails is a miss. */
export interface Store<Value> {
  get(key: string, signal: AbortSignal): Promise<Value | undefined>
  set(key: string, value: Value, ttlMs: number): Promise<void>
}

export interface CacheOptions<Value> {
  readonly clock: Clock
  /** @default 1_000 */
  readonly maxEntries?: number
  /** @default 64 MiB */
  readonly maxBytes?: number
  /** The size of a value in bytes, about. */
  sizeOf(value: Value): number
  readonly store?: Store<Value>
}

export interface LoadOptions<Value> {
  /** @default 24 h */
  readonly ttlMs?: number
  /** Whether a loaded value may be served again. */
  keep(value: Value): boolean
}

export interface CacheStats {
  readonly entries: number
  readonly bytes: number
  readonly hits: number
  readonly storeHits: number
  readonly misses: number
  /** Callers that waited for another's load. */
  readonly shared: number
  readonly expired: number
  readonly evicted: number
}

export interface Cache<Value> {
  get(key: string): Value | undefined
  /** ttlMs @default 24 h */
  set(key: string, value: Value, ttlMs?: number): void
  /** Also what is being loaded for the key is not kept; who waits for it still gets it. The store keeps what it has. */
  delete(key: string): void
  clear(): void
  /** The value of a key, loaded once however many ask. `load` is aborted when the last of them has left. Rejects as load does, or with the caller's reason. */
  getOrLoad(key: string, load: (signal: AbortSignal) => Promise<Value>, options: LoadOptions<Value>, signal: AbortSignal): Promise<Value>
  /** Resolves when the store has been told of all that was loaded until now, or has failed to hear it. */
  flush(): Promise<void>
  stats(): CacheStats
}

interface Entry<Value> {
  readonly key: string
  value: Value
  sizeBytes: number
  expiresAtMs: number
  used: boolean
  newer: Entry<Value> | null
  older: Entry<Value> | null
}

/** One load and those who wait for it. */
interface Flight<Value> {
  readonly aborter: Aborter
  readonly callers: Set<{ readonly resolve: (value: Value) => void; readonly reject: (error: unknown) => void; readonly leave: () => void }>
}

const dayMs = 86_400_000

/** Keys should be short hashes, never what they stand for: V8 hashes a string of more than 16,383 characters by its length alone. */
export function makeCache<Value>(options: CacheOptions<Value>): Cache<Value> {
  const { clock, maxEntries = 1_000, maxBytes = 67_108_864, store } = options
  const entries = new Map<string, Entry<Value>>()
  const flights = new Map<string, Flight<Value>>()
  const telling = new Set<Promise<void>>()
  let newest: Entry<Value> | null = null
  let oldest: Entry<Value> | null = null
  let hand: Entry<Value> | null = null
  let bytes = 0
  const counts = { hits: 0, storeHits: 0, misses: 0, shared: 0, expired: 0, evicted: 0 }

  const drop = (entry: Entry<Value>): void => {
    entries.delete(entry.key)
    bytes -= entry.sizeBytes
    if (hand === entry) hand = entry.newer
    if (entry.newer === null) newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === null) oldest = entry.newer
    else entry.older.newer = entry.newer
  }

  const evict = (): void => {
    let candidate = hand ?? oldest
    while (candidate !== null && candidate.used) {
      candidate.used = false
      candidate = candidate.newer ?? oldest
    }
    if (candidate === null) return
    hand = candidate.newer
    drop(candidate)
    counts.evicted += 1
  }

  const find = (key: string): Value | undefined => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    if (clock.monotonicMs() >= entry.expiresAtMs) {
      drop(entry)
      counts.expired += 1
      return undefined
    }
    entry.used = true
    return entry.value
  }

  const put = (key: string, value: Value, ttlMs = dayMs): void => {
    const present = entries.get(key)
    if (present !== undefined) drop(present)
    const sizeBytes = options.sizeOf(value)
    if (sizeBytes > maxBytes || maxEntries < 1 || ttlMs <= 0) return
    while (entries.size >= maxEntries || bytes + sizeBytes > maxBytes) evict()
    const entry: Entry<Value> = { key, value, sizeBytes, expiresAtMs: clock.monotonicMs() + ttlMs, used: false, newer: null, older: newest }
    if (newest !== null) newest.newer = entry
    newest = entry
    oldest ??= entry
    entries.set(key, entry)
    bytes += sizeBytes
  }

  /** The store is told beside the way: nobody waits for it but flush. */
  const remember = (told: Promise<void>): void => {
    const settled = told.catch(() => undefined).finally(() => void telling.delete(settled))
    telling.add(settled)
  }

  const loadThrough = async (
    key: string,
    load: (signal: AbortSignal) => Promise<Value>,
    { ttlMs = dayMs, keep }: LoadOptions<Value>,
    flight: Flight<Value>,
  ): Promise<Value> => {
    const { signal } = flight.aborter
    // Whoever deleted the key or started another load since does not want to find this one's value.
    const isCurrent = (): boolean => flights.get(key) === flight
    if (store !== undefined) {
      const stored = await store.get(key, signal).catch(() => undefined)
      if (stored !== undefined) {
        counts.storeHits += 1
        if (isCurrent()) put(key, stored, ttlMs)
        return stored
      }
      signal.throwIfAborted()
    }
    const value = await load(signal)
    if (isCurrent() && keep(value)) {
      put(key, value, ttlMs)
      if (store !== undefined) remember(store.set(key, value, ttlMs))
    }
    return value
  }

  /** The key is free for another load. */
  const land = (key: string, flight: Flight<Value>): void => {
    if (flights.get(key) === flight) flights.delete(key)
  }

  const takeOff = (key: string, load: (signal: AbortSignal) => Promise<Value>, how: LoadOptions<Value>): Flight<Value> => {
    const flight: Flight<Value> = { aborter: makeAborter(), callers: new Set() }
    flights.set(key, flight)
    // One pair of handlers a flight, not a promise a caller.
    loadThrough(key, load, how, flight).then(
      (value) => {
        land(key, flight)
        for (const { resolve, leave } of flight.callers) {
          leave()
          resolve(value)
        }
      },
      (error: unknown) => {
        land(key, flight)
        for (const { reject, leave } of flight.callers) {
          leave()
          reject(error)
        }
      },
    )
    return flight
  }

  const join = (key: string, flight: Flight<Value>, signal: AbortSignal): Promise<Value> =>
    new Promise((resolve, reject) => {
      const leave = whenAborted(signal, () => {
        flight.callers.delete(caller)
        if (flight.callers.size === 0) {
          // Whoever comes now starts a load of its own.
          land(key, flight)
          flight.aborter.abort(signal.reason)
        }
        reject(signal.reason as Error)
      })
      const caller = { resolve, reject, leave }
      flight.callers.add(caller)
    })

  return {
    get: (key) => {
      const value = find(key)
      if (value === undefined) counts.misses += 1
      else counts.hits += 1
      return value
    },
    set: put,
    delete: (key) => {
      const entry = entries.get(key)
      if (entry !== undefined) drop(entry)
      flights.delete(key)
    },
    clear: () => {
      for (const entry of entries.values()) drop(entry)
      flights.clear()
    },
    getOrLoad: (key, load, how, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      const value = find(key)
      if (value !== undefined) {
        counts.hits += 1
        return Promise.resolve(value)
      }
      const flying = flights.get(key)
      if (flying !== undefined) {
        counts.shared += 1
        return join(key, flying, signal)
      }
      counts.misses += 1
      return join(key, takeOff(key, load, how), signal)
    },
    flush: async () => void (await Promise.all(telling)),
    stats: () => ({ entries: entries.size, bytes, ...counts }),
  }
}
