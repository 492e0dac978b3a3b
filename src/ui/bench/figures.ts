// Numbers of a bench as people read them, the same in every report.
import type { Interval, ResourceReport, TargetReport } from '../../bench/report.ts'

/** Three significant digits, without an exponent. */
export function short(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 1_000) return Math.round(value).toLocaleString('en')
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return size === 0 ? '0' : value.toFixed(2)
}

/** What is counted, in full: 40, not 40.0. */
export function counted(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : short(value)
}

export function limitText({ direction, limit, unit }: Pick<TargetReport, 'direction' | 'limit' | 'unit'>): string {
  return `${direction === 'max' ? '<=' : '>='} ${counted(limit)} ${unit}`
}

/** How far a target is from its limit, as a share of it; negative when it is missed. */
export function marginText({ measured, limit, direction }: Pick<TargetReport, 'measured' | 'limit' | 'direction'>): string {
  if (measured === null || limit === 0) return '-'
  const share = (direction === 'max' ? limit - measured : measured - limit) / Math.abs(limit)
  return `${share < 0 ? '' : '+'}${Math.round(100 * share)} %`
}

const bars = '▁▂▃▄▅▆▇█'

/** The highest of each bucket, drawn; at most `width` characters. */
function sparkline(values: readonly number[], width: number): string {
  if (values.length === 0 || width < 1) return ''
  const size = Math.max(1, Math.ceil(values.length / width))
  const buckets = Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    Math.max(...values.slice(index * size, (index + 1) * size)),
  )
  const highest = Math.max(...buckets)
  return buckets.map((value) => (highest <= 0 ? bars.charAt(0) : bars.charAt(Math.min(7, Math.floor((value / highest) * 7.999))))).join('')
}

export function latencyOverTime(intervals: readonly Interval[], width: number): string {
  return sparkline(
    intervals.map(({ p99 }) => p99),
    width,
  )
}

export function resourcesText({ rssPeakMb, cpuMeanPercent, dbConnectionsPeak }: ResourceReport): string {
  return `memory at most ${short(rssPeakMb)} MB, what was measured used ${short(cpuMeanPercent)} % of the machine, ${short(dbConnectionsPeak)} database connections at most`
}
