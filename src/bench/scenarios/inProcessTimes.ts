// How long the scenarios within the process measure, where nothing else is asked for.
import { timesOf, type ScenarioSettings } from '../scenario.ts'

const own = { durationMs: 4_000, quickMs: 1_200, warmupMs: 400 }

export function inProcessTimes(settings: ScenarioSettings): { readonly durationMs: number; readonly warmupMs: number } {
  return timesOf(settings, own)
}

/** Of so many series in turn. */
export const plannedSeries =
  (count: number) =>
  (settings: ScenarioSettings): number => {
    const { durationMs, warmupMs } = inProcessTimes(settings)
    return count * (durationMs + warmupMs)
  }

/** For what nobody gives up. */
export const never = new AbortController().signal
