// Metrics as Prometheus reads them. Invariant: names and labels are fixed; a label's value comes from routes, never from users.
// Source: the Prometheus text exposition format, version 0.0.4.
import type { EndpointMetrics } from './metrics.ts'

export interface Gauge {
  readonly name: string
  readonly help: string
  readonly value: number
}

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`

/** An endpoint is named `METHOD route`. */
function labelsOf(endpoint: string): string {
  const [method = '', route = ''] = endpoint.split(' ')
  return `method=${quoted(method)},route=${quoted(route)}`
}

export function prometheusText(endpoints: readonly EndpointMetrics[], gauges: readonly Gauge[]): string {
  const lines: string[] = []
  const head = (name: string, kind: string, help: string): void => void lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`)
  head('orx_http_requests_total', 'counter', 'Requests by route.')
  for (const { endpoint, count } of endpoints) lines.push(`orx_http_requests_total{${labelsOf(endpoint)}} ${count}`)
  head('orx_http_request_errors_total', 'counter', 'Requests that failed, by route.')
  for (const { endpoint, errors } of endpoints) lines.push(`orx_http_request_errors_total{${labelsOf(endpoint)}} ${errors}`)
  head('orx_http_request_duration_seconds', 'summary', 'Response time by route.')
  for (const { endpoint, count, meanMs, p50Ms, p95Ms, p99Ms } of endpoints) {
    const route = labelsOf(endpoint)
    for (const [quantile, ms] of [
      [0.5, p50Ms],
      [0.95, p95Ms],
      [0.99, p99Ms],
    ] as const) {
      lines.push(`orx_http_request_duration_seconds{${route},quantile="${quantile}"} ${ms / 1_000}`)
    }
    lines.push(
      `orx_http_request_duration_seconds_sum{${route}} ${(meanMs * count) / 1_000}`,
      `orx_http_request_duration_seconds_count{${route}} ${count}`,
    )
  }
  for (const { name, help, value } of gauges) {
    head(name, 'gauge', help)
    lines.push(`${name} ${value}`)
  }
  return `${lines.join('\n')}\n`
}
