// What the machine and the things under load are busy with, as cells of a grid: memory, processor, event loop, database; queue, cache, limiter. Pure.
import type { BenchState, SeriesState } from './benchView.ts'
import { counted, short } from './figures.ts'
import { columnsChart, resample } from './graphics.ts'
import { fit, fitLine, foreign, span, widthOf, type Line } from './textLine.ts'

interface Cell {
  readonly label: string
  readonly value: string
  readonly values: readonly number[]
  /** The scale's end; null: the highest value. */
  readonly highest: number | null
}

interface Gauge {
  readonly label: string
  readonly isShare: boolean
}

const gauges: Readonly<Record<string, Gauge>> = {
  queueDepth: { label: 'queue', isShare: false },
  cacheHitRatio: { label: 'cache hits', isShare: true },
  limiterUse: { label: 'limiter', isShare: true },
  poolInUse: { label: 'pool', isShare: false },
  openSessions: { label: 'sessions', isShare: false },
  active: { label: 'active', isShare: false },
}

/** What a scenario calls `jobsWaiting` is `jobs waiting`. */
const spelled = (name: string): string => foreign(name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))

function cellsOf({ resources }: BenchState, series: SeriesState | null): readonly Cell[] {
  const last = resources.at(-1)
  const told = (value: number | undefined, unit: string): string => (value === undefined ? '-' : `${short(value)} ${unit}`)
  const connections = last?.dbConnections ?? null
  const machine: readonly Cell[] = [
    { label: 'memory', value: told(last?.rssMb, 'MB'), values: resources.map(({ rssMb }) => rssMb), highest: null },
    { label: 'CPU', value: told(last?.cpuPercent, '%'), values: resources.map(({ cpuPercent }) => cpuPercent), highest: null },
    {
      label: 'loop lag',
      value: told(last?.eventLoopLagMs, 'ms'),
      values: resources.map(({ eventLoopLagMs }) => eventLoopLagMs),
      highest: null,
    },
    {
      label: 'db pool',
      value: connections === null ? '-' : `${connections} conn`,
      values: connections === null ? [] : resources.map(({ dbConnections }) => dbConnections ?? 0),
      highest: null,
    },
  ]
  const own = Object.entries(series?.gauges ?? {}).map(([name, values]): Cell => {
    const { label, isShare } = gauges[name] ?? { label: spelled(name), isShare: false }
    const value = values.at(-1) ?? 0
    return { label, value: isShare ? `${short(100 * value)} %` : counted(value), values, highest: isShare ? 1 : null }
  })
  return [...machine, ...own]
}

const leastCell = 26
const apart = 2
/** So that columns stay where they are when another scenario has other gauges. */
const leastLabel = 10
const leastValue = 8

const perRow = (width: number): number => Math.max(1, Math.floor((width + apart) / (leastCell + apart)))

export function resourceRows(state: BenchState, series: SeriesState | null, width: number): number {
  return Math.ceil(cellsOf(state, series).length / perRow(width))
}

/** At most `height` lines; the machine's own figures come first. */
export function resourceBlock(state: BenchState, series: SeriesState | null, width: number, height: number): readonly Line[] {
  const cells = cellsOf(state, series)
  const across = Math.min(perRow(width), cells.length)
  const cellWidth = Math.floor((width - apart * (across - 1)) / across)
  const labelWidth = Math.min(Math.max(leastLabel, ...cells.map(({ label }) => widthOf(label))), Math.floor(cellWidth / 2))
  const valueWidth = Math.min(Math.max(leastValue, ...cells.map(({ value }) => widthOf(value))), Math.max(0, cellWidth - labelWidth - 1))
  const graphWidth = Math.max(0, cellWidth - labelWidth - valueWidth - 2)
  const rows = Math.min(height, Math.ceil(cells.length / across))
  return Array.from({ length: Math.max(0, rows) }, (_, row): Line => {
    const line = cells.slice(row * across, (row + 1) * across).flatMap(({ label, value, values, highest }, index) => {
      const seen = resample(values.slice(-graphWidth), graphWidth, 'highest')
      const [graph = ''] =
        graphWidth === 0 || seen.length === 0 ? [' '.repeat(graphWidth)] : columnsChart(seen, graphWidth, 1, highest ?? Math.max(...seen))
      return [
        span(`${index === 0 ? '' : ' '.repeat(apart)}${fit(label, labelWidth)} `, 'dim'),
        span(fit(value, valueWidth, 'right')),
        span(graphWidth === 0 ? ' ' : ` ${graph}`, 'cyan'),
      ]
    })
    return fitLine(line, width)
  })
}
