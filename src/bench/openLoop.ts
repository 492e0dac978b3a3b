// Requests that leave when they were planned to, whatever the server does. Invariant: latency counts from the planned time; what did not leave in
// time is late and never made up for; what is left out makes the measurement invalid.
import type { Clock, Timer } from '../core/runtime.ts'
import { Leaving } from './leaving.ts'
import type { Series } from './series.ts'

export interface Pacing {
  readonly clock: Clock
  /** Resolves when the event loop has gone round once. */
  yieldNow(): Promise<void>
  /** Goes round it until it is over. */
  yieldUntil(isOver: () => boolean): Promise<void>
  /** Waits more exactly than a timer, without keeping a processor from what is measured. */
  pause(ms: number): Promise<void>
}

export interface OpenLoop {
  /** From schedule.ts; the first `warmupMs` of it are sent, but not measured. */
  readonly schedule: Float64Array
  readonly warmupMs: number
  readonly timeoutMs: number
  /** More than this under way: what is planned is dropped, and the measurement is invalid. @default 4_096 */
  readonly maxInFlight?: number
  readonly series: Series
  /** Of the series; 1 for ms, 1_000 for us. */
  readonly unitPerMs: number
  send(index: number, leaving: Leaving): Promise<unknown>
}

interface Flight {
  readonly intendedMs: number
  readonly sentMs: number
  readonly counts: boolean
  readonly leaving: Leaving
  isOver: boolean
}

/** Waking up takes about as long; the last bit of a wait is spent going round the event loop. */
const spinMs = 0.15
const longestPauseMs = 50
const sweepMs = 20
/**
 * Who is behind sends what is overdue without a pause, but reads the answers between: each request would need a connection of its own otherwise,
 * and opening those takes longer than what it has to make up for.
 */
const mostInOneGo = 16
/** What has not left so long after the whole schedule was over never will: its rate was not made. */
const graceMs = 250

/** How a failure is called in the report: its code, else its name. */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' && code !== '' ? code : error.name
}

/** Resolves to how many were dropped, as too many were under way or their time was over, when the last request has come back or timed out. */
export async function runOpenLoop(pacing: Pacing, loop: OpenLoop, signal: AbortSignal): Promise<number> {
  const { clock } = pacing
  const { schedule, series, unitPerMs, timeoutMs, warmupMs, maxInFlight = 4_096 } = loop
  const flights = new Set<Flight>()
  let dropped = 0
  let sweeper: Timer | null = null
  const end = (flight: Flight, error: string | null): void => {
    if (flight.isOver) return
    flight.isOver = true
    flights.delete(flight)
    if (!flight.counts) return
    const endedMs = clock.monotonicMs()
    // A failure is as slow as the slowest: a server must not look fast because it refuses.
    const least = error === null ? 0 : timeoutMs
    series.sample({
      response: Math.max(least, endedMs - flight.intendedMs) * unitPerMs,
      service: Math.max(least, endedMs - flight.sentMs) * unitPerMs,
      lateness: Math.max(0, flight.sentMs - flight.intendedMs) * unitPerMs,
      error,
    })
  }
  // One timer for all: they time out in the order in which they left.
  const sweep = (): void => {
    const nowMs = clock.monotonicMs()
    for (const flight of flights) {
      if (nowMs - flight.sentMs < timeoutMs) break
      end(flight, 'timeout')
      flight.leaving.leave(new DOMException('timeout', 'TimeoutError'))
    }
    sweeper = clock.setTimer(sweep, sweepMs)
  }
  sweep()
  const startMs = clock.monotonicMs() + 5
  const overMs = startMs + (schedule.at(-1) ?? 0) + graceMs
  let measuring = false
  let sentInOneGo = 0
  try {
    for (let index = 0; index < schedule.length; index += 1) {
      const offsetMs = schedule[index] ?? 0
      const intendedMs = startMs + offsetMs
      // What is longer than a pause may be is waited for in parts, so that a bench that is stopped stops soon.
      for (let leftMs = intendedMs - clock.monotonicMs(); leftMs > 0 && !signal.aborted; leftMs = intendedMs - clock.monotonicMs()) {
        sentInOneGo = 0
        if (leftMs > 2 * spinMs) await pacing.pause(Math.min(longestPauseMs, leftMs - spinMs))
        else await pacing.yieldUntil(() => clock.monotonicMs() >= intendedMs)
      }
      if (sentInOneGo === mostInOneGo) {
        sentInOneGo = 0
        await pacing.yieldNow()
      }
      sentInOneGo += 1
      if (signal.aborted) break
      if (!measuring && offsetMs >= warmupMs) {
        measuring = true
        series.begin()
      }
      series.offered()
      if (flights.size >= maxInFlight || clock.monotonicMs() > overMs) {
        if (measuring) dropped += 1
        continue
      }
      const flight: Flight = {
        intendedMs,
        sentMs: clock.monotonicMs(),
        counts: measuring,
        leaving: new Leaving(),
        isOver: false,
      }
      flights.add(flight)
      loop.send(index, flight.leaving).then(
        () => end(flight, null),
        (error: unknown) => end(flight, kindOf(error)),
      )
    }
    while (flights.size > 0 && !signal.aborted) await pacing.pause(sweepMs / 4)
  } finally {
    ;(sweeper as Timer | null)?.cancel()
    // What is under way when somebody stops counts as slow: leaving it out would flatter.
    for (const flight of flights) {
      end(flight, 'stopped')
      flight.leaving.leave(signal.reason as Error)
    }
  }
  return dropped
}
