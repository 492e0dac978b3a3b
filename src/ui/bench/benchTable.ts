// A bench as tables for a terminal or a log: verdicts, series, resources.
import type { BenchReport, SeriesReport, TargetReport } from '../../bench/report.ts'
import type { Output, Style } from '../output.ts'
import { plainTable } from '../plainTable.ts'
import { latencyOverTime, limitText, marginText, short, resourcesText } from './figures.ts'

const colourOf: Readonly<Record<TargetReport['verdict'], Style>> = { pass: 'green', fail: 'red', inconclusive: 'yellow', invalid: 'yellow' }

export function benchTable(report: BenchReport, out: Output): string {
  const { targets, scenarios, resources, verdict, environment } = report
  const count = (wanted: TargetReport['verdict']): number => targets.filter((target) => target.verdict === wanted).length
  const parts = [seriesTable(scenarios, out)]
  if (targets.length > 0) parts.push(targetTable(targets, out))
  const open = targets.filter((target) => target.verdict !== 'pass')
  if (open.length > 0)
    parts.push(
      open.map((target) => `${out.styleResult(colourOf[target.verdict], target.verdict)} ${target.id}: ${target.reason}`).join('\n'),
    )
  const notes = scenarios.flatMap(({ name, notes: said }) => said.map((note) => `${name}: ${note}`))
  if (notes.length > 0) parts.push(notes.join('\n'))
  const processors = `${environment.cpus} ${environment.cpus === 1 ? 'processor' : 'processors'}`
  parts.push(
    resourcesText(resources),
    `Node ${environment.node}, ${environment.platform} ${environment.arch}, ${processors}${environment.mongodb === null ? '' : `, MongoDB ${environment.mongodb}`}, seed ${report.seed}`,
    targets.length === 0
      ? 'no target was asked for'
      : `${out.styleResult(colourOf[verdict], verdict)}: ${count('pass')} of ${targets.length} targets hold, ${count('fail')} missed, ${count('invalid')} invalid, ${count('inconclusive')} undecided`,
  )
  return parts.join('\n\n')
}

function seriesTable(scenarios: readonly SeriesReport[], out: Output): string {
  const heads = [
    { head: 'series' },
    { head: 'load', dropBelow: 100 },
    { head: 'made/s', align: 'right' },
    { head: 'count', align: 'right', dropBelow: 80 },
    { head: 'errors', align: 'right', dropBelow: 70 },
    { head: 'P50', align: 'right' },
    { head: 'P95', align: 'right', dropBelow: 72 },
    { head: 'P99', align: 'right' },
    { head: 'max', align: 'right', dropBelow: 90 },
    { head: '', dropBelow: 0 },
    { head: 'P99 over time', dropBelow: 130 },
  ] as const
  const rows = scenarios.map(({ name, model, offeredPerSecond, concurrency, achievedPerSecond, count, errors, response, intervals }) => [
    name,
    model === 'open' ? `open ${short(offeredPerSecond)}/s` : `closed ${concurrency ?? 1}`,
    short(achievedPerSecond),
    String(count),
    String(errors),
    short(response.p50),
    short(response.p95),
    short(response.p99),
    short(response.max),
    response.unit,
    latencyOverTime(intervals, 24),
  ])
  return plainTable(heads, rows, out)
}

function targetTable(targets: readonly TargetReport[], out: Output): string {
  const heads = [
    { head: 'target' },
    { head: 'metric', dropBelow: 110 },
    { head: 'limit', align: 'right' },
    { head: 'measured', align: 'right' },
    { head: 'margin', align: 'right', dropBelow: 78 },
    { head: 'samples', align: 'right', dropBelow: 90 },
    { head: 'verdict' },
  ] as const
  const rows = targets.map((target) => [
    target.id,
    target.percentile === null ? target.metric : `${target.metric} P${target.percentile}`,
    limitText(target),
    short(target.measured),
    marginText(target),
    String(target.samples),
    target.verdict,
  ])
  return plainTable(heads, rows, out)
}
