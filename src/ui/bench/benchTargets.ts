// The targets on the dashboard: limit, percentiles, margin, verdict, samples still needed. Pure. Invariant: a line is as wide as it is told to be;
// what does not fit is left out column by column, never the verdict.
import type { TargetReport } from '../../bench/report.ts'
import type { Controls, Sort } from './benchKeys.ts'
import { standingOf, type BenchState, type Standing } from './benchView.ts'
import { counted, limitText, marginText, short } from './figures.ts'
import { fit, fitLine, foreign, rule, span, widthOf, type Hue, type Line, type Span } from './textLine.ts'

interface Row {
  readonly target: TargetReport
  readonly standing: Standing
  /** Of its series; null where it is no latency, or nothing is measured yet. */
  readonly percentiles: { readonly p50: number; readonly p95: number; readonly p99: number } | null
}

interface Column {
  readonly head: string
  readonly width: number
  readonly align: 'left' | 'right'
  cell(row: Row): Span
}

const words: Readonly<Record<TargetReport['verdict'], { readonly mark: string; readonly word: string; readonly hue: Hue }>> = {
  pass: { mark: '✓', word: 'pass', hue: 'green' },
  fail: { mark: '✗', word: 'fail', hue: 'red' },
  inconclusive: { mark: '?', word: 'undecided', hue: 'yellow' },
  invalid: { mark: '!', word: 'invalid', hue: 'yellow' },
}

function verdictSpan({ kind, verdict }: Standing): Span {
  if (verdict === null) return kind === 'waiting' ? span('· waiting', 'dim') : span('▸ running', 'cyan')
  const { mark, word, hue } = words[verdict]
  return kind === 'final' ? span(`${mark} ${word}`, 'bold', hue) : span(`${mark} so far`, hue)
}

/** The share of the limit that is left; the least is the most urgent. */
function marginOf({ target: { direction, limit }, standing: { measured } }: Row): number {
  if (measured === null || limit === 0) return measured === null ? Number.POSITIVE_INFINITY : measured <= limit ? 1 : -1
  return (direction === 'max' ? limit - measured : measured - limit) / Math.abs(limit)
}

const urgency: Readonly<Record<TargetReport['verdict'], number>> = { fail: 0, invalid: 2, inconclusive: 4, pass: 6 }
const rankOf = ({ standing: { kind, verdict } }: Row): number =>
  verdict === null ? (kind === 'running' ? 8 : 9) : urgency[verdict] + (kind === 'final' ? 0 : 1)

function sorted(rows: readonly Row[], sort: Sort, { scenarios }: BenchState): readonly Row[] {
  const order = new Map(scenarios.map(({ name }, index) => [name, index]))
  const placeOf = ({ target: { scenario } }: Row): number => order.get(scenario.split(':')[0] ?? scenario) ?? scenarios.length
  switch (sort) {
    case 'scenario':
      return rows.toSorted((a, b) => placeOf(a) - placeOf(b))
    case 'margin':
      return rows.toSorted((a, b) => marginOf(a) - marginOf(b))
    case 'verdict':
      return rows.toSorted((a, b) => rankOf(a) - rankOf(b) || marginOf(a) - marginOf(b))
    case 'name':
      return rows.toSorted((a, b) => (a.target.id < b.target.id ? -1 : 1))
  }
}

/** With the end of the name kept: that is where `p95` and `p99` stand. */
function nameCell(name: string, width: number): string {
  if (widthOf(name) <= width || width < 10 || widthOf(name) !== name.length) return fit(name, width)
  const tail = Math.min(6, Math.floor(width / 3))
  return `${name.slice(0, width - tail - 1)}…${name.slice(-tail)}`
}

const marginWidth = 7

const right = (head: string, width: number, cell: (row: Row) => Span): Column => ({ head, width, align: 'right', cell })
const percentileColumn = (percentile: 50 | 95 | 99): Column =>
  right(`P${percentile}`, 7, ({ target, percentiles }) => {
    if (percentiles === null) return span('')
    const value = percentile === 50 ? percentiles.p50 : percentile === 95 ? percentiles.p95 : percentiles.p99
    return target.percentile === percentile ? span(short(value), 'bold') : span(short(value))
  })

function neededText({ samplesMissing, kind }: Standing): string {
  return samplesMissing === null ? '' : `${kind === 'final' ? '' : '~'}${counted(samplesMissing)}`
}

function columnsFor(width: number, rows: readonly Row[]): readonly Column[] {
  const longest = Math.max(6, ...rows.map(({ target }) => widthOf(foreign(target.id))))
  const hasNeeds = width >= 70
  // The limit is cut where the name needs the room, and only there.
  const roomForLimit = width - longest - 12 - (width >= 44 ? 9 : 0) - (width >= 54 ? 8 : 0) - (hasNeeds ? 8 : 0) - 1
  const limitWidth = Math.min(
    Math.max(width < 70 ? 12 : 18, roomForLimit),
    Math.max(5, ...rows.map(({ target }) => widthOf(limitText(target)))),
  )
  const limit = right('limit', limitWidth, ({ target }) => span(limitText(target)))
  const measured = right('measured', 8, ({ standing }) => span(standing.measured === null ? '' : short(standing.measured)))
  const margin = right('margin', marginWidth, (row) => {
    const text = row.standing.measured === null ? '' : marginText({ ...row.target, measured: row.standing.measured })
    const isMissed = text.startsWith('-') && text !== '-'
    const shown = text.length <= marginWidth ? text : isMissed ? '<-999 %' : '>+999 %'
    return isMissed ? span(shown, 'red') : span(shown)
  })
  const verdict: Column = {
    head: 'verdict',
    width: 11,
    align: 'left',
    cell: ({ standing }) =>
      !hasNeeds && standing.verdict === 'inconclusive' && standing.samplesMissing !== null
        ? span(`? +${neededText(standing)}`, 'yellow')
        : verdictSpan(standing),
  }
  const needs = right('needs', 7, ({ standing }) => span(neededText(standing), 'yellow'))
  const samples = right('samples', 9, ({ standing }) => span(standing.samples === 0 ? '' : counted(standing.samples), 'dim'))
  const later: Column[] = [
    ...(width >= 34 ? [limit] : []),
    ...(width >= 104 ? ([50, 95, 99] as const).map(percentileColumn) : []),
    ...(width >= 44 ? [measured] : []),
    ...(width >= 54 ? [margin] : []),
    verdict,
    ...(hasNeeds ? [needs] : []),
    ...(width >= 114 ? [samples] : []),
  ]
  const used = later.reduce((sum, column) => sum + column.width + 1, 0)
  const nameWidth = Math.max(1, Math.min(longest, width - used))
  const name: Column = {
    head: 'target',
    width: nameWidth,
    align: 'left',
    cell: ({ target, standing }) =>
      span(nameCell(foreign(target.id), nameWidth), ...(standing.kind === 'waiting' ? (['dim'] as const) : [])),
  }
  const rest = width - used - nameWidth - 2
  if (rest < 24) return [name, ...later]
  return [
    name,
    ...later,
    { head: ' what', width: rest, align: 'left', cell: ({ target }) => span(` ${foreign(target.description)}`, 'dim') },
  ]
}

function rowsOf(state: BenchState, sort: Sort): readonly Row[] {
  const bySeries = new Map(state.series.map((series) => [series.name, series]))
  const rows = state.targets.map((target): Row => {
    const series = target.percentile === null ? undefined : bySeries.get(target.scenario)
    const percentiles = series === undefined || series.phase === 'warm-up' || series.total.count === 0 ? null : series.total
    return { target, standing: standingOf(state, target), percentiles }
  })
  return sorted(rows, sort, state)
}

export interface TargetBlock {
  readonly lines: readonly Line[]
  /** The first row in sight, and how many there are: for the keys. */
  readonly first: number
}

/** A title, the heads, and as many targets as there is room for. */
export function targetBlock(state: BenchState, controls: Controls, width: number, height: number): TargetBlock {
  const rows = rowsOf(state, controls.sort)
  const room = Math.max(0, height - 2)
  const last = Math.max(0, rows.length - room)
  const running = rows.findIndex(({ standing: { kind, verdict } }) => kind === 'running' || (kind === 'so far' && verdict !== null))
  const wanted = controls.firstTarget ?? (controls.sort === 'scenario' ? running - Math.floor(room / 3) : 0)
  const first = Math.max(0, Math.min(last, wanted))
  const seen = rows.slice(first, first + room)
  const where = rows.length > room ? `${first + 1}-${first + seen.length} of ${rows.length}, ` : ''
  const columns = columnsFor(width, rows)
  const heads: Line = columns.map(({ head, width: wide, align }, index) =>
    span(`${index === 0 ? '' : ' '}${fit(head, wide, align)}`, 'dim'),
  )
  const drawn = seen.map((row): Line =>
    columns.map(({ width: wide, align, cell }, index) => {
      const { text, hues } = cell(row)
      return span(`${index === 0 ? '' : ' '}${fit(text, wide, align)}`, ...hues)
    }),
  )
  if (room === 0) return { lines: [], first: 0 }
  const lines = [rule('targets', `${where}by ${controls.sort}`, width), fitLine(heads, width), ...drawn.map((line) => fitLine(line, width))]
  return {
    lines: rows.length === 0 ? [rule('targets', '', width), [span('none was asked for', 'dim')]].slice(0, height) : lines.slice(0, height),
    first,
  }
}

/** How many stand how: `✓ 9 pass  ✗ 1 fail`. */
export function tally(state: BenchState, isShort: boolean): Line {
  const standings = state.targets.map((target) => standingOf(state, target)).filter(({ kind }) => kind === 'final')
  return (['pass', 'fail', 'invalid', 'inconclusive'] as const).flatMap((wanted): Line => {
    const { mark, word, hue } = words[wanted]
    const count = standings.filter(({ verdict }) => verdict === wanted).length
    return count === 0 ? [] : [span(isShort ? `${mark}${count} ` : `${mark} ${count} ${word}  `, hue)]
  })
}
