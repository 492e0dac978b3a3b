// What a bench measures, started and stopped together: the bench's database, the service, the simulated provider, each in a process of its own.
import { scenarioOf } from '../../bench/targets.ts'
import type { ScenarioPlaces, ScenarioSpec } from '../../bench/scenario.ts'
import { messageOf, OrxError } from '../../core/errors.ts'
import { bounded } from '../../database/connection.ts'
import { applyActions } from '../../database/indexes/apply.ts'
import { readLive } from '../../database/indexes/live.ts'
import { ownCatalog } from '../../database/indexes/ownCatalog.ts'
import { planIndexes } from '../../database/indexes/plan.ts'
import { benchDatabaseName } from '../../database/seed/benchDatabase.ts'
import type { Scale } from '../../database/seed/sampleData.ts'
import type { Child } from '../../io.ts'
import type { CommandContext } from '../command.ts'
import { seedHere } from '../dbSeed.ts'
import { openDatabase, type OpenedDatabase } from '../openDatabase.ts'

export interface OpenedPlaces {
  readonly places: ScenarioPlaces
  readonly database: OpenedDatabase | null
  /** The processes that belong to what is measured. */
  readonly pids: readonly number[]
  close(): Promise<void>
}

export interface PlacesOptions {
  readonly scenarios: readonly ScenarioSpec[]
  readonly scale: Scale
  readonly seed: number
  /** --url. */
  readonly url: string | null
  readonly allowRemote: boolean
}

export async function openPlaces(context: CommandContext, options: PlacesOptions): Promise<OpenedPlaces> {
  const { io, out } = context
  const { url } = options
  // Another server brings its own database.
  const wants = (what: 'database' | 'service' | 'provider'): boolean =>
    options.scenarios.some(({ name, needs }) => needs[what] === true && !(url !== null && scenarioOf(name) === 'http'))
  const closings: (() => Promise<void>)[] = []
  const pids: number[] = []
  const start = async (words: readonly string[], message: unknown): Promise<unknown> => {
    const child: Child = io.fork(words)
    closings.push(() => child.stop())
    if (message !== null) child.send(message)
    if (child.pid !== null) pids.push(child.pid)
    return child.ready.catch((cause: unknown) => {
      throw new OrxError('failed', `orx ${words[0] ?? ''} did not start: ${messageOf(cause)}`, {
        hint: `Run orx ${words[0] ?? ''} to see why.`,
        cause,
      })
    })
  }
  const close = async (): Promise<void> => {
    for (const closing of closings.toReversed()) await closing()
  }
  try {
    let database: OpenedDatabase | null = null
    if (wants('database')) {
      database = await openDatabase(context, benchDatabaseName)
      const opened = database
      closings.push(() => opened.close())
      const { insertedNow } = await seedHere(context, opened, options)
      await prepareIndexes(context, opened)
      if (insertedNow > 0) await writeDown(context, opened)
    }
    const mongodb = database === null ? null : { uri: database.uri, database: database.name }
    let service = url
    if (service === null && wants('service')) {
      out.note('starting the service')
      const up = (await start(['serve', '--port', '0'], { type: 'database', ...mongodb })) as { readonly port?: unknown }
      service = `http://127.0.0.1:${String(up.port)}`
    }
    let provider: string | null = null
    if (wants('provider')) {
      const up = (await start(['simulator', '--seed', String(options.seed), '--sim-scale', '1'], null)) as { readonly baseUrl?: unknown }
      provider = String(up.baseUrl)
    }
    return { places: { mongodb, service, isForeign: url !== null, provider }, database, pids, close }
  } catch (error) {
    await close()
    throw error
  }
}

const mostWriteDownMs = 20_000

/** A server that was just filled writes it to its files for some seconds, with all of the machine: that would be what is measured first. */
async function writeDown({ io, out, signal }: CommandContext, { client }: OpenedDatabase): Promise<void> {
  out.note('letting MongoDB write down what was made')
  // Who may not ask for it has a checkpoint within a minute all the same.
  await bounded(io.runtime.clock, mostWriteDownMs, () => client.db('admin').command({ fsync: 1 }), signal).catch(() => undefined)
  signal.throwIfAborted()
}

/** The database bears the bench's mark: its indexes are made as the catalog has them. */
async function prepareIndexes({ io, out, signal }: CommandContext, { db, ping }: OpenedDatabase): Promise<void> {
  const { actions } = planIndexes(ownCatalog, await readLive(db, null, signal), { prune: true })
  if (actions.length > 0) out.note(`making ${actions.length} indexes`)
  const { error } = await applyActions(
    {
      db,
      clock: io.runtime.clock,
      allowDrop: true,
      ping: () => ping(),
      emit: () => undefined,
      onInterrupt: () => Promise.resolve('leave'),
    },
    actions,
    signal,
  )
  signal.throwIfAborted()
  if (error !== null) throw error
}
