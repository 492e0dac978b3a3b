// The designs of the performance guide, its Python rewritten plainly: what it locks stays unlocked where nothing awaits in between.
// They are here to be measured beside ours, faults included; nothing else uses them.
import { createHash } from 'node:crypto'

const minuteMs = 60_000
const dayMs = 86_400_000

/** A dictionary, and a scan for the oldest entry when it is full. */
export function guideCache(maxSize: number): { get(key: string): unknown; set(key: string, value: number): void } {
  const values = new Map<string, { readonly value: number; readonly expiresAtMs: number }>()
  return {
    get: (key) => {
      const entry = values.get(key)
      return entry !== undefined && Date.now() < entry.expiresAtMs ? entry.value : undefined
    },
    set: (key, value) => {
      if (values.size >= maxSize) {
        let oldest = ''
        let atMs = Number.POSITIVE_INFINITY
        for (const [candidate, { expiresAtMs }] of values) {
          if (expiresAtMs < atMs) {
            atMs = expiresAtMs
            oldest = candidate
          }
        }
        values.delete(oldest)
      }
      values.set(key, { value, expiresAtMs: Date.now() + dayMs })
    },
  }
}

export function guideKey(prompt: string, model: string, settings: Readonly<Record<string, unknown>>): string {
  const sorted = Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('md5')
    .update(`${prompt}:${model}:${JSON.stringify(sorted)}`)
    .digest('hex')
}

/**
 * A priority queue that is emptied at once into tasks, which wait for a semaphore in the order they came out: only what comes at the same time
 * is ordered. Without its scan of all tasks after each one, which is quadratic.
 */
export function guideQueue(maxConcurrent: number): { add(priority: number, job: () => Promise<void>): void; idle(): Promise<void> } {
  const heap: { readonly priority: number; readonly order: number; readonly job: () => Promise<void> }[] = []
  const isBefore = (a: number, b: number): boolean => {
    const [first, second] = [heap[a], heap[b]]
    if (first === undefined || second === undefined) return false
    return first.priority > second.priority || (first.priority === second.priority && first.order < second.order)
  }
  const swap = (a: number, b: number): void => {
    const [first, second] = [heap[a], heap[b]]
    if (first === undefined || second === undefined) return
    heap[a] = second
    heap[b] = first
  }
  const pop = (): (typeof heap)[number] | undefined => {
    swap(0, heap.length - 1)
    const first = heap.pop()
    for (let at = 0, least = 0; ; at = least) {
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && isBefore(child, least)) least = child
      if (least === at) return first
      swap(at, least)
    }
  }
  let orders = 0
  let free = maxConcurrent
  const forSemaphore: (() => void)[] = []
  let nextForSemaphore = 0
  const tasks: Promise<void>[] = []
  const process = async (job: () => Promise<void>): Promise<void> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => forSemaphore.push(resolve))
    try {
      await job()
    } finally {
      const waiter = forSemaphore[nextForSemaphore]
      if (waiter === undefined) free += 1
      else {
        nextForSemaphore += 1
        waiter()
      }
    }
  }
  let isConsuming = false
  const consume = async (): Promise<void> => {
    await Promise.resolve()
    for (let entry = pop(); entry !== undefined; entry = pop()) tasks.push(process(entry.job))
    isConsuming = false
  }
  return {
    add: (priority, job) => {
      orders += 1
      let at = heap.push({ priority, order: orders, job }) - 1
      while (at > 0 && isBefore(at, (at - 1) >> 1)) {
        swap(at, (at - 1) >> 1)
        at = (at - 1) >> 1
      }
      if (isConsuming) return
      isConsuming = true
      void consume()
    },
    idle: async () => {
      await Promise.resolve()
      await Promise.resolve()
      await Promise.all(tasks)
    },
  }
}

/** A log of requests; who finds it full sleeps, and then books the time from before the sleep. */
export function guideLimiter(requestsPerMinute: number): () => Promise<void> {
  const times: number[] = []
  let oldest = 0
  return async () => {
    const nowMs = Date.now()
    while ((times[oldest] ?? nowMs) < nowMs - minuteMs) oldest += 1
    if (times.length - oldest >= requestsPerMinute) {
      const sleepMs = minuteMs - (nowMs - (times[oldest] ?? nowMs))
      if (sleepMs > 0) await new Promise((resolve) => setTimeout(resolve, sleepMs))
    }
    times.push(nowMs)
  }
}

/** Five or two seconds a model, a future each. */
export function guideBatcher<Item, Result>(
  batchSize: number,
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
): (model: string, item: Item) => Promise<Result> {
  interface Pending {
    readonly item: Item
    readonly resolve: (value: Result) => void
    readonly reject: (error: unknown) => void
  }
  const pending = new Map<string, Pending[]>()
  const timers = new Map<string, NodeJS.Timeout>()
  const processBatch = async (model: string): Promise<void> => {
    const requests = pending.get(model) ?? []
    if (requests.length === 0) return
    pending.set(model, [])
    clearTimeout(timers.get(model))
    timers.delete(model)
    try {
      const results = await run(requests.map(({ item }) => item))
      for (const [index, { resolve }] of requests.entries()) resolve(results[index] as Result)
    } catch (error) {
      for (const { reject } of requests) reject(error)
    }
  }
  return async (model, item) => {
    const future = new Promise<Result>((resolve, reject) => {
      const requests = pending.get(model) ?? []
      pending.set(model, requests)
      requests.push({ item, resolve, reject })
      if (requests.length === 1)
        timers.set(
          model,
          setTimeout(() => void processBatch(model), 2_000),
        )
    })
    if ((pending.get(model)?.length ?? 0) >= batchSize) await processBatch(model)
    return future
  }
}

/** A list of what is free; nothing bounds what is out. */
export function guidePool<T>(create: () => Promise<T>, maxSize: number): { acquire(): Promise<T>; release(value: T): Promise<void> } {
  const free: T[] = []
  return {
    acquire: async () => (free.length > 0 ? (free.shift() as T) : await create()),
    release: async (value) => {
      if (free.length < maxSize) free.push(value)
    },
  }
}

/** Count, sum, least and greatest: no percentiles. */
export function guideMetrics(): (endpoint: string, ms: number, error: boolean) => void {
  const metrics = new Map<string, { count: number; totalMs: number; minMs: number; maxMs: number; errors: number }>()
  return (endpoint, ms, error) => {
    const known = metrics.get(endpoint) ?? { count: 0, totalMs: 0, minMs: Number.POSITIVE_INFINITY, maxMs: 0, errors: 0 }
    metrics.set(endpoint, known)
    known.count += 1
    known.totalMs += ms
    known.minMs = Math.min(known.minMs, ms)
    known.maxMs = Math.max(known.maxMs, ms)
    if (error) known.errors += 1
  }
}
