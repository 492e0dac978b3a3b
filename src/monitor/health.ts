// Whether the service is well, in the shape and with the names of the performance guide's health endpoint.
import type { Clock } from '../core/runtime.ts'
import { messageOf } from '../core/errors.ts'
import type { EndpointMetrics } from './metrics.ts'

export interface HealthProbes {
  readonly clock: Clock
  /** One round trip to the database, ms. */
  ping(signal: AbortSignal): Promise<number>
  /** Of the machine's memory, or of the control group's, 0-100. */
  memoryPercent(): number
  endpoints(): readonly EndpointMetrics[]
}

export interface Health {
  readonly status: 'healthy' | 'unhealthy'
  /** Seconds since 1970, as the guide has it. */
  readonly timestamp: number
  readonly checks: {
    readonly database: { readonly status: 'healthy' | 'unhealthy'; readonly response_time_ms: number; readonly error?: string }
    readonly memory: { readonly status: 'healthy' | 'warning'; readonly usage_percent: number }
  }
  readonly performance: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly response_time_ms: number
}

/** Documented: memory is a warning from here on. */
const warningPercent = 80

export async function checkHealth({ clock, ping, memoryPercent, endpoints }: HealthProbes, signal: AbortSignal): Promise<Health> {
  const fromMs = clock.monotonicMs()
  const database = await ping(signal).then(
    (response_time_ms) => ({ status: 'healthy' as const, response_time_ms }),
    (error: unknown) => ({ status: 'unhealthy' as const, response_time_ms: clock.monotonicMs() - fromMs, error: messageOf(error) }),
  )
  const usage_percent = memoryPercent()
  return {
    status: database.status,
    timestamp: clock.now() / 1_000,
    checks: { database, memory: { status: usage_percent < warningPercent ? 'healthy' : 'warning', usage_percent } },
    performance: Object.fromEntries(
      endpoints().map(({ endpoint, count, errors, errorRate, minMs, maxMs, meanMs, p50Ms, p95Ms, p99Ms }) => [
        endpoint,
        {
          count,
          errors,
          error_rate: errorRate,
          min_ms: minMs,
          max_ms: maxMs,
          avg_response_time_ms: meanMs,
          p50_ms: p50Ms,
          p95_ms: p95Ms,
          p99_ms: p99Ms,
        },
      ]),
    ),
    response_time_ms: clock.monotonicMs() - fromMs,
  }
}
