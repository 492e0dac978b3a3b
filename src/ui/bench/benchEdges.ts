// The edges of the dashboard: who it is, which scenarios there are, how far the present one is, which keys there are, and the help. Pure.
import { formatDuration } from '../../core/units.ts'
import type { Controls } from './benchKeys.ts'
import { tally } from './benchTargets.ts'
import { standingOf, scenarioOfSeries, type BenchState, type ScenarioState } from './benchView.ts'
import { bar } from './graphics.ts'
import { cut, fitLine, foreign, lineWidth, rule, span, spread, type Hue, type Line } from './textLine.ts'

export interface ScreenOptions {
  readonly columns: number
  readonly rows: number
  readonly nowMs: number
  /** The end was asked for. */
  readonly isStopping: boolean
  readonly hasKeyboard: boolean
}

/** Whole seconds: tenths would only be restless. */
const clockText = (ms: number): string => (ms < 60_000 ? `${Math.floor(ms / 1_000)} s` : formatDuration(ms))

export function headLine(state: BenchState, controls: Controls, { columns, nowMs, isStopping }: ScreenOptions): Line {
  const right: Line = [
    ...(isStopping ? [span(' stopping ', 'inverse', 'yellow'), span(' ')] : []),
    ...(controls.isFrozen ? [span(' frozen ', 'inverse', 'cyan'), span(' ')] : []),
    span(clockText(Math.max(0, nowMs - state.startedMs)), 'bold'),
  ]
  const seed = columns >= 80 && state.seed !== null ? [span(`   seed ${state.seed}`, 'dim')] : []
  return spread([span('orx bench', 'bold', 'cyan'), span('  '), ...tally(state, columns < 44), ...seed], right, columns)
}

function markOf(state: BenchState, { name, status, isInvalid }: ScenarioState): { readonly mark: string; readonly hues: readonly Hue[] } {
  if (status === 'waiting') return { mark: '·', hues: ['dim'] }
  if (status !== 'finished') return { mark: '▸', hues: ['bold', 'cyan'] }
  const verdicts = state.targets
    .filter(({ scenario }) => scenarioOfSeries(scenario) === name)
    .map((target) => standingOf(state, target).verdict)
  if (verdicts.includes('fail')) return { mark: '✗', hues: ['red'] }
  if (isInvalid || verdicts.includes('invalid')) return { mark: '!', hues: ['yellow'] }
  return verdicts.includes('inconclusive') ? { mark: '?', hues: ['yellow'] } : { mark: '✓', hues: ['green'] }
}

/** Every scenario with its mark; where that is too long, those around the one that runs. */
export function scenarioLine(state: BenchState, width: number): Line {
  const { scenarios } = state
  const drawn = scenarios.map((scenario): Line => {
    const { mark, hues } = markOf(state, scenario)
    return [span(`${mark} ${foreign(scenario.name)}`, ...hues)]
  })
  const widths = drawn.map((line) => lineWidth(line) + 2)
  const all = widths.reduce((sum, wide) => sum + wide, 0) - 2
  const join = (lines: readonly Line[]): Line => lines.flatMap((line, index) => (index === 0 ? line : [span('  '), ...line]))
  if (all <= width) return join(drawn)
  const waiting = scenarios.findIndex(({ status }) => status !== 'finished')
  const focus = waiting === -1 ? scenarios.length - 1 : waiting
  const count = `${scenarios.filter(({ status }) => status === 'finished').length}/${scenarios.length} `
  const room = width - count.length - 4
  let [from, to, used] = [focus, focus, widths[focus] ?? 0]
  for (let grew = true; grew;) {
    grew = false
    const [before, after] = [widths[from - 1], widths[to + 1]]
    if (after !== undefined && used + after <= room) [to, used, grew] = [to + 1, used + after, true]
    if (before !== undefined && used + before <= room) [from, used, grew] = [from - 1, used + before, true]
  }
  const dots = (isThere: boolean): Line => (isThere ? [span('…', 'dim')] : [])
  const window = drawn.slice(from, to + 1)
  return [span(count, 'dim'), ...join([...(from > 0 ? [dots(true)] : []), ...window, ...(to < drawn.length - 1 ? [dots(true)] : [])])]
}

const phases: Readonly<Record<ScenarioState['status'], string>> = {
  'waiting': 'waiting',
  'preparing': 'preparing',
  'warm-up': 'warming up',
  'measuring': 'measuring',
  'finished': 'done',
}

/** What is being done, how far it is, and how long it will take. */
export function progressLine(state: BenchState, { columns, nowMs, isStopping }: ScreenOptions): Line {
  const running = state.scenarios.find(({ status }) => status !== 'waiting' && status !== 'finished')
  if (running === undefined) {
    const isOver = state.scenarios.length > 0 && state.scenarios.every(({ status }) => status === 'finished')
    return [span(isOver ? 'everything is measured' : isStopping ? 'stopping' : 'starting', 'dim')]
  }
  const { name, status, plannedMs, loadFromMs, looks } = running
  const prepared = status === 'preparing' ? state.preparing : null
  const what = prepared === null ? phases[status] : foreign(prepared.text)
  const again = looks > 1 ? `, look ${looks}` : ''
  const left: Line = [span(foreign(name), 'bold', 'cyan'), span(` ${what}${again} `)]
  const share = prepared === null ? timeShare(loadFromMs, plannedMs, nowMs) : doneShare(prepared)
  const leftMs = loadFromMs === null ? null : loadFromMs + plannedMs - nowMs
  const time = leftMs === null ? '' : leftMs <= 0 ? 'ending' : `${clockText(leftMs + 999)} left`
  const count = prepared !== null && prepared.done !== null && prepared.total !== null ? `${prepared.done}/${prepared.total}` : ''
  const told = ` ${[share === null ? '' : `${Math.floor(100 * share)} %`.padStart(5), prepared === null ? time : count].filter((text) => text !== '').join(' ')}`
  const textWidth = Math.min(lineWidth(left), Math.max(name.length + 1, columns - told.length - 8))
  const room = columns - textWidth - told.length - 1
  if (room < 4) return spread(left, [span(told)], columns)
  const { done, left: open } = bar(share ?? 0, room)
  return [...fitLine(left, textWidth), span(' '), span(done, 'cyan'), span(open, 'dim'), span(told)]
}

function timeShare(loadFromMs: number | null, plannedMs: number, nowMs: number): number | null {
  return loadFromMs === null || plannedMs <= 0 ? null : Math.max(0, Math.min(1, (nowMs - loadFromMs) / plannedMs))
}

function doneShare({ done, total }: NonNullable<BenchState['preparing']>): number | null {
  return done === null || total === null || total <= 0 ? null : Math.min(1, done / total)
}

export function footLine({ isFrozen, hasHelp, shown }: Controls, { columns, hasKeyboard, isStopping }: ScreenOptions): Line {
  if (isStopping) return [span(cut('a report of what there is follows; Ctrl-C again ends at once', columns), 'yellow')]
  if (!hasKeyboard) return [span(cut('Ctrl-C ends with a report (no keys: input is no terminal)', columns), 'dim')]
  const all: readonly (readonly [key: string, text: string, least: number])[] = [
    ['f', isFrozen ? 'go on' : 'freeze', 44],
    ['←→', 'series', 56],
    ...(shown === null ? [] : ([['esc', 'follow', 76]] as const)),
    ['↑↓', 'scroll', 80],
    ['s', 'sort', 50],
    ['?', hasHelp ? 'back' : 'help', 0],
    ['q', 'quit', 0],
  ]
  const parts = all.filter(([, , least]) => columns >= least)
  return parts.flatMap(([key, text], index) => [span(`${index === 0 ? '' : '   '}${key}`, 'bold', 'cyan'), span(` ${text}`, 'dim')])
}

const help: readonly (readonly [string, string])[] = [
  ['f, space', 'freeze the display; the load goes on'],
  ['← →, p n', 'show another series'],
  ['esc', 'show again what runs'],
  ['↑ ↓, k j', 'scroll the targets'],
  ['s', 'sort them: scenario, margin, verdict, name'],
  ['q, Ctrl-C', 'stop measuring, report what there is'],
  ['', 'Ctrl-C once more ends at once'],
  ['', ''],
  ['so far', 'provisional: the scenario still runs'],
  ['margin', 'what is left to the limit, as a share of it'],
  ['needs', 'so many more samples would decide'],
  ['✓ ✗ ? !', 'pass, fail, undecided, invalid'],
]

export function helpLines(width: number, height: number): readonly Line[] {
  const lines: readonly Line[] = [
    rule('keys and words', '', width),
    ...help.map(([key, text]): Line => [span(key.padEnd(11), 'bold', 'cyan'), span(text)]),
  ]
  return Array.from({ length: height }, (_, index) => fitLine(lines[index] ?? [], width))
}
