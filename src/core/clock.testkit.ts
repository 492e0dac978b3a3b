// A clock that tests move by hand. Invariant: timers fire in order of their time, then of their setting.
import type { Clock, Runtime } from './runtime.ts'
import { seededRandom } from './random.ts'

export interface FakeClock extends Clock {
  /** Moves time on, firing what falls due and letting promises run in between. */
  advance(ms: number): Promise<void>
  /** How many timers wait. */
  pending(): number
}

export function fakeClock(startMs = 1_700_000_000_000): FakeClock {
  let elapsed = 0
  let order = 0
  const timers = new Map<number, { readonly at: number; readonly callback: () => void }>()
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    now: () => startMs + elapsed,
    monotonicMs: () => elapsed,
    setTimer: (callback, delayMs) => {
      order += 1
      const id = order
      timers.set(id, { at: elapsed + Math.max(0, delayMs), callback })
      return { cancel: () => void timers.delete(id) }
    },
    pending: () => timers.size,
    advance: async (ms) => {
      const end = elapsed + ms
      await settle()
      for (;;) {
        let next: readonly [number, { readonly at: number; readonly callback: () => void }] | undefined
        for (const entry of timers) if (entry[1].at <= end && (next === undefined || entry[1].at < next[1].at)) next = entry
        if (next === undefined) break
        timers.delete(next[0])
        elapsed = Math.max(elapsed, next[1].at)
        next[1].callback()
        await settle()
      }
      elapsed = end
    },
  }
}

/** A whole runtime for tests: fake clock, seeded numbers, ids that count up. */
export function fakeRuntime(seed = 1): Runtime & { readonly clock: FakeClock } {
  const random = seededRandom(seed)
  let ids = 0
  return {
    clock: fakeClock(),
    random,
    newId: () => {
      ids += 1
      return ids.toString(16).padStart(24, '0')
    },
  }
}
