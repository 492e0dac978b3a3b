// A bench as Markdown, for a pull request or GitHub's summary of a job; and as its annotations.
import type { BenchReport, TargetReport } from '../../bench/report.ts'
import { sanitiseLine } from '../sanitise.ts'
import { latencyOverTime, limitText, marginText, short, resourcesText } from './figures.ts'

const cell = (text: string): string => sanitiseLine(text).replaceAll('\\', '\\\\').replaceAll('|', '\\|')
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
const marks: Readonly<Record<TargetReport['verdict'], string>> = {
  pass: '✅ pass',
  fail: '❌ fail',
  invalid: '⚠️ invalid',
  inconclusive: '❔ inconclusive',
}

export function benchMarkdown({ targets, scenarios, resources, environment, verdict, comparison, seed }: BenchReport): string {
  const lines = [`## orx bench: ${verdict}`, '']
  if (targets.length > 0) {
    lines.push(row(['target', 'limit', 'measured', 'margin', 'samples', 'verdict', 'reason']), '|---|---:|---:|---:|---:|---|---|')
    for (const target of targets) {
      const { id, percentile, metric, measured, unit, samples, reason } = target
      const what = percentile === null ? metric : `P${percentile}`
      lines.push(
        row([
          `${id} (${what})`,
          limitText(target),
          `${short(measured)} ${unit}`,
          marginText(target),
          String(samples),
          marks[target.verdict],
          reason,
        ]),
      )
    }
    lines.push('')
  }
  lines.push(
    row(['series', 'load', 'made/s', 'count', 'errors', 'P50', 'P95', 'P99', 'unit', 'P99 over time']),
    '|---|---|---:|---:|---:|---:|---:|---:|---|---|',
  )
  for (const { name, model, offeredPerSecond, concurrency, achievedPerSecond, count, errors, response, intervals } of scenarios) {
    const load = model === 'open' ? `open ${short(offeredPerSecond)}/s` : `closed ${concurrency ?? 1}`
    const latencies = [short(response.p50), short(response.p95), short(response.p99)]
    lines.push(
      row([
        name,
        load,
        short(achievedPerSecond),
        String(count),
        String(errors),
        ...latencies,
        response.unit,
        latencyOverTime(intervals, 24),
      ]),
    )
  }
  if (comparison !== null) {
    lines.push(
      '',
      `Beside ${cell(comparison.with)}; above 1 is slower.`,
      '',
      row(['series', 'metric', 'ratio', '95 % interval', 'verdict']),
      '|---|---|---:|---:|---|',
    )
    for (const { series, metric, ratio, low, high, verdict: judged } of comparison.entries) {
      lines.push(row([series, metric, ratio.toFixed(2), `${low.toFixed(2)}-${high.toFixed(2)}`, marks[judged]]))
    }
  }
  const notes = scenarios.flatMap(({ name, notes: said, invalid }) => [...said, ...invalid].map((note) => `- ${cell(name)}: ${cell(note)}`))
  lines.push(
    '',
    ...notes,
    '',
    `${resourcesText(resources)}.`,
    `Node ${environment.node}, ${environment.platform} ${environment.arch}, ${environment.cpus} processors${environment.mongodb === null ? '' : `, MongoDB ${environment.mongodb}`}, seed ${seed}, ${environment.startedAt}.`,
    '',
  )
  return lines.join('\n')
}

const annotationText = (text: string): string => sanitiseLine(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const annotationTitle = (text: string): string => annotationText(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

/** A line for each target that does not hold. Source: GitHub's workflow commands. */
export function githubAnnotations({ targets }: BenchReport): readonly string[] {
  return targets
    .filter(({ verdict }) => verdict !== 'pass')
    .map(({ id, verdict, measured, unit, reason, direction, limit }) => {
      const text = `${short(measured)} ${unit}, limit ${limitText({ direction, limit, unit })}: ${reason}`
      return `::${verdict === 'fail' ? 'error' : 'warning'} title=${annotationTitle(`orx bench ${id}: ${verdict}`)}::${annotationText(text)}`
    })
}
