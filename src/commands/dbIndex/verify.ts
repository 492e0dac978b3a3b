// `orx db:index verify`: proves each query path on the data that is there. Reads only.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { exitCodes, OrxError, type ExitCode } from '../../core/errors.ts'
import { planIndexes } from '../../database/indexes/plan.ts'
import { changedPlans, readPlans, writePlans } from '../../database/indexes/planBaseline.ts'
import type { Verification } from '../../database/indexes/proof.ts'
import { verifyPaths } from '../../database/indexes/verify.ts'
import { benchDatabaseName } from '../../database/seed/benchDatabase.ts'
import type { Scale } from '../../database/seed/sampleData.ts'
import { onOff, words } from '../../settings/option.ts'
import { verificationJunit, verificationMarkdown } from '../../ui/indexReports.ts'
import { verificationText } from '../../ui/indexTables.ts'
import { makeProgressLine } from '../../ui/progressLine.ts'
import { command, type CommandContext, type CommandResult } from '../command.ts'
import { parseScale, remoteOption, seedHere } from '../dbSeed.ts'
import { doActions } from './doActions.ts'
import { indexOptions, requireWritable, withIndexes, withOutput, writeText, type Opened } from './indexCommand.ts'

export interface VerifyValues {
  readonly gain: boolean
  readonly baseline: string | null
  readonly saveBaseline: string | null
  readonly markdown: string | null
  readonly junit: string | null
}

export function exitOf({ indexes, paths, ok }: Verification): ExitCode {
  if (ok) return exitCodes.done
  const isIndexBad = indexes.some(({ state }) => state !== 'ready' && state !== 'renamed')
  const isPathBad = paths.some(({ verdict }) => verdict !== 'ok' && verdict !== 'not-checked')
  return isIndexBad || isPathBad ? exitCodes.drift : exitCodes.inconclusive
}

/** @param gain `where-data`: too little data for it is no shortcoming */
export async function verifyHere(
  context: CommandContext,
  { database, catalog, reread }: Opened,
  gain: boolean | 'where-data',
): Promise<Verification> {
  const { io, out, signal } = context
  const line = makeProgressLine({ out, clock: io.runtime.clock }, io.terminal)
  const live = await reread()
  const options = {
    db: database.db,
    clock: io.runtime.clock,
    gain,
    onPath: (name: string, position: number, total: number) => line.update(`proving ${position} of ${total}: ${name}`),
  }
  try {
    return await verifyPaths(options, catalog, live, planIndexes(catalog, live, { prune: false }), signal)
  } finally {
    line.clear()
  }
}

/** The database bears the bench's mark: its indexes are made as the catalog has them, and nothing of it is asked for. */
async function applyHere(context: CommandContext, { database, catalog, reread }: Opened): Promise<void> {
  const { actions } = planIndexes(catalog, await reread(), { prune: true })
  const { error } = await doActions(context, database, actions, { allowDrop: true, onInterrupt: 'leave' })
  context.signal.throwIfAborted()
  if (error !== null) throw error
}

async function report(context: CommandContext, verification: Verification, values: VerifyValues): Promise<CommandResult> {
  const { out, io } = context
  if (!out.json) out.result(verificationText(verification, out))
  for (const text of verification.notChecked) context.warn(`not checked: ${text}`)
  const changed =
    values.baseline === null
      ? []
      : changedPlans(readPlans(await readFile(resolve(io.cwd, values.baseline), 'utf8'), values.baseline), verification)
  for (const { name, before, now } of changed) context.warn(`the plan of "${name}" has changed: it was ${before}, it is ${now}`)
  const data = { ...verification, ...(values.baseline !== null && { changedPlans: changed }) }
  return withOutput({ exitCode: exitOf(verification), data }, async () => {
    await writeText(context, values.markdown, verificationMarkdown(verification))
    await writeText(context, values.junit, verificationJunit(verification))
    // Plans that were not looked at are no baseline.
    if (!context.signal.aborted) await writeText(context, values.saveBaseline, writePlans(verification))
  })
}

export const verify = command({
  description:
    'Proves that each query path uses its index: by name, without scanning the collection or sorting in memory; and what that gains over none. Reads only.',
  examples: [
    'orx db:index verify',
    'orx db:index verify --no-gain --json | jq ".data.paths[] | select(.verdict != \\"ok\\")"',
    'orx db:index verify --junit verify.xml --markdown verify.md',
    'orx db:index verify --seeded medium',
    'orx db:index verify --save-baseline plans.json',
    'orx db:index verify --baseline plans.json',
  ],
  options: {
    ...indexOptions,
    seeded: {
      flags: '--seeded <scale>',
      description: 'prove it on sample data in the database of the bench: small, medium or large',
      parse: parseScale,
      fallback: null as Scale | null,
    },
    ...remoteOption,
    gain: { flags: '--no-gain', description: 'look at the plans alone, and scan no collection', parse: onOff, fallback: true },
    baseline: {
      flags: '--baseline <file>',
      description: 'name the paths whose plan is another one than there',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
    saveBaseline: {
      flags: '--save-baseline <file>',
      description: 'keep the plans of today',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
    markdown: {
      flags: '--markdown <file>',
      description: 'also as Markdown',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
    junit: { flags: '--junit <file>', description: 'also as JUnit', parse: words, fallback: null as string | null, flagOnly: true },
  },
  run: async (context, _words, values) => {
    const { baseline, saveBaseline, markdown, junit } = values
    await requireWritable(context, saveBaseline, markdown, junit)
    // Read before anything is proven: a file that is no baseline is a mistake of the command line.
    if (baseline !== null) {
      const text = await readFile(resolve(context.io.cwd, baseline), 'utf8').catch((cause: unknown) => {
        throw new OrxError('usage', `${baseline} cannot be read`, { hint: 'orx db:index verify --save-baseline FILE writes one.', cause })
      })
      readPlans(text, baseline)
    }
    const { seeded: scale, allowRemote } = values
    if (scale === null)
      return withIndexes(context, values, async (opened) => report(context, await verifyHere(context, opened, values.gain), values))
    return withIndexes(context, { ...values, dbName: values.dbName ?? benchDatabaseName }, async (opened) => {
      await seedHere(context, opened.database, { scale, seed: 1, allowRemote })
      await applyHere(context, opened)
      return report(context, await verifyHere(context, opened, values.gain), values)
    })
  },
})
