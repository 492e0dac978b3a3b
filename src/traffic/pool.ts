// A pool of objects that are dear to make: buffers, clients, workers. What a driver pools already needs none.
// Invariant: never more than `maxSize` exist, in use and idle together; who waits is served in order.
import { OrxError } from '../core/errors.ts'
import { whenAborted } from '../core/abort.ts'
import type { Clock } from '../core/runtime.ts'

export interface PoolOptions<Value> {
  readonly clock: Clock
  create(): Promise<Value> | Value
  /** Ends an object that leaves the pool. */
  destroy?(value: Value): void
  /** Whether an idle object may be used again. @default always */
  isUsable?(value: Value): boolean
  /** @default 50 */
  readonly maxSize?: number
  /** An object that is idle this long is destroyed, ms. Null: never, which spares two looks at the clock a use. @default 60_000 */
  readonly idleMs?: number | null
}

export interface PoolStats {
  readonly inUse: number
  readonly idle: number
  readonly waiting: number
}

export interface Pool<Value> {
  /** Gives an object to `work` and takes it back, whatever becomes of that; a broken one (`isUsable`) is not used again. */
  use<T>(work: (value: Value) => Promise<T> | T, signal?: AbortSignal): Promise<T>
  /** Rejects as `create` does, with the signal's reason, or when the pool is closed. */
  acquire(signal?: AbortSignal): Promise<Value>
  /** Gives back what acquire gave; anything else is an error, twice the same too. */
  release(value: Value): void
  stats(): PoolStats
  /** Destroys what is idle, and what is in use when it comes back; refuses who waits. */
  close(): void
}

/** One of the objects that exist. */
interface Slot<Value> {
  readonly value: Value
  isOut: boolean
  /** When it came back. */
  sinceMs: number
}

interface Waiter<Value> {
  readonly resolve: (value: Value | Promise<Value>) => void
  readonly reject: (error: unknown) => void
}

export function makePool<Value>(options: PoolOptions<Value>): Pool<Value> {
  const { clock, create, destroy = () => undefined, isUsable = () => true, maxSize = 50, idleMs = 60_000 } = options
  /** All that exist; found again by what was handed out. */
  const slots = new Map<Value, Slot<Value>>()
  /** Used again from the end: the warm ones stay warm, the cold ones age at the front. */
  const idle: Slot<Value>[] = []
  const waiting = new Set<Waiter<Value>>()
  let creating = 0
  let isClosed = false

  const size = (): number => slots.size + creating
  const closed = (): OrxError => new OrxError('failed', 'the pool is closed', { hint: 'Open another one.' })

  const end = ({ value }: Slot<Value>): void => {
    slots.delete(value)
    destroy(value)
  }

  /** Ends what was idle for longer than `mostMs`. Returns the time. */
  const evict = (mostMs: number): number => {
    const nowMs = clock.monotonicMs()
    for (let coldest = idle[0]; coldest !== undefined && coldest.sinceMs <= nowMs - mostMs; coldest = idle[0]) {
      idle.shift()
      end(coldest)
    }
    return nowMs
  }

  const make = async (): Promise<Value> => {
    creating += 1
    try {
      const value = await create()
      slots.set(value, { value, isOut: true, sinceMs: 0 })
      return value
    } catch (error) {
      // Its place is free again, for whoever is next.
      queueMicrotask(serve)
      throw error
    } finally {
      creating -= 1
    }
  }

  const takeIdle = (): Slot<Value> | undefined => {
    for (let slot = idle.pop(); slot !== undefined; slot = idle.pop()) {
      if (isUsable(slot.value)) {
        slot.isOut = true
        return slot
      }
      end(slot)
    }
    return undefined
  }

  const serve = (): void => {
    for (const waiter of waiting) {
      const slot = takeIdle()
      if (slot === undefined && size() >= maxSize) return
      waiting.delete(waiter)
      waiter.resolve(slot === undefined ? make() : slot.value)
    }
  }

  const acquire = (signal?: AbortSignal): Promise<Value> => {
    if (isClosed) return Promise.reject(closed())
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    if (idleMs !== null) evict(idleMs)
    if (waiting.size === 0) {
      const slot = takeIdle()
      if (slot !== undefined) return Promise.resolve(slot.value)
      if (size() < maxSize) return make()
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        waiting.delete(waiter)
        reject(signal?.reason as Error)
      }
      const waiter: Waiter<Value> = {
        resolve: (value) => {
          leave?.()
          resolve(value)
        },
        reject: (error) => {
          leave?.()
          reject(error)
        },
      }
      const leave = signal && whenAborted(signal, onAbort)
      waiting.add(waiter)
    })
  }

  const release = (value: Value): void => {
    const slot = slots.get(value)
    if (slot?.isOut !== true) throw new OrxError('internal', 'what was given back to the pool is not out of it')
    slot.isOut = false
    if (isClosed || !isUsable(value)) end(slot)
    else {
      if (idleMs !== null) slot.sinceMs = evict(idleMs)
      idle.push(slot)
    }
    if (waiting.size > 0) serve()
  }

  return {
    acquire,
    release,
    use: async (work, signal) => {
      const value = await acquire(signal)
      try {
        return await work(value)
      } finally {
        release(value)
      }
    },
    stats: () => ({ inUse: slots.size - idle.length, idle: idle.length, waiting: waiting.size }),
    close: () => {
      isClosed = true
      for (const slot of idle.splice(0)) end(slot)
      for (const { reject } of waiting) reject(closed())
      waiting.clear()
    },
  }
}
