// `orx db:index apply`: makes what the plan says, one index at a time.
import { exitCodes, OrxError } from '../../core/errors.ts'
import { fingerprintOf, planIndexes, type Plan } from '../../database/indexes/plan.ts'
import { readPlan, requireFresh } from '../../database/indexes/savedPlan.ts'
import { planText } from '../../ui/indexTables.ts'
import { command, type CommandContext } from '../command.ts'
import { doActions, interruptOption } from './doActions.ts'
import {
  confirm,
  confirmations,
  createDbOption,
  indexOptions,
  mayDrop,
  readText,
  requireDatabase,
  withIndexes,
  type Opened,
} from './indexCommand.ts'
import { pruneOption } from './plan.ts'
import { planHere, withHazards } from './planning.ts'

/** The actions of the saved plan, when it still fits; else those of a new one. */
async function actionsOf(
  context: CommandContext,
  opened: Opened,
  file: string | undefined,
  prune: boolean,
): Promise<Pick<Plan, 'actions' | 'notChecked'>> {
  const { catalog, live } = opened
  if (file !== undefined) {
    const saved = readPlan(await readText(context, file), file)
    requireFresh(saved, live.name, fingerprintOf(live))
    return { actions: await withHazards(context, opened, saved.actions), notChecked: [] }
  }
  const planned = await planHere(context, opened, catalog, { prune })
  context.out.note(planText(planned, context.out))
  return planned
}

export const apply = command({
  description: 'Makes the indexes of the catalog: one build at a time, nothing dropped before its replacement stands, and twice is once.',
  arguments: [{ name: '[plan.json]', description: 'a plan that was saved by plan --out' }],
  examples: [
    'orx db:index apply --yes',
    'orx db:index apply plan.json --yes',
    'orx db:index apply --prune --yes --allow-drop --confirm-db orchestratex',
  ],
  options: { ...indexOptions, ...pruneOption, ...confirmations, ...createDbOption, ...interruptOption },
  run: async (context, [file], values) => {
    const { dbName, catalog, prune, yes, createDb, onInterrupt } = values
    return withIndexes(context, { dbName, catalog }, async (opened) => {
      const { database, live, reread } = opened
      const allowDrop = mayDrop(values, database.name)
      requireDatabase(live, createDb)
      const { actions, notChecked } = await actionsOf(context, opened, file, prune)
      const count = `${actions.length} ${actions.length === 1 ? 'change' : 'changes'}`
      if (actions.length > 0) await confirm(context, `Apply ${count} to ${database.name}`, yes)
      const { outcomes, error, stopped } = await doActions(context, database, actions, { allowDrop, onInterrupt })
      const isKnown = file === undefined && !stopped && error?.code !== 'database_unreachable'
      const after = isKnown ? planIndexes(opened.catalog, await reread(), { prune }).actions : []
      const pending = after.map(({ kind, collection, name, reason }) => ({ kind, collection, name, reason }))
      const data = { database: database.name, applied: outcomes, pending: isKnown ? pending : null }
      if (error !== null) return { exitCode: error.exitCode, data, error }
      const countOf = (wanted: string): number => outcomes.filter(({ outcome }) => outcome === wanted).length
      if (stopped) {
        if (!context.out.json) context.out.result(`${database.name}: stopped; ${countOf('done')} of ${count} made`)
        return { exitCode: exitCodes.interrupted, data }
      }
      if (!context.out.json) {
        const rest = countOf('unchanged') === 0 ? '' : `, ${countOf('unchanged')} were there already`
        context.out.result(
          actions.length === 0
            ? `${database.name} is in sync: nothing to do`
            : `${database.name}: ${countOf('done')} ${countOf('done') === 1 ? 'change' : 'changes'} made${rest}`,
        )
      }
      if (pending.length > countOf('left-out')) {
        const reasons = pending.map(({ kind, collection, name, reason }) => `${kind} ${collection}.${name}: ${reason}`).join('; ')
        const problem = new OrxError('failed', `after the changes there is still something to do: ${reasons}`, {
          hint: 'orx db:index plan shows it; somebody else may be changing the same indexes.',
        })
        return { exitCode: problem.exitCode, data, error: problem }
      }
      return { exitCode: notChecked.length > 0 ? exitCodes.partial : exitCodes.done, data }
    })
  },
})
