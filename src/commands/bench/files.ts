// The files a bench reads: targets, and an earlier report. Invariant: what cannot be used is refused before anything is measured.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import targetsFile from '../../../fixtures/targets.json' with { type: 'json' }
import type { BenchReport } from '../../bench/report.ts'
import type { ScenarioSpec } from '../../bench/scenario.ts'
import { parseTargets, type Target } from '../../bench/targets.ts'
import { messageOf, OrxError } from '../../core/errors.ts'
import type { CommandContext } from '../command.ts'

export async function readTargets(
  { io }: CommandContext,
  file: string | null,
  scenarios: readonly ScenarioSpec[],
): Promise<readonly Target[]> {
  const names = scenarios.map(({ name }) => name)
  if (file === null) return parseTargets(JSON.stringify(targetsFile), 'fixtures/targets.json', names)
  const text = await readFile(resolve(io.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new OrxError('usage', `${file} cannot be read: ${messageOf(cause)}`, { hint: 'Check its name and its rights.', cause })
  })
  return parseTargets(text, file, names)
}

/** Throws `usage` for a file that is no report of this version. */
export async function readBaseline({ io }: CommandContext, file: string | null): Promise<BenchReport | null> {
  if (file === null) return null
  const hint = 'A baseline is what an earlier `orx bench --out FILE` or `orx bench --json > FILE` wrote.'
  const text = await readFile(resolve(io.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new OrxError('usage', `${file} cannot be read: ${messageOf(cause)}`, { hint, cause })
  })
  let json: { readonly schemaVersion?: unknown; readonly data?: unknown; readonly scenarios?: unknown }
  try {
    json = JSON.parse(text) as typeof json
  } catch (cause) {
    throw new OrxError('usage', `${file} is no JSON`, { hint, cause })
  }
  if (json.schemaVersion !== 1) throw new OrxError('usage', `${file} has schemaVersion ${String(json.schemaVersion)}, expected 1`, { hint })
  const report = (json.data ?? json) as BenchReport
  if (!Array.isArray(report.scenarios) || typeof report.environment !== 'object')
    throw new OrxError('usage', `${file} is no report of a bench`, { hint })
  return report
}
