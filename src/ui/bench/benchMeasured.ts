// One series on the dashboard: latency over time, throughput, errors, and the curve by percentile. Pure. Invariant: exactly as many lines as it is given.
import type { SeriesState } from './benchView.ts'
import { counted, short } from './figures.ts'
import { brailleLine, columnsChart, resample } from './graphics.ts'
import { fit, fitLine, foreign, rule, span, widthOf, type Hue, type Line } from './textLine.ts'

interface Trace {
  readonly label: string
  readonly value: string
  readonly values: readonly number[]
  readonly how: 'highest' | 'mean'
  readonly hue: Hue
  /** Kept before those of a higher number. */
  readonly rank: number
}

const labelWidth = 9

function tracesOf({ history: { points }, total, unit, measuredMs, phase }: SeriesState): readonly Trace[] {
  const perSecond = (count: number, durationMs: number): number => (durationMs > 0 ? (count * 1_000) / durationMs : 0)
  const offered = points.map((point) => perSecond(point.offered, point.durationMs))
  const made = points.map((point) => perSecond(point.count, point.durationMs))
  const offeredInAll = points.reduce((sum, point) => sum + point.offered, 0)
  // What was warmed up with does not count, so it has no total.
  const latency = (value: number): string => (phase === 'warm-up' || total.count === 0 ? '-' : `${short(value)} ${unit}`)
  const rate = (value: number): string => (measuredMs > 0 ? `${short(value)}/s` : '-')
  return [
    { label: 'P99', value: latency(total.p99), values: points.map(({ p99 }) => p99), how: 'highest', hue: 'magenta', rank: 1 },
    { label: 'P95', value: latency(total.p95), values: points.map(({ p95 }) => p95), how: 'highest', hue: 'cyan', rank: 3 },
    { label: 'P50', value: latency(total.p50), values: points.map(({ p50 }) => p50), how: 'mean', hue: 'cyan', rank: 4 },
    ...(offeredInAll > 0
      ? [{ label: 'offered', value: rate(perSecond(offeredInAll, measuredMs)), values: offered, how: 'mean', hue: 'dim', rank: 6 } as const]
      : []),
    { label: 'achieved', value: rate(perSecond(total.count, measuredMs)), values: made, how: 'mean', hue: 'green', rank: 2 },
  ]
}

function errorLine({ total }: SeriesState, width: number): Line {
  const label = fit('errors', labelWidth)
  if (total.errors === 0) return fitLine([span(label, 'dim'), span('none', 'green')], width)
  const kinds = Object.entries(total.errorsByKind).toSorted(([, a], [, b]) => b - a)
  const text = kinds.map(([kind, count]) => `${foreign(kind)} ${counted(count)}`).join(', ')
  return fitLine(
    [span(label, 'dim'), span(`${short((100 * total.errors) / Math.max(1, total.count))} %, ${counted(total.errors)}: ${text}`, 'red')],
    width,
  )
}

const errorRank = 5
const tallest = 10

/** Latency over time, throughput, errors: a title and `height - 1` lines. */
export function overTimeBlock(series: SeriesState, place: string, width: number, height: number): readonly Line[] {
  const title = rule(foreign(series.name), place, width)
  const room = height - 1
  const all = tracesOf(series)
  const ranks = [...all.map(({ rank }) => rank), errorRank].toSorted((a, b) => a - b).slice(0, room)
  const kept = all.filter(({ rank }) => ranks.includes(rank))
  const hasErrors = ranks.includes(errorRank)
  const spare = Math.max(0, room - kept.length - (hasErrors ? 1 : 0))
  const valueWidth = Math.min(Math.max(...all.map(({ value }) => widthOf(value))), Math.max(0, width - labelWidth))
  const graphWidth = Math.max(0, width - labelWidth - valueWidth - 1)
  const graph = ({ label, value, values, how, hue }: Trace, rows: number): readonly Line[] =>
    columnsChart(resample(values, graphWidth, how), graphWidth, rows).map((drawn, row): Line => [
      span(fit(row === 0 ? label : '', labelWidth), ...(hue === 'magenta' ? (['bold'] as const) : (['dim'] as const))),
      span(drawn, hue),
      span(` ${fit(row === 0 ? value : '', valueWidth, 'right')}`, ...(hue === 'magenta' ? (['bold'] as const) : [])),
    ])
  // What is left over goes to P99 first, then to the throughput.
  const forP99 = Math.min(tallest - 1, spare)
  const forRate = Math.min(2, spare - forP99)
  const lines = kept.flatMap((trace) => graph(trace, 1 + (trace.rank === 1 ? forP99 : trace.rank === 2 ? forRate : 0)))
  return filled([title, ...lines, ...(hasErrors ? [errorLine(series, width)] : [])], width, height)
}

const filled = (lines: readonly Line[], width: number, height: number): readonly Line[] =>
  Array.from({ length: Math.max(0, height) }, (_, index) => fitLine(lines[index] ?? [], width))

const nines = (percent: number): number => -Math.log10(Math.max(1e-9, 1 - percent / 100))
const ticks = [50, 90, 99, 99.9, 99.99, 99.999]
/** From here on a linear scale would show a flat line and a spike. */
const wideRange = 25

/** Value by percentile, with as much room for 99 to 99.9 as for 90 to 99; as far as there are samples to speak of. */
export function curveBlock(series: SeriesState, width: number, height: number): readonly Line[] {
  const { total, unit } = series
  const most = Math.max(1.5, Math.min(5, Math.log10(Math.max(1, total.count)) - 0.3))
  const points = total.curve.filter(([percent, value]) => nines(percent) <= most && Number.isFinite(value))
  const highest = Math.max(...points.map(([, value]) => value), 0)
  const lowest = Math.min(...points.map(([, value]) => value), highest)
  const middle = points[Math.floor(points.length / 4)]?.[1] ?? lowest
  const isLog = middle > 0 && highest / middle > wideRange
  const title = rule('by percentile', isLog ? `${unit}, log` : unit, width)
  if (points.length < 2 || highest <= 0 || series.phase === 'warm-up')
    return filled([title, [span('not enough samples yet', 'dim')]], width, height)
  const floor = isLog ? Math.max(lowest, highest / 1e5, Number.MIN_VALUE) : 0
  const yOf = (value: number): number => (isLog ? Math.log(Math.max(value, floor) / floor) / Math.log(highest / floor) : value / highest)
  const valueAt = (share: number): number => (isLog ? floor * (highest / floor) ** share : share * highest)
  const end = Math.max(...points.map(([percent]) => nines(percent)))
  const rows = Math.max(1, height - 2)
  const labels = Array.from({ length: rows }, (_, row) => {
    const share = rows === 1 ? 1 : 1 - row / (rows - 1)
    const isTold = row === 0 || row === rows - 1 || (rows >= 7 && row === Math.floor((rows - 1) / 2))
    return isTold ? short(valueAt(share)) : ''
  })
  const axis = Math.max(...labels.map(widthOf))
  const plot = Math.max(1, width - axis - 2)
  const drawn = brailleLine(
    points.map(([percent, value]) => [nines(percent) / end, yOf(value)] as const),
    plot,
    rows,
  )
  const lines = drawn.map((line, row): Line => [
    span(`${fit(labels[row] ?? '', axis, 'right')} `, 'dim'),
    span('│', 'dim'),
    span(line, 'magenta'),
  ])
  return filled([title, ...lines, [span(' '.repeat(axis + 2)), span(tickLine(plot, end), 'dim')]], width, height)
}

function tickLine(plot: number, end: number): string {
  let line = ''
  for (const percent of ticks) {
    if (nines(percent) > end + 1e-9) break
    const text = `P${percent}`
    const at = Math.min(plot - text.length, Math.max(0, Math.round((nines(percent) / end) * (plot - 1) - text.length / 2)))
    if (at < line.length + (line === '' ? 0 : 1)) continue
    line = line.padEnd(at) + text
  }
  return line
}
