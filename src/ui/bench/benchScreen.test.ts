import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { initialControls, type Controls } from './benchKeys.ts'
import type { ScreenOptions } from './benchEdges.ts'
import { benchScreen } from './benchScreen.ts'
import { lineWidth, paint } from './textLine.ts'
import { events, foldEvents, interval, target } from './benchView.testkit.ts'
import { initialBench, type BenchState } from './benchView.ts'

const halfWay = foldEvents(events)
const nowMs = 250 * events.length
const many: BenchState = { ...halfWay, targets: Array.from({ length: 40 }, (_, index) => target(`target-${index}`, 'sessions')) }

interface Look {
  readonly columns: number
  readonly rows: number
  readonly controls?: Partial<Controls>
  readonly state?: BenchState
  readonly options?: Partial<ScreenOptions>
}

function linesOf({ columns, rows, controls = {}, state = halfWay, options = {} }: Look) {
  const shown = { columns, rows, nowMs, isStopping: false, hasKeyboard: true, ...options }
  return benchScreen(state, { ...initialControls, ...controls }, shown).lines
}
const textOf = (look: Look): string =>
  linesOf(look)
    .map((line) => paint(line, false))
    .join('\n')

const widths = [1, 5, 20, 33, 45, 60, 80, 104, 120, 159, 160, 200, 320]
const heights = [1, 2, 3, 5, 10, 14, 18, 24, 40, 60]

test.each(widths)('at %d columns no line is wider, and no height reaches the rows of the screen', (columns) => {
  const states = [initialBench(0), foldEvents(events.slice(0, 2)), foldEvents(events.slice(0, 8)), halfWay, many]
  for (const rows of heights) {
    for (const state of states) {
      for (const controls of [{}, { hasHelp: true }, { isFrozen: true, shown: 'sessions', firstTarget: 3 }]) {
        const lines = linesOf({ columns, rows, state, controls, options: { isStopping: rows % 2 === 0 } })
        expect(lines.length).toBeGreaterThanOrEqual(1)
        expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
        expect(Math.max(...lines.map(lineWidth))).toBeLessThanOrEqual(columns)
      }
    }
  }
})

test.each([
  [60, 24],
  [80, 24],
  [120, 40],
  [200, 50],
])('%d x %d shows all that a person wants to know', (columns, rows) => {
  const shown = textOf({ columns, rows })
  for (const word of ['target', 'limit', 'margin', 'verdict', 'P99', 'P95', 'P50', 'achieved', 'errors', 'timeout'])
    expect(shown).toContain(word)
  for (const word of ['by percentile', 'P99.9', 'memory', 'CPU', 'loop lag', 'db pool', 'queue', 'cache hits', 'freeze', 'quit'])
    expect(shown).toContain(word)
  expect(shown).toMatch(/✗ sessions {2}▸ http/)
  expect(shown).toMatch(/75 % 5 s left/)
  expect(shown).toMatch(/[⠁-⣿]{5}/)
})

test('verdicts on the way are marked, those that stand are not', () => {
  const shown = textOf({ columns: 120, rows: 40 })
  expect(shown).toMatch(/session-operations-p95 .*✓ pass/)
  expect(shown).toMatch(/session-operations-p99 .*-50 % ✗ fail/)
  expect(shown).toMatch(/http-routes-p95 .*✓ so far/)
  expect(shown).toMatch(/request-errors .*✗ so far/)
  expect(shown).toMatch(/orchestration-p95 .*· waiting/)
})

test('few samples are told with how many are missing, in a column of its own or in the verdict', () => {
  const few = foldEvents([
    ...events.slice(0, 2),
    interval('sessions', 9, { total: { ...totalOf(), count: 40, exceeded: { 100: 0, 12: 0 }, errors: 0, errorsByKind: {} } }),
  ])
  expect(textOf({ columns: 80, rows: 24, state: few })).toMatch(/session-operations-p95 .*\? so far +~19$/m)
  expect(textOf({ columns: 60, rows: 24, state: few })).toMatch(/session-ope…ns-p99 .*\? \+~259$/m)
})

function totalOf() {
  const event = interval('sessions', 9)
  if (event.type !== 'interval') throw new TypeError('an interval')
  return event.total
}

test('what runs is in sight among many targets; scrolling goes to either end and no further', () => {
  const state: BenchState = {
    ...halfWay,
    targets: Array.from({ length: 40 }, (_, index) =>
      target(`target-${index}`, index === 30 ? 'http' : index < 30 ? 'sessions' : 'resources'),
    ),
  }
  expect(textOf({ columns: 80, rows: 24, state })).toContain('target-30')
  expect(textOf({ columns: 80, rows: 24, state, controls: { firstTarget: 0 } })).toContain('1-7 of 40')
  expect(textOf({ columns: 80, rows: 24, state, controls: { firstTarget: 1_000 } })).toContain('34-40 of 40')
})

test.each([
  ['margin', 'request-errors'],
  ['verdict', 'session-operations-p99'],
  ['name', 'http-routes-p95'],
  ['scenario', 'session-operations-p95'],
] as const)('sorted by %s, %s comes first', (sort, first) => {
  const lines = textOf({ columns: 120, rows: 40, controls: { sort } }).split('\n')
  expect(lines[lines.findIndex((line) => line.startsWith('target ')) + 1]).toContain(first)
})

test('colour adds nothing but colour', () => {
  const lines = linesOf({ columns: 100, rows: 30 })
  const stripped = lines.map((line) => stripVTControlCharacters(paint(line, true)).trimEnd())
  expect(stripped).toEqual(lines.map((line) => paint(line, false)))
})

test('a name that would move the cursor is shown without that', () => {
  const state = { ...halfWay, targets: [target('evil\u001b[2Jname\u0007', 'http')] }
  expect(textOf({ columns: 80, rows: 24, state })).toContain('evilname')
})

test('what is being stopped, or frozen, says so', () => {
  expect(textOf({ columns: 60, rows: 24, options: { isStopping: true } })).toMatch(/ stopping .*\n[^]*Ctrl-C again ends at once/)
  expect(textOf({ columns: 60, rows: 24, controls: { isFrozen: true } })).toContain(' frozen ')
  expect(textOf({ columns: 60, rows: 24, options: { hasKeyboard: false } })).toContain('no keys')
})
