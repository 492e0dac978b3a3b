// Two benches side by side, as a table.
import type { ComparisonReport } from '../../bench/report.ts'
import type { Output } from '../output.ts'
import { plainTable } from '../plainTable.ts'

export function comparisonText({ entries, with: name }: ComparisonReport, out: Output): string {
  const heads = [
    { head: 'series' },
    { head: 'metric' },
    { head: 'ratio', align: 'right' },
    { head: '95 % interval', align: 'right' },
    { head: 'tolerated', align: 'right' },
    { head: 'verdict' },
  ] as const
  const cells = entries.map(({ series, metric, ratio, low, high, tolerance, verdict }) => [
    series,
    metric,
    ratio.toFixed(2),
    `${low.toFixed(2)}-${high.toFixed(2)}`,
    (1 + tolerance).toFixed(2),
    verdict,
  ])
  return entries.length === 0
    ? `nothing can be compared with ${name}`
    : `beside ${name} (above 1 is slower)\n${plainTable(heads, cells, out)}`
}
