// Several runs as one table: a row a prompt, in the order of the file.
import { formatDuration, formatUsd } from '../core/units.ts'
import type { RunResult } from '../orchestration/events.ts'
import type { Output } from './output.ts'
import { plainTable, type Column } from './plainTable.ts'
import { scoreWithSpread } from './score.ts'

export interface RunRow {
  readonly id: string
  readonly line: number
  /** Null for a line that could not be read; `problem` says why. */
  readonly result: RunResult | null
  readonly problem: string | null
}

const columns: readonly Column[] = [
  { head: 'id' },
  { head: 'domain', dropBelow: 100 },
  { head: 'model' },
  { head: 'score', align: 'right' },
  { head: 'iterations', align: 'right', dropBelow: 80 },
  { head: 'stopped' },
  { head: 'cost', align: 'right', dropBelow: 70 },
  { head: 'time', align: 'right', dropBelow: 90 },
]

function cells(row: RunRow): string[] {
  const { result } = row
  if (result === null) return [row.id, '', '', '', '', row.problem ?? 'broken', '', '']
  return [
    row.id,
    result.domain ?? '',
    result.model ?? 'none',
    bestScore(result),
    String(result.iterationsUsed),
    result.stopReason,
    formatUsd(result.usage.costUsd),
    formatDuration(result.timing.totalMs),
  ]
}

/** The score of the answer that was kept, with the spread of its own judges. */
function bestScore({ iterations, bestIteration, qualityScore }: RunResult): string {
  return scoreWithSpread(qualityScore, iterations.find(({ iteration }) => iteration === bestIteration)?.spread)
}

/** The table of all rows with a closing line of sums. */
export function runTable(rows: readonly RunRow[], out: Output): string {
  const table = plainTable(columns, rows.toSorted((a, b) => a.line - b.line).map(cells), out)
  const results = rows.flatMap((row) => (row.result === null ? [] : [row.result]))
  const answered = results.filter((result) => result.finalResponse !== null).length
  const costs = results.map((result) => result.usage.costUsd)
  const cost = costs.includes(null) ? null : costs.reduce<number>((sum, value) => sum + (value ?? 0), 0)
  const saved = results.reduce((sum, result) => sum + result.usage.savedUsd, 0)
  const savedText = saved > 0 ? `, ${formatUsd(saved)} saved by the cache` : ''
  return `${table}\n${answered} of ${rows.length} prompts answered, ${formatUsd(cost)} spent${savedText}`
}
