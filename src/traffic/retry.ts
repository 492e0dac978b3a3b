// The one retry loop. Invariant: no more than the budget's share of all calls are retries, and none outlasts its signal.
import { sleep, type Clock } from '../core/runtime.ts'

export interface RetryOptions {
  readonly clock: Clock
  random(): number
  /** Tries in all, the first one among them. @default 3 */
  readonly maxTries?: number
  /** The longest first pause, ms; it doubles with every try. @default 500 */
  readonly baseMs?: number
  /** The longest pause, ms; who asks for a longer one is not asked again. @default 20_000 */
  readonly capMs?: number
  /** Retries a call adds to the budget. Source: Envoy's and Finagle's retry budget of 20 %. @default 0.2 */
  readonly budgetRatio?: number
  /** Retries that are there before any call, so that a single run may retry; also the most that is saved up. @default 10 */
  readonly budgetReserve?: number
  /** Null: not to be tried again. Else the least pause that was asked for, in ms; 0 for none. */
  pauseAsked(error: unknown): number | null
}

/** @param deadlineAtMs on the monotonic clock: when the pause would not end before it, the error comes at once. @default none */
export type Retry = <T>(attempt: (tryNumber: number) => Promise<T>, signal: AbortSignal, deadlineAtMs?: number) => Promise<T>

/** Full jitter: a pause uniform between 0 and the exponential bound. Source: AWS Architecture Blog, Exponential Backoff and Jitter, 2015. */
export function makeRetry(options: RetryOptions): Retry {
  const { clock, random, maxTries = 3, baseMs = 500, capMs = 20_000, budgetRatio = 0.2, budgetReserve = 10 } = options
  let budget = budgetReserve
  /** The pause before the next try, ms; null when there is none. */
  const pauseAfter = (error: unknown, tryNumber: number, leftMs: number): number | null => {
    const askedMs = tryNumber >= maxTries || budget < 1 ? null : options.pauseAsked(error)
    if (askedMs === null || askedMs > capMs) return null
    const pauseMs = askedMs + random() * Math.min(capMs, baseMs * 2 ** (tryNumber - 1))
    return pauseMs < leftMs ? pauseMs : null
  }
  return async (attempt, signal, deadlineAtMs = Number.POSITIVE_INFINITY) => {
    signal.throwIfAborted()
    budget = Math.min(budgetReserve, budget + budgetRatio)
    for (let tryNumber = 1; ; tryNumber += 1) {
      try {
        return await attempt(tryNumber)
      } catch (error) {
        const pauseMs = signal.aborted ? null : pauseAfter(error, tryNumber, deadlineAtMs - clock.monotonicMs())
        if (pauseMs === null) throw error
        budget -= 1
        await sleep(clock, pauseMs, signal)
      }
    }
  }
}
