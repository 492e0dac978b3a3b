// `orx db:index`: plan, ask, apply what only adds, prove the query paths.
import { exitCodes, OrxError } from '../../core/errors.ts'
import { planText, verificationText } from '../../ui/indexTables.ts'
import { command } from '../command.ts'
import { apply } from './apply.ts'
import { doActions, interruptOption } from './doActions.ts'
import { confirm, confirmations, createDbOption, indexOptions, requireDatabase, withIndexes } from './indexCommand.ts'
import { lint } from './lint.ts'
import { plan } from './plan.ts'
import { planHere } from './planning.ts'
import { pull } from './pull.ts'
import { retire } from './retire.ts'
import { stats } from './stats.ts'
import { exitOf, verify, verifyHere } from './verify.ts'

export const dbIndex = command({
  description:
    'Plans the indexes of the catalog, asks, makes what only adds, and proves that every query path uses its index. Its sub-commands do one of these each.',
  examples: ['orx db:index --yes', 'orx db:index plan', 'orx db:index apply --yes', 'orx db:index verify'],
  options: { ...indexOptions, yes: confirmations.yes, ...createDbOption, ...interruptOption },
  subcommands: { plan, apply, verify, stats, retire, pull, lint },
  run: async (context, _words, values) =>
    withIndexes(context, values, async (opened) => {
      const { out } = context
      const { database, catalog, live } = opened
      const planned = await planHere(context, opened, catalog, { prune: false })
      if (!out.json) out.result(planText(planned, out))
      const { actions } = planned
      if (actions.length > 0) {
        requireDatabase(live, values.createDb)
        const what = `Apply ${actions.length === 1 ? 'this change' : `these ${actions.length} changes`} to ${database.name}`
        const refusal = await confirm(context, what, values.yes).catch((thrown: unknown) => {
          if (thrown instanceof OrxError && thrown.code === 'confirmation_needed') return thrown
          throw thrown
        })
        if (refusal !== undefined)
          return { exitCode: refusal.exitCode, data: { plan: planned, applied: [], verification: null }, error: refusal }
      }
      const { outcomes, error, stopped } = await doActions(context, database, actions, {
        allowDrop: false,
        onInterrupt: values.onInterrupt,
      })
      if (stopped) return { exitCode: exitCodes.interrupted, data: { plan: planned, applied: outcomes, verification: null } }
      if (error !== null) return { exitCode: error.exitCode, data: { plan: planned, applied: outcomes, verification: null }, error }
      const verification = await verifyHere(context, opened, 'where-data')
      if (!out.json) out.result(verificationText(verification, out))
      // What was left out was said; the paths that hang on it tell by themselves.
      const leftOut = new Set(
        outcomes.filter(({ outcome }) => outcome === 'left-out').map(({ collection, name }) => `${collection}.${name}`),
      )
      const indexes = verification.indexes.filter(({ collection, name }) => !leftOut.has(`${collection}.${name}`))
      const ok =
        verification.notChecked.length === 0 &&
        indexes.every(({ state }) => state === 'ready' || state === 'renamed') &&
        verification.paths.every(({ verdict }) => verdict === 'ok')
      return { exitCode: exitOf({ ...verification, indexes, ok }), data: { plan: planned, applied: outcomes, verification } }
    }),
})
