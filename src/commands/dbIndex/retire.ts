// `orx db:index retire`: the way out for an index: hidden, soaked, dropped; each step can be undone up to the last.
import { BSON } from 'mongodb'
import { exitCodes, OrxError } from '../../core/errors.ts'
import { formatDuration } from '../../core/units.ts'
import type { Action } from '../../database/indexes/plan.ts'
import { keyDocument } from '../../database/indexes/definition.ts'
import type { LiveIndex } from '../../database/indexes/live.ts'
import { statedKey } from '../../database/indexes/pull.ts'
import { nextStep } from '../../database/indexes/retire.ts'
import { readUsage } from '../../database/indexes/usage.ts'
import { duration, onOff } from '../../settings/option.ts'
import { sanitise } from '../../ui/sanitise.ts'
import { command } from '../command.ts'
import { doActions } from './doActions.ts'
import { confirm, confirmations, indexOptions, mayDrop, withIndexes } from './indexCommand.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

function spanText(spanMs: number): string {
  return spanMs < 2 * hourMs ? formatDuration(spanMs) : `${Math.round(spanMs / hourMs)} h`
}

/** As a shell takes it for one word. */
function shellWord(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** What mongosh makes the same index with. */
function remakeOf(database: string, index: LiveIndex): string {
  const { collection, name, options } = index
  const { hidden: _hidden, prepareUnique: _prepareUnique, textIndexVersion: _version, ...kept } = options
  const key = JSON.stringify(keyDocument(statedKey(index)))
  // Dates and ids of a filter are no plain JSON.
  const given = BSON.EJSON.stringify({ name, ...kept }, { relaxed: true })
  const told = given.includes('{"$') && kept['partialFilterExpression'] !== undefined ? `EJSON.parse(${JSON.stringify(given)})` : given
  return `db.getSiblingDB(${JSON.stringify(database)}).getCollection(${JSON.stringify(collection)}).createIndex(${key}, ${told})`
}

export const retire = command({
  description:
    'Takes an index out of use in steps: the first call hides it, so that no query uses it while it is kept up to date; after the soak, a call with --allow-drop drops it.',
  arguments: [
    { name: '<collection>', description: 'of the index' },
    { name: '<index>', description: 'its name, as stats shows it' },
  ],
  examples: [
    'orx db:index retire user_sessions old_idx --yes',
    'orx db:index retire user_sessions old_idx --undo --yes',
    'orx db:index retire user_sessions old_idx --soak 72h --yes --allow-drop --confirm-db orchestratex',
  ],
  options: {
    ...indexOptions,
    ...confirmations,
    soak: {
      flags: '--soak <duration>',
      description: 'how long it stays hidden before it may be dropped',
      parse: duration(0),
      fallback: dayMs,
    },
    undo: { flags: '--undo', description: 'show it to queries again', parse: onOff, fallback: false, flagOnly: true },
  },
  run: async (context, [collection = '', name = ''], values) =>
    withIndexes(context, values, async ({ database, catalog, live }) => {
      const { out, io, signal } = context
      const index = live.collections.get(collection)?.indexes.find((found) => found.name === name)
      if (index === undefined) {
        throw new OrxError('not_found', `${database.name} has no index ${collection}.${name}`, {
          hint: 'orx db:index stats lists the indexes.',
        })
      }
      const allowDrop = mayDrop(values, database.name)
      const say = (text: string): void => {
        if (!out.json) out.result(sanitise(text))
      }
      const act = async (action: Action): Promise<void> => {
        const { error } = await doActions(context, database, [action], { allowDrop, onInterrupt: 'leave' })
        signal.throwIfAborted()
        if (error !== null) throw error
      }
      // It has to meet the same database again, whatever that of the settings is then.
      const again = `orx db:index retire ${shellWord(collection)} ${shellWord(name)} --db-name ${shellWord(database.name)}${values.catalog === null ? '' : ` --catalog ${shellWord(values.catalog)}`}`
      const drop = `${again}${values.soak === dayMs ? '' : ` --soak ${values.soak}ms`} --yes --allow-drop --confirm-db ${shellWord(database.name)}`
      const described = { database: database.name, collection, name }
      if (values.undo) {
        await confirm(context, `Show ${collection}.${name} to queries again`, values.yes)
        const difference = { field: 'hidden', want: false, have: true }
        const want = { key: keyDocument(index.key), ...index.options, hidden: false }
        await act({
          kind: 'modify',
          collection,
          name,
          key: keyDocument(index.key),
          want,
          differences: [difference],
          reason: 'it is wanted again',
        })
        say(`${collection}.${name} serves queries again`)
        return { exitCode: exitCodes.done, data: { ...described, step: 'undone', undo: null } }
      }
      const usage = await readUsage(
        { db: database.db, uri: database.uri, appName: `orx/${context.version}`, clock: io.runtime.clock },
        live,
        signal,
      )
      const use = usage.indexes.find((found) => found.collection === collection && found.name === name) ?? null
      const step = nextStep({ index, use, usage, catalog, soakMs: values.soak, nowMs: io.runtime.clock.now() })
      const undo = `${again} --undo --yes`
      switch (step.step) {
        case 'hide':
          await confirm(
            context,
            `Hide ${collection}.${name}, used ${use?.ops ?? 'an unknown number of'} times since ${use?.since ?? 'an unknown time'}`,
            values.yes,
          )
          await act(step.action)
          say(`${collection}.${name} is hidden. Undo: ${undo}\nafter ${spanText(values.soak)}: ${drop}`)
          return { exitCode: exitCodes.done, data: { ...described, step: 'hidden', opsBefore: use?.ops ?? null, undo } }
        case 'soaking':
          say(
            `${collection}.${name} has been hidden since ${new Date(step.sinceMs).toISOString()}; it may be dropped in ${spanText(step.leftMs)}. Undo: ${undo}`,
          )
          return {
            exitCode: exitCodes.done,
            data: { ...described, step: 'soaking', hiddenSince: new Date(step.sinceMs).toISOString(), leftMs: step.leftMs, undo },
          }
        case 'drop': {
          if (!allowDrop) {
            throw new OrxError(
              'confirmation_needed',
              `${collection}.${name} has soaked for ${spanText(step.soakedMs)} and may be dropped`,
              {
                hint: drop,
              },
            )
          }
          await confirm(context, `Drop ${collection}.${name}`, values.yes)
          await act(step.action)
          const remake = remakeOf(database.name, index)
          say(`${collection}.${name} is dropped. To have it again: ${remake}`)
          return { exitCode: exitCodes.done, data: { ...described, step: 'dropped', undo: remake } }
        }
      }
    }),
})
