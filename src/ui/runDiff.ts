// Two runs side by side: what differs in how they went, and their answers line by line.
import { formatDuration, formatUsd } from '../core/units.ts'
import type { RunResult } from '../orchestration/events.ts'
import { scoreWithSpread } from './score.ts'

export interface RunDifference {
  readonly field: string
  readonly a: string
  readonly b: string
}

export interface LineChange {
  readonly kind: 'same' | 'removed' | 'added'
  readonly text: string
}

const fields: readonly (readonly [string, (result: RunResult) => string])[] = [
  ['prompt', ({ prompt }) => (prompt.length > 60 ? `${prompt.slice(0, 59)}…` : prompt)],
  ['strategy', ({ strategy }) => strategy],
  ['domain', ({ domain }) => domain ?? '-'],
  ['author', ({ iterations }) => iterations[0]?.model ?? '-'],
  ['best by', ({ model }) => model ?? '-'],
  ['score', ({ qualityScore }) => qualityScore?.toFixed(2) ?? '-'],
  ['scores', ({ iterations }) => iterations.map(({ score, spread }) => scoreWithSpread(score, spread)).join(', ')],
  ['stopped', ({ stopReason }) => stopReason],
  ['requests', ({ attempts }) => String(attempts.length)],
  ['tokens', ({ usage }) => `${usage.inputTokens} in, ${usage.outputTokens} out`],
  ['cost', ({ usage }) => formatUsd(usage.costUsd)],
  ['time', ({ timing }) => formatDuration(timing.totalMs)],
]

/** The fields in which two runs differ. */
export function differences(a: RunResult, b: RunResult): readonly RunDifference[] {
  return fields.map(([field, read]) => ({ field, a: read(a), b: read(b) })).filter((entry) => entry.a !== entry.b)
}

/** Above this many pairs of lines the two texts are shown as wholly different. */
const mostPairs = 4_000_000

/** The shortest way from one text to the other, by lines (longest common subsequence). */
export function lineChanges(before: string, after: string): readonly LineChange[] {
  const a = before.split('\n')
  const b = after.split('\n')
  const width = b.length + 1
  if ((a.length + 1) * width > mostPairs) {
    return [...a.map((text) => ({ kind: 'removed' as const, text })), ...b.map((text) => ({ kind: 'added' as const, text }))]
  }
  const lengths = new Uint32Array((a.length + 1) * width)
  const at = (row: number, column: number): number => lengths[row * width + column] ?? 0
  for (let row = a.length - 1; row >= 0; row -= 1) {
    for (let column = b.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        a[row] === b[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const changes: LineChange[] = []
  let row = 0
  let column = 0
  while (row < a.length || column < b.length) {
    const [textA, textB] = [a[row], b[column]]
    if (textA !== undefined && textA === textB) {
      changes.push({ kind: 'same', text: textA })
      row += 1
      column += 1
    } else if (textA !== undefined && (textB === undefined || at(row + 1, column) >= at(row, column + 1))) {
      changes.push({ kind: 'removed', text: textA })
      row += 1
    } else if (textB !== undefined) {
      changes.push({ kind: 'added', text: textB })
      column += 1
    }
  }
  return changes
}
