// The whole dashboard as lines: which parts there are at which size of the screen. Pure. Invariant: at most one line less than the screen has rows,
// so that nothing above is wiped; no line wider than the screen; what matters least goes first when there is no room.
import { footLine, headLine, helpLines, progressLine, scenarioLine, type ScreenOptions } from './benchEdges.ts'
import type { Controls } from './benchKeys.ts'
import { curveBlock, overTimeBlock } from './benchMeasured.ts'
import { resourceBlock, resourceRows } from './benchResources.ts'
import { targetBlock, type TargetBlock } from './benchTargets.ts'
import type { BenchState, SeriesState } from './benchView.ts'
import { beside, fitLine, rule, span, type Line } from './textLine.ts'

export interface BenchScreen {
  readonly lines: readonly Line[]
  /** The first target in sight. */
  readonly firstTarget: number
}

function shownSeries({ series, followed }: BenchState, { shown }: Controls): SeriesState | null {
  return series.find(({ name }) => name === (shown ?? followed)) ?? null
}

/** `2 of 6`, among the series that there are. */
function placeOf({ series }: BenchState, shown: SeriesState): string {
  return series.length < 2 ? '' : `${series.indexOf(shown) + 1} of ${series.length}`
}

const leastBeside = 58
const leastWide = 160

function body(state: BenchState, controls: Controls, width: number, height: number): TargetBlock {
  const series = shownSeries(state, controls)
  const place = series === null ? '' : placeOf(state, series)
  if (width >= leastWide && height >= 14) return wideBody(state, controls, series, place, width, height)
  const rowsOfCells = resourceRows(state, series, width)
  const resources = height >= 12 ? Math.min(rowsOfCells, height >= 16 ? rowsOfCells : 1) + 1 : 0
  const isBeside = width >= leastBeside
  const wanted = Math.max(5, Math.min(14, Math.round((height - resources) * 0.42)))
  // On a narrow screen the curve stands below, where there is room for it.
  const curve = isBeside || series === null ? 0 : height - resources >= 22 ? 7 : 0
  const measured = height < 7 ? Math.min(height, 3) : wanted - (curve > 0 ? 3 : 0)
  const forTargets = Math.max(0, height - resources - measured - curve)
  const targets = targetBlock(state, controls, width, Math.min(state.targets.length + 2, forTargets))
  const spare = forTargets - targets.lines.length
  const tall = Math.min(16, measured + spare)
  return {
    first: targets.first,
    lines: [
      ...targets.lines,
      ...measuredLines(series, place, width, tall, isBeside),
      ...(curve > 0 && series !== null ? curveBlock(series, width, curve) : []),
      ...(resources > 0 ? [rule('machine', '', width), ...resourceBlock(state, series, width, resources - 1)] : []),
    ],
  }
}

function measuredLines(series: SeriesState | null, place: string, width: number, height: number, isBeside: boolean): readonly Line[] {
  if (height <= 0) return []
  if (series === null) {
    const lines: readonly Line[] = [rule('latency', '', width), [span('nothing is measured yet', 'dim')]]
    return Array.from({ length: height }, (_, index) => fitLine(lines[index] ?? [], width))
  }
  if (!isBeside) return overTimeBlock(series, place, width, height)
  const left = Math.floor((width - 2) / 2)
  const right = width - 2 - left
  return beside(overTimeBlock(series, place, left, height), left, curveBlock(series, right, height), right)
}

/** The targets at the left, as many as there is room for; what is measured at the right; the machine below the shorter one. */
function wideBody(
  state: BenchState,
  controls: Controls,
  series: SeriesState | null,
  place: string,
  width: number,
  height: number,
): TargetBlock {
  const right = Math.min(92, Math.floor(width * 0.42))
  const left = width - 2 - right
  const machine = (wide: number): readonly Line[] => [
    rule('machine', '', wide),
    ...resourceBlock(state, series, wide, resourceRows(state, series, wide)),
  ]
  const isLeft = state.targets.length + 2 + machine(left).length < height
  const targets = targetBlock(state, controls, left, isLeft ? state.targets.length + 2 : height)
  const below = isLeft ? machine(left) : []
  const blank = Array.from({ length: Math.max(0, height - targets.lines.length - below.length) }, (): Line => [])
  const atRight = isLeft ? [] : machine(right).slice(0, Math.max(2, height - 10))
  const rest = height - atRight.length
  const overTime = Math.min(20, Math.ceil(rest / 2))
  const measured =
    series === null
      ? measuredLines(null, place, right, rest, false)
      : [...overTimeBlock(series, place, right, overTime), ...curveBlock(series, right, rest - overTime)]
  return { first: targets.first, lines: beside([...targets.lines, ...blank, ...below], left, [...measured, ...atRight], right) }
}

export function benchScreen(state: BenchState, controls: Controls, options: ScreenOptions): BenchScreen {
  const { columns } = options
  const height = Math.max(1, options.rows - 1)
  const head = [
    headLine(state, controls, options),
    ...(height >= 10 ? [scenarioLine(state, columns)] : []),
    ...(height >= 2 ? [progressLine(state, options)] : []),
  ]
  const foot = height >= 5 ? [footLine(controls, options)] : []
  const room = height - head.length - foot.length
  const { lines, first } = controls.hasHelp ? { lines: helpLines(columns, room), first: 0 } : body(state, controls, columns, room)
  return {
    lines: [...head, ...lines.slice(0, Math.max(0, room)), ...foot].map((line) => fitLine(line, columns)).slice(0, height),
    firstTarget: first,
  }
}
