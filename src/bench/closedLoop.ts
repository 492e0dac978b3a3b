// A fixed number of users, each of whom asks again when it was answered. Invariant: how many are under way is known at all times.
import { sleep, type Clock } from '../core/runtime.ts'
import { kindOf } from './openLoop.ts'
import type { Series } from './series.ts'

export interface ClosedLoop {
  readonly users: number
  readonly warmupMs: number
  readonly durationMs: number
  /** Instead of a duration: so many in all. */
  readonly count?: number
  /** Between an answer and the next question. @default 0 */
  readonly thinkMs?: number
  /** The users come one after the other over this time, as people do; else all in the same moment. @default 0 */
  readonly spreadMs?: number
  readonly timeoutMs: number
  readonly series: Series
  /** Of the series; 1 for ms, 1_000 for us. */
  readonly unitPerMs: number
  act(user: number, round: number, signal: AbortSignal): Promise<unknown>
}

export interface Sustained {
  /** The most that were under way at once. */
  readonly peak: number
}

/** Rejects with the signal's reason when it comes; what is under way then counts as slow. */
export async function runClosedLoop(clock: Clock, loop: ClosedLoop, signal: AbortSignal): Promise<Sustained> {
  const { users, warmupMs, durationMs, count, thinkMs = 0, spreadMs = 0, timeoutMs, series, unitPerMs } = loop
  const startMs = clock.monotonicMs()
  let started = 0
  let underWay = 0
  let peak = 0
  const isOpen = (): boolean =>
    !signal.aborted && (count === undefined ? clock.monotonicMs() - startMs < warmupMs + durationMs : started < count)
  const user = async (index: number): Promise<void> => {
    if (spreadMs > 0) await sleep(clock, (spreadMs * index) / users, signal).catch(() => undefined)
    for (let round = 0; isOpen(); round += 1) {
      started += 1
      if (!series.isMeasuring() && clock.monotonicMs() - startMs >= warmupMs) series.begin()
      const counts = series.isMeasuring()
      series.offered()
      const sentMs = clock.monotonicMs()
      underWay += 1
      peak = Math.max(peak, underWay)
      const controller = new AbortController()
      const timer = clock.setTimer(() => controller.abort(new DOMException('timeout', 'TimeoutError')), timeoutMs)
      let error: string | null = null
      try {
        await loop.act(index, round, AbortSignal.any([signal, controller.signal]))
      } catch (thrown) {
        error = controller.signal.aborted ? 'timeout' : signal.aborted ? 'stopped' : kindOf(thrown)
      } finally {
        timer.cancel()
        underWay -= 1
      }
      const tookMs = Math.max(error === null ? 0 : timeoutMs, clock.monotonicMs() - sentMs)
      if (counts) series.sample({ response: tookMs * unitPerMs, service: tookMs * unitPerMs, lateness: 0, error })
      if (thinkMs > 0) await sleep(clock, thinkMs, signal).catch(() => undefined)
    }
  }
  await Promise.all(Array.from({ length: users }, (_, index) => user(index)))
  return { peak }
}
