// Applies the actions of a plan before a person's eyes: what is done, how far a build is, and what Ctrl-C means for it.
import { bounded } from '../../database/connection.ts'
import { applyActions, removes, type Applied } from '../../database/indexes/apply.ts'
import type { Action } from '../../database/indexes/plan.ts'
import { choice, type OptionTable } from '../../settings/option.ts'
import { buildText, nameOf, outcomeText } from '../../ui/indexTables.ts'
import { makeProgressLine } from '../../ui/progressLine.ts'
import { sanitise } from '../../ui/sanitise.ts'
import type { CommandContext } from '../command.ts'
import type { OpenedDatabase } from '../openDatabase.ts'
import { withPatientClient } from './indexCommand.ts'

export const interruptOption = {
  onInterrupt: {
    flags: '--on-interrupt <what>',
    description: 'ask, leave or abort: what Ctrl-C does to a build that the server is at',
    parse: choice(['ask', 'leave', 'abort']),
    fallback: 'ask' as const,
  },
} satisfies OptionTable

const pingMs = 3_000

export async function doActions(
  context: CommandContext,
  database: OpenedDatabase,
  actions: readonly Action[],
  { allowDrop, onInterrupt }: { readonly allowDrop: boolean; readonly onInterrupt: 'ask' | 'leave' | 'abort' },
): Promise<Applied> {
  const { io, out, signal } = context
  const { clock } = io.runtime
  const line = makeProgressLine({ out, clock }, io.terminal)
  const askWhat = async (): Promise<'leave' | 'abort'> => {
    if (onInterrupt !== 'ask') return onInterrupt
    if (!context.mayAsk) return 'leave'
    // The command's own signal has come already; a second Ctrl-C ends at once, and leaves the build.
    const answer = await io.ask(
      'The server is building an index. Leave it at that, or abort the build? [L/a] ',
      new AbortController().signal,
    )
    return /^a(bort)?$/i.test(answer.trim()) ? 'abort' : 'leave'
  }
  const interrupted = async (): Promise<'leave' | 'abort'> => {
    line.clear()
    const what = await askWhat()
    out.note(what === 'leave' ? 'the server goes on with the build; run the command again to wait for it' : 'the build is aborted')
    return what
  }
  const applied = await withPatientClient(context, database, (patient) =>
    applyActions(
      {
        db: patient.db,
        clock,
        allowDrop,
        onInterrupt: interrupted,
        ping: () => bounded(clock, pingMs, (soon) => database.ping(soon)),
        emit: (event) => {
          if (event.type === 'progress') return line.update(buildText(event))
          line.clear()
          if (event.type === 'step') out.note(`  ${sanitise(event.text)}`)
          else if (event.type === 'action-started') {
            const { kind, collection, name } = event.action
            out.note(`[${event.position}/${event.total}] ${kind} ${nameOf(collection, name)}`)
          } else if (event.outcome.outcome !== 'left-out') out.note(`  ${outcomeText(event.outcome)}`)
        },
      },
      actions,
      signal,
    ),
  )
  line.clear()
  const leftOut = actions.filter((action) => removes(action) && !allowDrop)
  if (leftOut.length > 0) {
    const names = leftOut.map(({ kind, collection, name }) => `${kind} ${nameOf(collection, name)}`).join(', ')
    context.warn(`left out, because it removes an index: ${names}. To have it done: --allow-drop --confirm-db ${database.name}`)
  }
  for (const { expires = 0, collection, name } of applied.outcomes) {
    if (expires > 0)
      context.warn(`${expires} documents of ${nameOf(collection)} have expired under ${nameOf(name)} and are removed by MongoDB`)
  }
  return applied
}
