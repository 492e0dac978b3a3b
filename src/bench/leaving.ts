// How a request is given up. Invariant: one listener hears it, once. Lighter than an AbortSignal, which at thousands a second costs the generator
// collections of garbage of 20 ms; whoever needs a signal gets one.
import { whenAborted } from '../core/abort.ts'

export class Leaving {
  #reason: Error | null = null
  #listener: ((reason: Error) => void) | null = null
  #controller: AbortController | null = null

  /** Why it was given up; null: it was not. */
  get reason(): Error | null {
    return this.#reason
  }

  /** For what takes nothing lighter. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== null) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  /** Replaces the listener; null takes it off. It must not have been given up yet. */
  onLeave(listener: ((reason: Error) => void) | null): void {
    this.#listener = listener
  }

  leave(reason: Error): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#listener?.(reason)
    this.#controller?.abort(reason)
  }
}

/** Given up when the signal says so. */
export function leavingWith(signal: AbortSignal): Leaving {
  const leaving = new Leaving()
  if (signal.aborted) leaving.leave(signal.reason as Error)
  else whenAborted(signal, () => leaving.leave(signal.reason as Error))
  return leaving
}
