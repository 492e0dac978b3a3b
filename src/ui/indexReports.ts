// A verification as Markdown and as JUnit, for CI. Invariant: the same figures as in the table; what was not checked is a skipped case.
import type { Verification } from '../database/indexes/proof.ts'
import { proofCells, proofHeads } from './indexTables.ts'
import { sanitiseLine } from './sanitise.ts'
import { escapeXml } from './xml.ts'

const cell = (text: string): string => sanitiseLine(text).replaceAll('|', '\\|')

export function verificationMarkdown({ database, indexes, paths, notChecked, ok }: Verification): string {
  const proven = paths.filter(({ verdict }) => verdict === 'ok').length
  const ready = indexes.filter(({ state }) => state === 'ready' || state === 'renamed').length
  const bad = indexes.filter(({ state }) => state !== 'ready' && state !== 'renamed')
  const notes = [
    ...bad.map(({ collection, name, state }) => `- ${state}: index ${cell(`${collection}.${name}`)}`),
    ...notChecked.map((text) => `- not checked: ${cell(text)}`),
  ]
  const rows = paths.map((proof) => `| ${[...proofCells(proof), proof.reason].map(cell).join(' | ')} |`)
  return [
    `## Indexes of ${cell(database)}: ${ok ? 'proven' : 'not proven'}`,
    '',
    `${proven} of ${paths.length} query paths proven, ${ready} of ${indexes.length} indexes ready.`,
    '',
    ...(notes.length === 0 ? [] : [...notes, '']),
    `| ${[...proofHeads, 'reason'].join(' | ')} |`,
    `|${' --- |'.repeat(proofHeads.length + 1)}`,
    ...rows,
    '',
  ].join('\n')
}

export function verificationJunit({ database, indexes, paths, notChecked }: Verification): string {
  const cases = [
    ...indexes.map(({ collection, name, state }) => {
      const opening = `<testcase classname="indexes" name="${escapeXml(`${collection}.${name}`)}"`
      return state === 'ready' || state === 'renamed' ? `${opening}/>` : `${opening}><failure message="${escapeXml(state)}"/></testcase>`
    }),
    ...notChecked.map(
      (text) => `<testcase classname="indexes" name="${escapeXml(text)}"><skipped message="it could not be checked"/></testcase>`,
    ),
    ...paths.map(({ name, verdict, reason, latencyMs }) => {
      const time = latencyMs === null ? '' : ` time="${(latencyMs.p50 / 1_000).toFixed(6)}"`
      const opening = `<testcase classname="paths" name="${escapeXml(name)}"${time}`
      if (verdict === 'ok') return `${opening}/>`
      const inner =
        verdict === 'not-checked'
          ? `<skipped message="${escapeXml(reason)}"/>`
          : `<failure type="${verdict}" message="${escapeXml(reason)}"/>`
      return `${opening}>${inner}</testcase>`
    }),
  ]
  const failures = cases.filter((text) => text.includes('<failure')).length
  const skipped = cases.filter((text) => text.includes('<skipped')).length
  const counts = `tests="${cases.length}" failures="${failures}" errors="0" skipped="${skipped}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${escapeXml(`orx db:index verify ${database}`)}" ${counts}>`,
    ...cases.map((text) => `    ${text}`),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}
