// `orx db:index plan`: what would have to be done so that the database has the indexes of the catalog. Reads only.
import { exitCodes, OrxError } from '../../core/errors.ts'
import { connectDatabase } from '../../database/connection.ts'
import { readLive } from '../../database/indexes/live.ts'
import type { WantedIndexes } from '../../database/indexes/plan.ts'
import { catalogOf } from '../../database/indexes/pull.ts'
import { writePlan } from '../../database/indexes/savedPlan.ts'
import { onOff, words, type OptionTable } from '../../settings/option.ts'
import { planText } from '../../ui/indexTables.ts'
import { command, type CommandContext } from '../command.ts'
import type { OpenedDatabase } from '../openDatabase.ts'
import { indexOptions, requireWritable, withIndexes, withOutput, writeText } from './indexCommand.ts'
import { planHere } from './planning.ts'

export const pruneOption = {
  prune: { flags: '--prune', description: 'also the removal of indexes that the catalog does not have', parse: onOff, fallback: false },
} satisfies OptionTable

/** The indexes of another database, as a catalog. Throws `not_found` where there is none: it would be in sync with anything. */
async function catalogFrom(context: CommandContext, { uri }: OpenedDatabase, from: string): Promise<WantedIndexes> {
  const other = /^mongodb(\+srv)?:\/\//.test(from) ? { uri: from } : { uri, dbName: from }
  const options = { ...other, appName: `orx/${context.version}`, maxPoolSize: 2, clock: context.io.runtime.clock }
  const database = await connectDatabase(options, context.signal)
  try {
    const live = await readLive(database.db, null, context.signal)
    if (!live.exists) {
      throw new OrxError('not_found', `there is no database ${database.name} to compare with`, {
        hint: 'Check the name that --from gives.',
      })
    }
    for (const [name, why] of live.unseen) context.warn(`not checked: ${name} of ${database.name}: ${why}`)
    return catalogOf(live)
  } finally {
    await database.close()
  }
}

export const plan = command({
  description: 'Compares the indexes of the database with the catalog, field by field. Writes nothing, and never creates a database.',
  examples: [
    'orx db:index plan',
    'orx db:index plan --detailed-exitcode --json | jq .data.actions',
    'orx db:index plan --prune --out plan.json',
    'orx db:index plan --db-name production --from staging',
  ],
  options: {
    ...indexOptions,
    ...pruneOption,
    detailedExitcode: { flags: '--detailed-exitcode', description: 'exit with 3 when something is pending', parse: onOff, fallback: false },
    planFile: {
      flags: '--out <file>',
      description: 'save the plan, for apply',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
    from: {
      flags: '--from <database>',
      description: 'compare with the indexes of another database: its name on this server, or a URI without a password',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
  },
  run: async (context, _words, { dbName, catalog: file, prune, detailedExitcode, planFile, from }) => {
    await requireWritable(context, planFile)
    return withIndexes(context, { dbName, catalog: file }, async ({ database, catalog, live }) => {
      const wanted = from === null ? catalog : await catalogFrom(context, database, from)
      if (!live.exists) context.warn(`there is no database ${live.name} on this server yet`)
      const planned = await planHere(context, { database, live }, wanted, { prune })
      if (!context.out.json) context.out.result(planText(planned, context.out))
      const pending = planned.actions.length > 0 ? exitCodes.drift : planned.inSync ? exitCodes.done : exitCodes.inconclusive
      const exitCode = detailedExitcode ? pending : exitCodes.done
      return withOutput({ exitCode, data: planned }, () => writeText(context, planFile, writePlan(planned)))
    })
  },
})
