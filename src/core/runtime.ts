// Time, randomness and ids, injected. Invariant: no room before io.ts reads a clock, sets a timer or draws a number on its own.
import { makeAborter, whenAborted } from './abort.ts'

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall time in ms since the epoch; may jump. */
  now(): number
  /** Monotonic time in ms with fractions; never jumps. */
  monotonicMs(): number
  /** Calls once after delayMs (>= 0). The timer keeps the process alive. */
  setTimer(callback: () => void, delayMs: number): Timer
}

export interface Runtime {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  random(): number
  /** A new id: 24 hex digits, the form of a MongoDB ObjectId. */
  newId(): string
}

/** Resolves after delayMs; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const timer = clock.setTimer(() => {
      leave?.()
      resolve()
    }, delayMs)
    const leave =
      signal &&
      whenAborted(signal, () => {
        timer.cancel()
        reject(signal.reason as Error)
      })
  })
}

/** Settles with the promise, or rejects with the signal's reason when it aborts first. The promise itself is not stopped. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined)
    return Promise.reject(signal.reason as Error)
  }
  return new Promise((resolve, reject) => {
    const leave = whenAborted(signal, () => reject(signal.reason as Error))
    promise.then(
      (value) => {
        leave()
        resolve(value)
      },
      (error: unknown) => {
        leave()
        reject(error)
      },
    )
  })
}

export interface Deadline {
  readonly signal: AbortSignal
  /** Releases the timer; the signal never aborts by this deadline afterwards. */
  cancel(): void
}

/** A signal that aborts with reason() after delayMs, or with the parent's reason when that aborts first. */
export function deadlineAfter(clock: Clock, delayMs: number, reason: () => Error, parent?: AbortSignal): Deadline {
  const aborter = makeAborter()
  if (parent?.aborted) {
    aborter.abort(parent.reason)
    return { signal: aborter.signal, cancel: () => undefined }
  }
  const timer = clock.setTimer(() => aborter.abort(reason()), Math.max(0, delayMs))
  const leave =
    parent &&
    whenAborted(parent, () => {
      timer.cancel()
      aborter.abort(parent.reason)
    })
  return {
    signal: aborter.signal,
    cancel: () => {
      timer.cancel()
      leave?.()
    },
  }
}
