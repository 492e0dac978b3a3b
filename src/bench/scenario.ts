// A scenario: what is done to what, under which load. It runs in the generator's process and receives everything that it needs.
// Invariant: a scenario composes drivers; it never decides a verdict, and it stops what it started.
import type { Runtime } from '../core/runtime.ts'
import type { BenchEvent } from './live.ts'
import type { Pacing } from './openLoop.ts'
import type { LoadModel, SeriesReport, TimeUnit } from './report.ts'
import type { LoopProbe, Series } from './series.ts'

export interface ScenarioSettings {
  readonly seed: number
  /** Measured time of each series, ms. Null: the scenario's own. */
  readonly durationMs: number | null
  readonly warmupMs: number | null
  /** Requests a second of an open series. Null: the scenario's own. */
  readonly ratePerSecond: number | null
  /** Virtual users of a closed series. Null: the scenario's own. */
  readonly concurrency: number | null
  readonly compareStrategies: boolean
  /** A short look: as few samples as its targets can be decided with. */
  readonly quick: boolean
  /** Of a scenario whose series do not need each other, those that are measured, by name: a second look takes the open ones alone. Null: all. */
  readonly only: readonly string[] | null
}

export type SeriesProgress = Omit<Extract<BenchEvent, { readonly type: 'interval' }>, 'type'>

/** Where the things are that a scenario measures; null: it did not ask for them. */
export interface ScenarioPlaces {
  /** Of the bench's own server, and the bench's database in it. */
  readonly mongodb: { readonly uri: string; readonly database: string } | null
  /** `http://127.0.0.1:port` of `orx serve`, or what --url names. */
  readonly service: string | null
  /** Whether `service` is another server than orx. */
  readonly isForeign: boolean
  /** Base URL of the simulated provider. */
  readonly provider: string | null
}

export interface ScenarioHost {
  readonly runtime: Runtime
  readonly places: ScenarioPlaces
  readonly pacing: Pacing
  /** Of this machine. */
  readonly cores: number
  /** One stream of measurements, known to the dashboard; its limits are those of the targets. */
  series(name: string, model: LoadModel, unit: TimeUnit, gauges?: () => Readonly<Record<string, number>>): Series
  /** Of the targets of a series, in its unit. */
  limits(series: string): readonly number[]
  readonly loop: LoopProbe
  onPreparing(text: string, done?: number, total?: number): void
}

export interface ScenarioSpec {
  readonly name: string
  /** One line for `--list`. */
  readonly summary: string
  readonly needs: { readonly database?: true; readonly service?: true; readonly provider?: true }
  /** How long its measurements take at most, for the progress display. */
  plannedMs(settings: ScenarioSettings): number
  run(host: ScenarioHost, settings: ScenarioSettings, signal: AbortSignal): Promise<readonly SeriesReport[]>
}

export const isMeasured = ({ only }: ScenarioSettings, series: string): boolean => only === null || only.includes(series)

/** What was asked for, else what the scenario takes by itself. */
export function timesOf(
  { durationMs, warmupMs, quick }: ScenarioSettings,
  own: { readonly durationMs: number; readonly quickMs: number; readonly warmupMs: number },
): { readonly durationMs: number; readonly warmupMs: number } {
  return { durationMs: durationMs ?? (quick ? own.quickMs : own.durationMs), warmupMs: warmupMs ?? own.warmupMs }
}
