// An open load of requests in ms, as scenarios share it: warmed up, then by its own schedule.
import { leavingWith, type Leaving } from '../leaving.ts'
import { runOpenLoop } from '../openLoop.ts'
import type { SeriesReport } from '../report.ts'
import type { ScenarioHost, ScenarioSettings } from '../scenario.ts'
import { poissonSchedule } from '../schedule.ts'

const timeoutMs = 5_000
/** Beyond these the generator itself would be what was measured. */
const leastLatenessMs = 2
const latenessShare = 0.1

/** A tenth of the tightest limit, but never less than timers allow. */
export function latenessBound(limits: readonly number[]): number {
  return limits.length === 0 ? leastLatenessMs : Math.max(leastLatenessMs, latenessShare * Math.min(...limits))
}

/** A service is compiled further and further for some thousands of requests; a short look settles for less. */
const warmUpCalls = { quick: 2_500, whole: 12_000 } as const
const warmUpAtOnce = 16
const gentleShare = 0.2
/** At most. */
export const warmUpMs = ({ quick }: ScenarioSettings): number => (quick ? 4_000 : 10_000)

/**
 * Opens connections and lets the code be compiled, in a closed loop: a schedule would find both cold, and what piles up behind a cold start is
 * still there when the measurement begins.
 */
export async function warmUp(
  { runtime: { clock }, onPreparing }: ScenarioHost,
  settings: ScenarioSettings,
  send: OpenLoad['send'],
  signal: AbortSignal,
): Promise<void> {
  onPreparing('warming up')
  const untilMs = clock.monotonicMs() + warmUpMs(settings)
  const calls = settings.quick ? warmUpCalls.quick : warmUpCalls.whole
  let next = 0
  const user = async (): Promise<void> => {
    // One for all of a user's requests, which come one after the other: the signal carries no listener a request.
    const leaving = leavingWith(signal)
    while (next < calls && clock.monotonicMs() < untilMs && !signal.aborted) {
      next += 1
      // What fails now fails in the measurement, and is counted there.
      await send(next, leaving).catch(() => undefined)
    }
  }
  await Promise.all(Array.from({ length: warmUpAtOnce }, user))
}

export interface OpenLoad {
  readonly name: string
  readonly perSecond: number
  readonly times: { readonly durationMs: number; readonly warmupMs: number }
  send(index: number, leaving: Leaving): Promise<unknown>
  /**
   * Processes that work for an answer beside the generator. With a core more than they need it waits by going round the event loop, which is exact
   * and keeps that core awake; with none to spare it sleeps, so that it takes no processor from what it measures.
   */
  readonly busyBeside: number
  /** A generator that was later makes it invalid; null: lateness is told, not judged. @default a tenth of the tightest limit, at least 2 ms */
  readonly mostLatenessMs?: number | null
}

/** One open-loop series of a request in ms, with its own schedule. */
export async function openSeries(
  host: ScenarioHost,
  { seed }: ScenarioSettings,
  { name, perSecond, times: { durationMs, warmupMs }, send, busyBeside, mostLatenessMs = latenessBound(host.limits(name)) }: OpenLoad,
  signal: AbortSignal,
): Promise<SeriesReport> {
  const series = host.series(name, 'open', 'ms')
  // Code that is cold falls behind at once, and what it then opens connections for would still be there later: the warm-up begins gently.
  const stages = [
    { durationMs: warmupMs / 2, perSecond: perSecond * gentleShare },
    { durationMs: warmupMs / 2, perSecond },
    { durationMs, perSecond },
  ]
  const schedule = poissonSchedule(stages, seed)
  const { pacing, cores } = host
  const { clock } = host.runtime
  const awake = (ms: number): Promise<void> => {
    const untilMs = clock.monotonicMs() + ms
    return pacing.yieldUntil(() => clock.monotonicMs() >= untilMs)
  }
  const exact = { ...pacing, pause: awake }
  const dropped = await runOpenLoop(
    cores > busyBeside ? exact : pacing,
    { schedule, warmupMs, timeoutMs, series, unitPerMs: 1, send },
    signal,
  )
  return series.finish({ offeredPerSecond: perSecond, concurrency: null, dropped, mostLatenessMs })
}
