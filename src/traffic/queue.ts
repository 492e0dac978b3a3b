// A priority queue of jobs: higher first, older first within one, ageing so that nobody starves, a bound on what runs and on what waits.
// Invariant: no job starts while one of a higher effective priority waits; at most `concurrency` run.
import { OrxError } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { makeWaitingRoom, type Waiter } from './waitingRoom.ts'

export interface QueueOptions {
  readonly clock: Clock
  /** @default 10 */
  readonly concurrency?: number
  /** A job that waits this long counts one priority higher, ms. @default 30_000 */
  readonly ageingMs?: number
  /** Jobs that may wait. @default 10_000 */
  readonly maxWaiting?: number
  /** Bytes that waiting jobs may hold. @default 256 MiB */
  readonly maxWaitingBytes?: number
}

export interface JobOptions {
  /** 1-10, higher first. @default 5 */
  readonly priority?: number
  /** What it holds while it waits. @default 0 */
  readonly sizeBytes?: number
}

export interface QueueStats {
  readonly waiting: number
  readonly waitingBytes: number
  readonly running: number
  readonly finished: number
  readonly rejected: number
  /** Of the jobs that have started. */
  readonly meanWaitMs: number
  readonly longestWaitMs: number
}

export interface Queue {
  /** Runs a job when its turn comes. Rejects with `queue_full`, with the signal's reason while it waits, or as the job does. */
  run<T>(job: (waitedMs: number) => Promise<T>, options: JobOptions, signal: AbortSignal): Promise<T>
  /** Starts no more jobs until resume; what runs goes on. */
  pause(): void
  resume(): void
  /** Resolves when nothing waits or runs. */
  drain(): Promise<void>
  stats(): QueueStats
}

interface Waiting extends Waiter<Waiting> {
  readonly sizeBytes: number
  readonly job: (waitedMs: number) => Promise<unknown>
  /** Takes a promise, rejected or not, which is lighter than to keep both functions. */
  readonly resolve: (outcome: unknown) => void
}

export function makeQueue(options: QueueOptions): Queue {
  const { clock, concurrency = 10, ageingMs = 30_000, maxWaiting = 10_000, maxWaitingBytes = 268_435_456 } = options
  const waiting = makeWaitingRoom<Waiting>({
    // When it came, earlier by one ageing step a priority: it never changes, so ageing needs no sorting again.
    rank: (priority, sinceMs) => sinceMs - priority * ageingMs,
    onLeft: (left, reason) => {
      for (const entry of left) {
        waitingBytes -= entry.sizeBytes
        entry.resolve(Promise.reject(reason))
      }
      settleDrains()
    },
  })
  let waitingBytes = 0
  let running = 0
  let paused = false
  const totals = { started: 0, finished: 0, rejected: 0, waitMs: 0, longestWaitMs: 0 }
  let drained: (() => void)[] = []

  const settleDrains = (): void => {
    if (drained.length === 0 || running > 0 || waiting.size > 0) return
    for (const resolve of drained) resolve()
    drained = []
  }
  /** The next job that may start, no longer waiting. */
  const next = (): Waiting | undefined => {
    if (paused || running >= concurrency) return undefined
    const first = waiting.first()
    if (first === undefined) return undefined
    waiting.take(first)
    waitingBytes -= first.sizeBytes
    return first
  }
  /** One of the places at which jobs run: does this one, then whichever is next, until none may start. */
  const work = async (begin: Waiting, waitedMs: number): Promise<void> => {
    let entry: Waiting | undefined = begin
    let entryWaitedMs = waitedMs
    while (entry !== undefined) {
      totals.started += 1
      totals.waitMs += entryWaitedMs
      if (entryWaitedMs > totals.longestWaitMs) totals.longestWaitMs = entryWaitedMs
      running += 1
      try {
        entry.resolve(await entry.job(entryWaitedMs))
      } catch (error) {
        entry.resolve(Promise.reject(error))
      }
      running -= 1
      totals.finished += 1
      entry = next()
      if (entry !== undefined) entryWaitedMs = clock.monotonicMs() - entry.sinceMs
    }
    settleDrains()
  }
  const reject = (why: string): OrxError => {
    totals.rejected += 1
    return new OrxError('queue_full', `the queue takes no more: ${why}`, { hint: 'Try again later, or raise the concurrency.' })
  }

  return {
    run: <T>(job: (waitedMs: number) => Promise<T>, { priority = 5, sizeBytes = 0 }: JobOptions, signal: AbortSignal) => {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      const mustWait = paused || running >= concurrency
      if (mustWait && waiting.size >= maxWaiting) return Promise.reject(reject(`${waiting.size} jobs wait already`))
      if (mustWait && waitingBytes + sizeBytes > maxWaitingBytes) return Promise.reject(reject(`${waitingBytes} bytes wait already`))
      return new Promise<T>((resolve) => {
        const entry: Waiting = {
          sinceMs: clock.monotonicMs(),
          sizeBytes,
          job,
          resolve: resolve as (outcome: unknown) => void,
          lane: null,
          ahead: null,
          behind: null,
          party: null,
          previousOfParty: null,
          nextOfParty: null,
        }
        if (!mustWait) {
          void work(entry, 0)
          return
        }
        waiting.join(entry, priority, signal)
        waitingBytes += sizeBytes
      })
    },
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
      for (let entry = next(); entry !== undefined; entry = next()) void work(entry, clock.monotonicMs() - entry.sinceMs)
    },
    drain: () =>
      new Promise((resolve) => {
        drained.push(resolve)
        settleDrains()
      }),
    stats: () => ({
      waiting: waiting.size,
      waitingBytes,
      running,
      finished: totals.finished,
      rejected: totals.rejected,
      meanWaitMs: totals.started === 0 ? 0 : totals.waitMs / totals.started,
      longestWaitMs: totals.longestWaitMs,
    }),
  }
}
