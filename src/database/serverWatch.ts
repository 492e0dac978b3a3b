// Whether the server still answers while something long goes on that has no bound of its own.
// Invariant: with a server that has stopped answering, the signal comes within 8 s.
import { sleep, type Clock } from '../core/runtime.ts'
import { databaseError } from './connection.ts'

export interface Watched {
  readonly clock: Clock
  /** Ends within 3 s. */
  ping(): Promise<unknown>
}

const pingEveryMs = 1_000

/** A client that waits for minutes does not hear that the server is frozen: a ping beside it does. @returns the signal of who called, or of a loss */
export function watchServer({ clock, ping }: Watched, signal: AbortSignal): { readonly signal: AbortSignal; stop(): void } {
  const lost = new AbortController()
  const stopped = new AbortController()
  const watch = async (): Promise<void> => {
    for (let misses = 0; !stopped.signal.aborted;) {
      await sleep(clock, pingEveryMs, stopped.signal)
      try {
        await ping()
        misses = 0
      } catch (error) {
        misses += 1
        // A primary that has just stepped down is back with the second question.
        if (misses >= 2) return lost.abort(databaseError(error))
      }
    }
  }
  watch().catch(() => undefined)
  return { signal: AbortSignal.any([signal, lost.signal]), stop: () => stopped.abort() }
}
