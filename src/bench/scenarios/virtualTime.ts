// Minutes in milliseconds: a clock that goes on when it is told to, with timers that are as late as real ones. Invariant: timers run in the order
// of their times, and time never goes back.
import { seededRandom } from '../../core/random.ts'
import type { Clock } from '../../core/runtime.ts'

export interface VirtualClock extends Clock {
  /** Runs every timer up to then, in turn. */
  runUntil(atMs: number): Promise<void>
}

export function makeVirtualClock(seed: number): VirtualClock {
  const random = seededRandom(`timers/${seed}`)
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  let nowMs = 0
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 12; turn += 1) await Promise.resolve()
  }
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer: (callback, delayMs) => {
      // A real timer comes a millisecond early at worst, and some milliseconds late.
      const timer = { atMs: nowMs + Math.max(0, delayMs - 1 + random() * 11), callback }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    runUntil: async (atMs) => {
      for (;;) {
        await settle()
        let next: { readonly atMs: number; readonly callback: () => void } | null = null
        for (const timer of timers) if (timer.atMs <= atMs && (next === null || timer.atMs < next.atMs)) next = timer
        if (next === null) break
        timers.delete(next)
        nowMs = Math.max(nowMs, next.atMs)
        next.callback()
      }
      nowMs = Math.max(nowMs, atMs)
      await settle()
    },
  }
}
