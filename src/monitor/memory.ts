// Watches the memory of a process. Invariant: one alert a crossing, not one a megabyte; a probe that fails is asked again later, and harms nothing.
import { sleep, type Clock } from '../core/runtime.ts'

export interface MemoryMonitorOptions {
  readonly clock: Clock
  residentBytes(): number
  onAlert(alert: MemoryAlert): void
  /** @default 30_000 */
  readonly everyMs?: number
  /** @default 1_024 */
  readonly limitMb?: number
  /** How far it has to fall below the limit before the next alert, as a share of it. @default 0.1 */
  readonly hysteresis?: number
  /** How long nothing is asked after a failure, ms. @default 60_000 */
  readonly backOffMs?: number
}

export interface MemoryAlert {
  readonly kind: 'above' | 'below-again'
  readonly residentMb: number
  readonly limitMb: number
}

export interface MemoryReading {
  readonly residentMb: number
  readonly peakMb: number
  readonly isAbove: boolean
}

export interface MemoryMonitor {
  /** Null before the first sample. */
  latest(): MemoryReading | null
  stop(): void
}

const bytesPerMb = 1_048_576

export function watchMemory(options: MemoryMonitorOptions): MemoryMonitor {
  const { clock, everyMs = 30_000, limitMb = 1_024, hysteresis = 0.1, backOffMs = 60_000 } = options
  const stopped = new AbortController()
  let reading: MemoryReading | null = null
  const sample = (): void => {
    const residentMb = options.residentBytes() / bytesPerMb
    const was = reading?.isAbove ?? false
    const isAbove = was ? residentMb > limitMb * (1 - hysteresis) : residentMb >= limitMb
    reading = { residentMb, peakMb: Math.max(residentMb, reading?.peakMb ?? 0), isAbove }
    if (isAbove !== was) options.onAlert({ kind: isAbove ? 'above' : 'below-again', residentMb, limitMb })
  }
  const watch = async (): Promise<void> => {
    for (;;) {
      let waitMs = everyMs
      try {
        sample()
      } catch {
        waitMs = backOffMs
      }
      await sleep(clock, waitMs, stopped.signal)
    }
  }
  watch().catch(() => undefined)
  return { latest: () => reading, stop: () => stopped.abort() }
}

export function alertText({ kind, residentMb, limitMb }: MemoryAlert): string {
  return `memory ${kind === 'above' ? 'is above' : 'has come below'} ${limitMb} MB: ${residentMb.toFixed(0)} MB`
}
