// A plan as a person or a script gets it: with what it would remove, and with a warning for what it cannot tell. Reads only.
import { messageOf } from '../../core/errors.ts'
import { databaseError } from '../../database/connection.ts'
import { countExpired, crowded, makesExpire } from '../../database/indexes/hazards.ts'
import { definitionOf, planIndexes, type Action, type Plan, type WantedIndexes } from '../../database/indexes/plan.ts'
import type { CommandContext } from '../command.ts'
import type { Opened } from './indexCommand.ts'

const countMs = 8_000

export async function planHere(
  context: CommandContext,
  opened: Pick<Opened, 'database' | 'live'>,
  wanted: WantedIndexes,
  { prune }: { readonly prune: boolean },
): Promise<Plan> {
  const { live } = opened
  const planned = planIndexes(wanted, live, { prune })
  for (const [name, type] of live.others) {
    if (wanted.indexes.some(({ collection }) => collection === name)) context.warn(`${name} is a ${type}, which has no indexes of its own`)
  }
  for (const text of planned.notChecked) context.warn(`not checked: ${text}`)
  return { ...planned, actions: await withHazards(context, opened, planned.actions) }
}

/** The same actions, each with the documents that it would make expire. */
export async function withHazards(
  context: CommandContext,
  { database, live }: Pick<Opened, 'database' | 'live'>,
  actions: readonly Action[],
): Promise<readonly Action[]> {
  for (const text of crowded(actions, live)) context.warn(text)
  const told: Action[] = []
  for (const action of actions) {
    const { collection, name } = action
    if (!makesExpire(action) || !live.collections.has(collection)) {
      told.push(action)
      continue
    }
    try {
      const nowMs = context.io.runtime.clock.now()
      told.push({ ...action, expires: await countExpired(database.db, definitionOf(action), nowMs, context.signal, countMs) })
    } catch (error) {
      if (context.signal.aborted) throw error
      const problem = databaseError(error)
      if (problem.code === 'database_unreachable') throw problem
      context.warn(`not checked: how many documents of ${collection} expire under ${name}: ${messageOf(problem)}`)
      told.push({ ...action, expires: null })
    }
  }
  return told
}
