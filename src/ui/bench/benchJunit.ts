// A bench as JUnit: a case a target. Invariant: what is missed is a failure, what cannot be believed an error, what is undecided is skipped.
import type { BenchReport, TargetReport } from '../../bench/report.ts'
import { escapeXml } from '../xml.ts'
import { limitText, short } from './figures.ts'

function caseOf({ id, scenario, description, verdict, reason, measured, limit, unit, direction }: TargetReport): string {
  const opening = `<testcase classname="${escapeXml(scenario)}" name="${escapeXml(`${id}: ${description}`)}"`
  const message = escapeXml(`${short(measured)} ${unit}, limit ${limitText({ direction, limit, unit })}: ${reason}`)
  switch (verdict) {
    case 'pass':
      return `${opening}/>`
    case 'fail':
      return `${opening}><failure type="missed" message="${message}"/></testcase>`
    case 'invalid':
      return `${opening}><error type="invalid" message="${message}"/></testcase>`
    case 'inconclusive':
      return `${opening}><skipped message="${message}"/></testcase>`
  }
}

export function benchJunit({ targets, environment }: BenchReport): string {
  const count = (wanted: TargetReport['verdict']): number => targets.filter(({ verdict }) => verdict === wanted).length
  const counts = `tests="${targets.length}" failures="${count('fail')}" errors="${count('invalid')}" skipped="${count('inconclusive')}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="orx bench" timestamp="${escapeXml(environment.startedAt)}" ${counts}>`,
    ...targets.map((target) => `    ${caseOf(target)}`),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}
