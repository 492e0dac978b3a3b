// What is measured within one process, call by call. Invariant: the event loop goes round every few milliseconds, so that timers and messages live.
import type { ScenarioHost } from './scenario.ts'
import type { Series } from './series.ts'

export interface InProcess {
  readonly series: Series
  readonly warmupMs: number
  readonly durationMs: number
  /** One call; what it returns is waited for where it is a promise. */
  act(index: number): unknown
  /** A sample is the mean of so many calls, for what is shorter than reading the clock. @default 1 */
  readonly callsPerSample?: number
}

const turnMs = 8

/** Times in us. */
export async function runInProcess(
  host: ScenarioHost,
  { series, warmupMs, durationMs, act, callsPerSample = 1 }: InProcess,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = host.runtime
  const fromMs = clock.monotonicMs()
  let turnFromMs = fromMs
  for (let index = 0; ;) {
    const startMs = clock.monotonicMs()
    if (startMs - fromMs >= warmupMs + durationMs || signal.aborted) return
    if (!series.isMeasuring() && startMs - fromMs >= warmupMs) series.begin()
    let error: string | null = null
    try {
      for (let call = 0; call < callsPerSample; call += 1, index += 1) {
        const outcome = act(index)
        if (outcome instanceof Promise) await outcome
      }
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.name : 'error'
    }
    const endMs = clock.monotonicMs()
    const tookUs = ((endMs - startMs) * 1_000) / callsPerSample
    if (series.isMeasuring()) series.sample({ response: tookUs, service: tookUs, lateness: 0, error })
    if (endMs - turnFromMs < turnMs) continue
    await host.pacing.yieldNow()
    turnFromMs = clock.monotonicMs()
  }
}
