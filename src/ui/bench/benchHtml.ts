// A bench as one HTML page. Invariant: it needs nothing but itself: no script, no font, no picture from elsewhere; every text is escaped.
import type { BenchReport, SeriesReport, TargetReport } from '../../bench/report.ts'
import { escapeXml } from '../xml.ts'
import { counted, limitText, marginText, short } from './figures.ts'
import { curveChart, rateChart, timeChart } from './htmlCharts.ts'

export interface CurveOf {
  /** [percentile, value] points of a series. */
  (series: SeriesReport): readonly (readonly [number, number])[]
}

type Verdict = TargetReport['verdict']

const marks: Readonly<Record<Verdict, string>> = { pass: '✓', fail: '✗', inconclusive: '?', invalid: '!' }
const pill = (verdict: Verdict): string => `<span class="pill ${verdict}">${marks[verdict]} ${verdict}</span>`

function targetRow(target: TargetReport): string {
  const { id, source, description, percentile, metric, measured, limit, direction, unit, samples, verdict, reason } = target
  // What of the limit is used up, or for a floor how far above it one is; both full at the limit.
  const used = measured === null || limit === 0 ? null : direction === 'max' ? measured / limit : measured === 0 ? 2 : limit / measured
  const gauge =
    used === null
      ? ''
      : `<div class="gauge"><div class="${verdict}" style="width:${Math.min(100, Math.max(1, 100 * used)).toFixed(0)}%"></div></div>`
  const cells = [
    `<td>${pill(verdict)}</td>`,
    `<td><b>${escapeXml(id)}</b><br><small>${escapeXml(description)} <span class="source">${escapeXml(source)}</span></small></td>`,
    `<td>${escapeXml(percentile === null ? metric : `${metric} P${percentile}`)}</td>`,
    `<td class="number">${escapeXml(limitText(target))}</td>`,
    `<td class="number">${escapeXml(measured === null ? '-' : `${short(measured)} ${unit}`)}${gauge}</td>`,
    `<td class="number">${escapeXml(marginText(target))}</td>`,
    `<td class="number">${counted(samples)}</td>`,
    `<td><small>${escapeXml(reason)}</small></td>`,
  ]
  return `<tr>${cells.join('')}</tr>`
}

const numbers = new Set(['limit', 'measured', 'margin', 'samples', 'ratio', '95 % interval', 'tolerance'])

function table(heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((text) => `<th scope="col"${numbers.has(text) ? ' class="number"' : ''}>${escapeXml(text)}</th>`).join('')
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function tile(name: string, value: string, kind = ''): string {
  return `<div class="tile ${kind}"><span>${escapeXml(name)}</span><b>${escapeXml(value)}</b></div>`
}

function section(series: SeriesReport, targets: readonly TargetReport[], curveOf: CurveOf): string {
  const { name, model, offeredPerSecond, concurrency, achievedPerSecond, count, errors, errorsByKind, response, service, lateness } = series
  const load = model === 'open' ? `open, ${short(offeredPerSecond)}/s offered` : `closed, ${counted(concurrency ?? 1)} at once`
  const unit = response.unit
  const kinds = Object.entries(errorsByKind).map(([kind, much]) => `${kind} ${counted(much)}`)
  const tiles = [
    tile('P50', `${short(response.p50)} ${unit}`),
    tile('P95', `${short(response.p95)} ${unit}`),
    tile('P99', `${short(response.p99)} ${unit}`),
    tile('highest', `${short(response.max)} ${unit}`),
    tile('made', `${short(achievedPerSecond)}/s`),
    tile('samples', counted(count)),
    tile('errors', errors === 0 ? 'none' : `${counted(errors)}: ${kinds.join(', ')}`, errors === 0 ? '' : 'fail'),
  ]
  const limits = targets.filter(({ scenario, percentile }) => scenario === name && percentile !== null)
  const invalid = series.invalid.map((note) => `<li class="invalid">${escapeXml(note)}</li>`)
  const said = [...invalid, ...series.notes.map((note) => `<li>${escapeXml(note)}</li>`)].join('')
  return [
    `<section><h2>${escapeXml(name)} <small>${escapeXml(load)}; service P99 ${short(service.p99)} ${unit}, lateness P99 ${short(lateness.p99)} ${unit}</small></h2>`,
    `<div class="tiles">${tiles.join('')}</div>`,
    `<div class="charts">${timeChart(series, limits)}${curveChart(series, curveOf(series), limits)}${rateChart(series)}</div>`,
    said === '' ? '' : `<ul class="soft">${said}</ul>`,
    '</section>',
  ].join('')
}

function comparisonSection({ comparison }: BenchReport): string {
  if (comparison === null) return ''
  const rows = comparison.entries.map(
    ({ series, metric, ratio, low, high, tolerance, verdict }) =>
      `<tr><td>${pill(verdict)}</td><td>${escapeXml(series)}</td><td>${escapeXml(metric)}</td><td class="number">${ratio.toFixed(2)}</td><td class="number">${low.toFixed(2)}-${high.toFixed(2)}</td><td class="number">${tolerance.toFixed(2)}</td></tr>`,
  )
  const warnings = comparison.warnings.map((warning) => `<li class="invalid">${escapeXml(warning)}</li>`).join('')
  return `<section><h2>Beside ${escapeXml(comparison.with)} <small>above 1 is slower</small></h2>${table(['verdict', 'series', 'metric', 'ratio', '95 % interval', 'tolerance'], rows)}${warnings === '' ? '' : `<ul class="soft">${warnings}</ul>`}</section>`
}

const style = `
:root{color-scheme:light dark;--text:#1b1f24;--back:#fff;--card:#f6f8fa;--soft:#57606a;--line:#d8dee4;--p50:#8c959f;--p95:#0969da;--p99:#8250df;--good:#1a7f37;--bad:#cf222e;--open:#9a6700}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--card:#161b22;--soft:#8d96a0;--line:#30363d;--p50:#7d8590;--p95:#58a6ff;--p99:#bc8cff;--good:#3fb950;--bad:#f85149;--open:#d29922}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:1240px;margin:2rem auto;padding:0 1.25rem}
h1{font-size:1.6rem;margin:0 0 .25rem;display:flex;gap:.75rem;align-items:center;flex-wrap:wrap}h2{font-size:1.15rem;margin:2.25rem 0 .6rem;padding-top:1rem;border-top:1px solid var(--line)}
h2 small,small,figcaption,.soft{color:var(--soft);font-weight:400}small{font-size:.85em}.soft{margin:.4rem 0 1rem}ul.soft{padding-left:1.2rem}
.wide{overflow-x:auto;margin:1.25rem 0}table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid var(--line);padding:.45rem .6rem;text-align:left;vertical-align:top}
th{color:var(--soft);font-size:.8rem;font-weight:600}td:nth-child(2){min-width:13rem}.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.source{opacity:.75}
.pill{display:inline-block;padding:.05rem .55rem;border-radius:1rem;border:1px solid currentColor;font-size:.82rem;font-weight:600;white-space:nowrap}
.pass{color:var(--good)}.fail{color:var(--bad)}.invalid,.inconclusive{color:var(--open)}
.gauge{height:4px;border-radius:2px;background:var(--line);margin-top:.3rem;min-width:5rem;overflow:hidden}.gauge div{height:100%;background:currentColor}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem;margin-bottom:.9rem}.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.35rem .8rem;min-width:6.2rem}
.tile span{display:block;color:var(--soft);font-size:.78rem}.tile b{font-variant-numeric:tabular-nums;font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:1rem}figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .7rem}
figcaption{font-size:.82rem;display:flex;justify-content:space-between;gap:.5rem;flex-wrap:wrap}svg{width:100%;height:auto;display:block}
.legend i{display:inline-block;width:.9rem;height:3px;border-radius:2px;margin:0 .3rem .2rem .6rem;vertical-align:middle}
.grid{stroke:var(--line)}.tick{fill:var(--soft);font-size:11px}.limit{stroke:var(--bad);stroke-dasharray:5 4}.limit-text{fill:var(--bad)}
polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}polyline.p50,polyline.offered{stroke:var(--p50)}polyline.p95{stroke:var(--p95)}polyline.p99{stroke:var(--p99)}polyline.made{stroke:var(--good)}
i.p50,i.offered{background:var(--p50)}i.p95{background:var(--p95)}i.p99{background:var(--p99)}i.made{background:var(--good)}
@media print{body{max-width:none}section{break-inside:avoid}}
`

/** @param curveOf decodes a series' histogram */
export function benchHtml(report: BenchReport, curveOf: CurveOf): string {
  const { environment, targets, scenarios, resources, verdict, seed } = report
  const where = `Node ${environment.node}, ${environment.platform} ${environment.arch}, ${environment.cpus} processors${environment.mongodb === null ? '' : `, MongoDB ${environment.mongodb}`}, orx ${environment.orx}, seed ${seed}, ${environment.startedAt}`
  const count = (wanted: Verdict): number => targets.filter((target) => target.verdict === wanted).length
  const standing = [
    tile('targets that hold', `${count('pass')} of ${targets.length}`, count('pass') === targets.length ? 'pass' : ''),
    ...(['fail', 'invalid', 'inconclusive'] as const).flatMap((wanted) =>
      count(wanted) === 0 ? [] : [tile(wanted, String(count(wanted)), wanted)],
    ),
    tile('memory at most', `${short(resources.rssPeakMb)} MB`),
    tile('of the machine, by what was measured', `${short(resources.cpuMeanPercent)} %`),
    tile('database connections', resources.dbConnectionsPeak === null ? '-' : `at most ${counted(resources.dbConnectionsPeak)}`),
  ]
  const heads = ['verdict', 'target', 'metric', 'limit', 'measured', 'margin', 'samples', 'reason']
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>orx bench: ${verdict}</title><style>${style}</style></head><body>`,
    `<h1>orx bench ${targets.length === 0 ? '' : pill(verdict)}</h1><p class="soft">${escapeXml(where)}</p>`,
    `<div class="tiles">${standing.join('')}</div>`,
    targets.length === 0 ? '' : table(heads, targets.map(targetRow)),
    comparisonSection(report),
    ...scenarios.map((series) => section(series, targets, curveOf)),
    '</body></html>',
    '',
  ].join('\n')
}
