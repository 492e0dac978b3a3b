// Plans, proofs and use of indexes as tables. Invariant: the same figures as in --json; what a server names is made safe for a terminal.
import { formatBytes, formatDuration } from '../core/units.ts'
import type { ActionOutcome, ApplyEvent } from '../database/indexes/apply.ts'
import type { Action, Plan } from '../database/indexes/plan.ts'
import type { Usage } from '../database/indexes/usage.ts'
import type { Proof, Verification } from '../database/indexes/proof.ts'
import type { Output, Style } from './output.ts'
import { plainTable } from './plainTable.ts'
import { sanitise, sanitiseLine } from './sanitise.ts'

const signOf: Readonly<Record<Action['kind'], string>> = { create: '+', modify: '~', rebuild: '-/+', hide: '~', drop: '-' }
const colourOf: Readonly<Record<Action['kind'], Style>> = { create: 'green', modify: 'yellow', rebuild: 'red', hide: 'yellow', drop: 'red' }

const json = (value: unknown): string => sanitiseLine(JSON.stringify(value))

/** An index by its full name, or any other word of a server's or a catalog's. */
export const nameOf = (...parts: readonly string[]): string => sanitiseLine(parts.join('.'))

export function planText(plan: Plan, out: Output): string {
  const lines: string[] = []
  for (const action of plan.actions) {
    const { kind, collection, name, key, reason, differences, expires } = action
    lines.push(
      out.styleResult(colourOf[kind], `${signOf[kind]} ${kind} ${nameOf(collection, name)} ${json(key)}`),
      `    ${sanitiseLine(reason)}`,
    )
    for (const { field, want, have } of differences) lines.push(`    ${field}: has ${json(have)}, wants ${json(want)}`)
    if (expires === null) lines.push('    how many documents it makes expire could not be counted')
    else if (expires !== undefined && expires > 0)
      lines.push(`    ${expires} documents have expired under it: MongoDB removes them within a minute`)
  }
  for (const { collection, name, liveName } of plan.renamed) lines.push(`= ${nameOf(collection, name)} is there as ${nameOf(liveName)}`)
  for (const { collection, name, key } of plan.extra) {
    const isPlanned = plan.actions.some((action) => action.collection === collection && action.name === name)
    if (!isPlanned) lines.push(out.styleResult('dim', `? ${nameOf(collection, name)} ${json(key)} is not in the catalog; left alone`))
  }
  const count = plan.indexes.filter(({ verdict }) => verdict === 'ok' || verdict === 'renamed').length
  lines.push(
    plan.inSync
      ? `${plan.database} is in sync: ${count} indexes are as the catalog has them`
      : `${plan.database}: ${plan.actions.length} ${plan.actions.length === 1 ? 'change' : 'changes'} pending, ${count} indexes in sync`,
  )
  return lines.join('\n')
}

export function outcomeText({ kind, outcome, elapsedMs, expires, error, ...of }: ActionOutcome): string {
  const name = nameOf(of.collection, of.name)
  const expired = expires === undefined || expires === 0 ? '' : `; ${expires} documents expire`
  switch (outcome) {
    case 'done':
      return `${kind} ${name}: done in ${formatDuration(elapsedMs)}${expired}`
    case 'unchanged':
      return `${kind} ${name}: it was there`
    case 'stopped':
      return `${kind} ${name}: stopped`
    case 'left-out':
      return `${kind} ${name}: left out, it removes an index`
    case 'failed':
      return `${kind} ${name}: failed: ${sanitise(error?.message ?? '')}`
  }
}

export function buildText({ action, progress }: Extract<ApplyEvent, { readonly type: 'progress' }>): string {
  const { phase, done, total, perSecond, leftMs } = progress
  const share = `${Math.floor((100 * done) / total)} %`
  const rate = perSecond === null ? '' : ` · ${Math.round(perSecond)}/s`
  const left = leftMs === null ? '' : ` · ${formatDuration(leftMs)} left`
  // What changes comes first: a narrow terminal cuts the rest.
  return `${share}${left}${rate} · ${phase} · ${action.collection}.${action.name}`
}

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0))

function verdictColour(verdict: Proof['verdict']): Style {
  return verdict === 'ok' ? 'green' : verdict === 'not-checked' ? 'yellow' : 'red'
}

/** The cells of a proof, in every report alike. */
export function proofCells(proof: Proof): readonly string[] {
  const { name, index, latencyMs, keysExamined, docsExamined, returned, baseline, gainPercent, verdict } = proof
  return [
    name,
    index,
    keysExamined === null ? '-' : `${keysExamined}/${docsExamined ?? '-'}/${returned ?? '-'}`,
    latencyMs === null ? '-' : ms(latencyMs.p50),
    latencyMs === null ? '-' : ms(latencyMs.p95),
    latencyMs === null ? '-' : ms(latencyMs.p99),
    baseline === null ? '-' : ms(baseline.latencyMs),
    gainPercent === null ? '-' : `${gainPercent.toFixed(gainPercent > 99 && gainPercent < 100 ? 2 : 1)} %`,
    verdict,
  ]
}

export const proofHeads = ['path', 'index', 'keys/docs/returned', 'P50 ms', 'P95', 'P99', 'no index', 'gain', 'proof'] as const

export function verificationText({ indexes, paths, database }: Verification, out: Output): string {
  const heads = proofHeads.map((head, position) => ({
    head,
    align: position >= 2 && position <= 7 ? ('right' as const) : ('left' as const),
    dropBelow: [0, 140, 120, 0, 100, 72, 90, 66, 0][position] ?? 0,
  }))
  const rows = paths.map((proof) => proofCells(proof))
  const bad = indexes.filter(({ state }) => state !== 'ready' && state !== 'renamed')
  const good = paths.filter(({ verdict }) => verdict === 'ok').length
  const lines = [plainTable(heads, rows, out), '']
  for (const { name, reason, verdict, latencyMs, limitMs } of paths)
    // A time above the limit that decided nothing is explained too.
    if (verdict !== 'ok' || (limitMs !== null && (latencyMs?.p99 ?? 0) > limitMs))
      lines.push(`${out.styleResult(verdictColour(verdict), verdict)} ${nameOf(name)}: ${sanitiseLine(reason)}`)
  for (const { collection, name, state } of bad) lines.push(`${out.styleResult('red', state)} index ${nameOf(collection, name)}`)
  lines.push(`${database}: ${good} of ${paths.length} paths proven, ${indexes.length - bad.length} of ${indexes.length} indexes ready`)
  return lines.join('\n')
}

export function usageText({ indexes, members, notChecked }: Usage, out: Output): string {
  const heads = [
    { head: 'collection' },
    { head: 'index' },
    { head: 'size', align: 'right' },
    { head: 'ops', align: 'right' },
    { head: 'since' },
    { head: '' },
  ] as const
  const rows = indexes.map(({ collection, name, sizeBytes, ops, since, hidden, building }) => [
    collection,
    name,
    sizeBytes === null ? '-' : formatBytes(sizeBytes),
    ops === null ? '-' : String(ops),
    since === null ? '-' : since.slice(0, 16).replace('T', ' '),
    building ? 'building' : hidden ? 'hidden' : ops === 0 ? 'not used' : '',
  ])
  const notes = notChecked.map((text) => `not checked: ${sanitiseLine(text)}`)
  return [
    plainTable(heads, rows, out),
    '',
    `counted on ${members.join(', ')}, each since it started or the index was changed`,
    ...notes,
  ].join('\n')
}
