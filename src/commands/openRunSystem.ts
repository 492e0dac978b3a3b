// What a run needs, opened and closed together: providers (the simulated one in a process of its own), models, database, system.
import { ObjectId } from 'mongodb'
import { OrxError } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { bounded } from '../database/connection.ts'
import { runFind } from '../database/queryPath.ts'
import { queryPaths } from '../database/queryPaths.ts'
import type { Price } from '../models/call.ts'
import { openAiProvider } from '../models/openai.ts'
import { alertText } from '../monitor/memory.ts'
import { requirePrices } from '../orchestration/budget.ts'
import type { RunSettings } from '../orchestration/events.ts'
import { chooseModels } from '../settings/models.ts'
import { providerSettings } from '../settings/providers.ts'
import { openSystem, type System } from '../system.ts'
import type { Limits } from '../traffic/limiter.ts'
import type { CommandContext } from './command.ts'
import { openDatabase, type OpenedDatabase } from './openDatabase.ts'
import { openProviders } from './openProviders.ts'

export interface RunSystemOptions {
  readonly settings: RunSettings
  readonly models: readonly string[] | null
  readonly author: string | null
  readonly assumedPrice: Price | null
  readonly simulate: boolean
  readonly simScale: number
  readonly seed: number | null
  readonly db: 'auto' | 'none'
  readonly concurrency: number
  readonly maxWaiting: number
  /** --resume. */
  readonly resumedSessionId: string | null
}

export interface RunSystem extends System {
  /** Null with --db none. */
  readonly database: OpenedDatabase | null
  /** `provider/model` that answers; null: the best for each prompt. */
  readonly author: string | null
  readonly simulated: boolean
  limitsOf(provider: string): Limits
  /** Ends the session, the database connection, the simulated provider and the HTTP connections. */
  shutDown(status: 'completed' | 'terminated' | 'error'): Promise<void>
}

/** The documented requests at once of one provider. */
const atOnce = 10
const defaultSeed = 1
const knownMs = 2_000

export async function openRunSystem(context: CommandContext, options: RunSystemOptions): Promise<RunSystem> {
  const { io, signal, warn } = context
  const { settings, seed, simScale } = options
  // Said before anything else is.
  const willSimulate = options.simulate || providerSettings(context.sources).providers.length === 0
  if (willSimulate) {
    const why = options.simulate ? '' : ', because no API key and no base URL is set'
    warn(`simulated: the simulated provider invents the answers${why}`)
  }
  const opened = openProviders(context, options.simulate)
  const { simulated, byName: providers, agent } = opened
  const closings: (() => Promise<void>)[] = [() => opened.close()]
  const closeAll = async (): Promise<void> => {
    for (const close of closings.toReversed()) await close()
  }
  try {
    const choice = { names: options.models, author: options.author, assumedPrice: options.assumedPrice }
    const chosen = await chooseModels(opened.names, (name) => opened.listModels(name, settings.deadlineMs), choice, signal)
    for (const warning of chosen.warnings) warn(warning)
    requirePrices(chosen.models, settings.maxCostUsd)
    if (simulated) {
      const simSeed = String(seed ?? defaultSeed)
      const child = io.fork(['simulator', '--seed', simSeed, '--sim-scale', String(simScale)])
      closings.push(() => child.stop())
      const baseUrl = await baseUrlOf(child.ready)
      const peer = {
        provider: 'simulated',
        identity: `simulated:${simSeed}`,
        baseUrl,
        keyVariable: '',
        key: null,
        agent,
        clock: io.runtime.clock,
        jsonMode: true,
      }
      // Its port is another one each time; what it says is not.
      providers.set('simulated', { ...openAiProvider(peer), baseUrl: 'simulated' })
    }

    const database: OpenedDatabase | null = options.db === 'none' ? null : await openDatabase(context)
    if (database !== null) closings.push(() => database.close())
    if (database !== null && options.resumedSessionId !== null && !(await isKnown(database, options.resumedSessionId, io.runtime.clock)))
      warn(`no session ${options.resumedSessionId} is in the database ${database.name}: nothing of it is known, everything is sent`)
    const requestsPerMinute = new Map(opened.providers.map(({ endpoint }) => [endpoint.name as string, endpoint.requestsPerMinute]))
    const limitsOf = (provider: string): Limits => ({
      requestsPerMinute: requestsPerMinute.get(provider) ?? null,
      unitsPerMinute: null,
      atOnce,
    })
    const system = openSystem({
      runtime: io.runtime,
      providers,
      models: chosen.models,
      limitsOf,
      db: database?.db ?? null,
      simulated,
      learns: seed === null,
      concurrency: options.concurrency,
      maxWaiting: options.maxWaiting,
      userId: io.userName,
      settings,
      resumedSessionId: options.resumedSessionId,
      onDatabaseLost: (problem) => warn(`the database was lost, what follows is not recorded: ${problem.message}`),
      residentBytes: () => io.samples.residentBytes(io.pid) ?? 0,
      onMemoryAlert: (alert) => context.out.complain(alertText(alert)),
    })
    return {
      ...system,
      database,
      author: chosen.author,
      limitsOf,
      simulated,
      shutDown: async (status) => {
        await system.close(status)
        await closeAll()
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Whether anything of a session was recorded; in doubt it was. */
async function isKnown({ db }: OpenedDatabase, id: string, clock: Clock): Promise<boolean> {
  const find = (signal: AbortSignal) => runFind(db, queryPaths.sessionById, { sessionId: new ObjectId(id) }, signal)
  const found = await bounded(clock, knownMs, find).catch(() => null)
  return found === null || found.length > 0
}

async function baseUrlOf(ready: Promise<unknown>): Promise<string> {
  const message = await ready.catch((error: unknown) => {
    throw new OrxError('provider_unreachable', 'the simulated provider did not start', {
      hint: 'Run orx simulator to see why.',
      cause: error,
    })
  })
  if (typeof message === 'object' && message !== null && 'baseUrl' in message && typeof message.baseUrl === 'string') return message.baseUrl
  throw new OrxError('internal', 'the simulated provider reported no address')
}
