// The charts of the HTML report, as inline SVG. Invariant: no script; colours by class alone, so that light and dark are the page's business.
import type { SeriesReport, TargetReport } from '../../bench/report.ts'
import { escapeXml } from '../xml.ts'
import { counted, limitText } from './figures.ts'

const width = 430
const height = 210
const left = 52
const bottom = 28
const top = 12
const plotWidth = width - left - 14
const plotHeight = height - bottom - top

interface Line {
  readonly name: string
  readonly kind: 'p50' | 'p95' | 'p99' | 'offered' | 'made'
  readonly points: readonly (readonly [x: number, value: number])[]
}

interface Scale {
  /** From 0 to 1, upwards. */
  of(value: number): number
  readonly ticks: readonly number[]
  readonly isLog: boolean
}

/** From here on a linear scale would show a flat line and a spike. */
const wideRange = 30

function scaleOf(values: readonly number[], mayBeLog: boolean): Scale {
  const positive = values.filter((value) => value > 0).toSorted((a, b) => a - b)
  const highest = positive.at(-1) ?? 1
  const middle = positive[Math.floor(positive.length / 3)] ?? highest
  if (!mayBeLog || highest / middle < wideRange) {
    const step = niceStep(highest / 4)
    const end = step * Math.ceil(highest / step)
    return {
      of: (value) => value / end,
      ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step),
      isLog: false,
    }
  }
  const from = Math.floor(Math.log10(positive[0] ?? highest))
  const decades = Math.max(1, Math.ceil(Math.log10(highest)) - from)
  return {
    of: (value) => Math.max(0, (Math.log10(Math.max(value, 10 ** from)) - from) / decades),
    ticks: Array.from({ length: decades + 1 }, (_, index) => 10 ** (from + index)),
    isLog: true,
  }
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-9)))
  return ([1, 2, 5, 10].find((factor) => factor * power >= least * 0.999) ?? 10) * power
}

interface Chart {
  readonly title: string
  readonly unit: string
  readonly lines: readonly Line[]
  readonly xTicks: readonly (readonly [x: number, text: string])[]
  readonly mayBeLog: boolean
  readonly limits?: readonly TargetReport[]
}

function chart({ title, unit, lines, xTicks, mayBeLog, limits = [] }: Chart): string {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value))
  const scale = scaleOf(values, mayBeLog)
  const x = (share: number): string => (left + share * plotWidth).toFixed(1)
  const y = (value: number): string => (top + (1 - Math.min(1, scale.of(value))) * plotHeight).toFixed(1)
  const grid = scale.ticks.map(
    (tick) =>
      `<line class="grid" x1="${left}" x2="${left + plotWidth}" y1="${y(tick)}" y2="${y(tick)}"/><text class="tick" x="${left - 6}" y="${y(tick)}" text-anchor="end" dy="0.32em">${escapeXml(counted(Number(tick.toPrecision(12))))}</text>`,
  )
  const ticks = xTicks.map(
    ([at, text], index) =>
      `<text class="tick" x="${x(at)}" y="${height - 8}" text-anchor="${index === 0 && at === 0 ? 'start' : at >= 0.99 ? 'end' : 'middle'}">${escapeXml(text)}</text>`,
  )
  // A limit far above would press everything else to the ground: it is in the table.
  const drawnLimits = limits
    .filter(({ limit }) => scale.of(limit) <= 1.001)
    .map((target) => {
      const at = y(target.limit)
      return `<line class="limit" x1="${left}" x2="${left + plotWidth}" y1="${at}" y2="${at}"/><text class="tick limit-text" x="${left + plotWidth}" y="${at}" dy="-4" text-anchor="end">${escapeXml(`${target.id} ${limitText(target)}`)}</text>`
    })
  const drawn = lines.map(
    ({ points, kind, name }) =>
      `<polyline class="${kind}" points="${points.map(([px, value]) => `${x(px)},${y(value)}`).join(' ')}"><title>${escapeXml(name)}</title></polyline>`,
  )
  const legend =
    lines.length < 2
      ? ''
      : `<span class="legend">${lines.map(({ kind, name }) => `<i class="${kind}"></i>${escapeXml(name)}`).join(' ')}</span>`
  const caption = `${title}, ${unit}${scale.isLog ? ', logarithmic' : ''}`
  return `<figure><figcaption>${escapeXml(caption)}${legend}</figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(caption)}">${[...grid, ...ticks, ...drawnLimits, ...drawn].join('')}</svg></figure>`
}

/** Percentiles by nines: as much room for 99 to 99.9 as for 90 to 99. */
const nines = (percent: number): number => -Math.log10(Math.max(1e-9, 1 - percent / 100))

/** @param points [percentile, value] */
export function curveChart(series: SeriesReport, points: readonly (readonly [number, number])[], limits: readonly TargetReport[]): string {
  // As far as there are samples to speak of.
  const end = Math.min(5, Math.max(2, Math.log10(Math.max(1, series.count))))
  const seen = points.filter(([percent]) => nines(percent) <= end)
  if (seen.length < 2) return ''
  const xTicks = [0, 50, 90, 99, 99.9, 99.99, 99.999]
    .filter((percent) => nines(percent) <= end + 1e-9)
    .map((percent) => [nines(percent) / end, percent === 0 ? '0' : `P${percent}`] as const)
  const line: Line = { name: 'response', kind: 'p99', points: seen.map(([percent, value]) => [nines(percent) / end, value] as const) }
  return chart({ title: 'Response by percentile', unit: series.response.unit, lines: [line], xTicks, mayBeLog: true, limits })
}

const endOf = ({ intervals }: SeriesReport): number => Math.max(...intervals.map(({ atMs, durationMs }) => atMs + durationMs), 1)
const timeTicks = (endMs: number): readonly (readonly [number, string])[] =>
  [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${counted(Number(((share * endMs) / 1_000).toFixed(1)))} s`] as const)

export function timeChart(series: SeriesReport, limits: readonly TargetReport[]): string {
  const { intervals, response } = series
  if (intervals.length < 2) return ''
  const endMs = endOf(series)
  const lines = (['p50', 'p95', 'p99'] as const).map((kind) => ({
    kind,
    name: kind.toUpperCase(),
    points: intervals.filter(({ count }) => count > 0).map((interval) => [interval.atMs / endMs, interval[kind]] as const),
  }))
  return chart({ title: 'Latency over time', unit: response.unit, lines, xTicks: timeTicks(endMs), mayBeLog: true, limits })
}

export function rateChart(series: SeriesReport): string {
  const { intervals, model } = series
  if (intervals.length < 2) return ''
  const endMs = endOf(series)
  const line = (name: string, kind: 'offered' | 'made', key: 'offered' | 'count'): Line => ({
    name,
    kind,
    points: intervals
      .filter(({ durationMs }) => durationMs > 0)
      .map((interval) => [interval.atMs / endMs, (interval[key] * 1_000) / interval.durationMs] as const),
  })
  const lines = [...(model === 'open' ? [line('offered', 'offered', 'offered')] : []), line('made', 'made', 'count')]
  return chart({
    title: model === 'open' ? 'Throughput, offered and made' : 'Throughput',
    unit: 'a second',
    lines,
    xTicks: timeTicks(endMs),
    mayBeLog: false,
  })
}
