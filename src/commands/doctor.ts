// `orx doctor`: what works here and what does not, with what to do about it. Starts nothing and downloads nothing.
import { exitCodes, OrxError } from '../core/errors.ts'
import { redactUris } from '../core/redact.ts'
import { connectDatabase } from '../database/connection.ts'
import { findMongod } from '../database/embedded/binary.ts'
import { homeOf } from '../database/embedded/home.ts'
import { embeddedStatus, uriOf } from '../database/embedded/server.ts'
import { checkBy, checkHome, checkNode, findLocalServers, type Check } from '../monitor/diagnosis.ts'
import { mongodbUri, providerSettings } from '../settings/providers.ts'
import { command, type CommandContext } from './command.ts'
import { embeddedOptions } from './openDatabase.ts'

async function checkDatabase({ io, sources, signal, version }: CommandContext): Promise<Check> {
  const stated = mongodbUri(sources)
  const embedded = stated === null ? embeddedStatus(sources.home, io.processes) : null
  const uri = stated ?? (embedded?.running ? uriOf(embedded.state.port) : null)
  if (uri === null) {
    const detail =
      embedded === null
        ? 'none in this home yet; the first run fetches and starts one'
        : `MongoDB ${embedded.state.version}, stopped; the next run starts it`
    return { name: 'database', status: 'ok', detail, hint: null }
  }
  return checkBy('database', async () => {
    const database = await connectDatabase({ uri, appName: `orx/${version}`, clock: io.runtime.clock }, signal)
    try {
      return `${redactUris(uri)} answers, ping ${(await database.ping(signal)).toFixed(1)} ms`
    } finally {
      await database.close()
    }
  })
}

/** The binary that the embedded server would be; nothing is fetched for the question. Null where ORX_MONGODB_URI makes it needless. */
async function checkMongod(context: CommandContext): Promise<Check | null> {
  const { sources, io, signal } = context
  if (mongodbUri(sources) !== null) return null
  const { cachePath } = homeOf(sources.home)
  const { clock } = io.runtime
  const look = findMongod({ ...embeddedOptions(context), cachePath, clock, token: '', isOffline: true }, signal)
  return checkBy('mongod', () =>
    look.then(
      ({ version, source, path }) => `MongoDB ${version}, from ${source === 'cache' ? 'the cache' : source}: ${path}`,
      (error: unknown) => {
        if (error instanceof OrxError && error.code === 'mongod_unavailable') return 'none on this machine yet; the first run fetches one'
        throw error
      },
    ),
  )
}

function checkProviders({ sources }: CommandContext): readonly Check[] {
  const { providers, warnings } = providerSettings(sources)
  const found = providers.map(({ endpoint, baseUrl, keyFrom }): Check => {
    const key = keyFrom === null ? 'no key' : `${endpoint.keyVariable} from the ${keyFrom}`
    return { name: endpoint.name, status: 'ok', detail: `${baseUrl}, ${key}`, hint: null }
  })
  const refused = warnings.map((detail): Check => ({ name: 'providers', status: 'warning', detail, hint: null }))
  if (found.length > 0) return [...found, ...refused]
  const hint = 'Set OPENAI_API_KEY, ANTHROPIC_API_KEY, XAI_API_KEY, OPENROUTER_API_KEY or ORX_BASE_URL.'
  return [
    ...refused,
    { name: 'providers', status: 'warning', detail: 'no key and no base URL is set: the simulated provider answers', hint },
  ]
}

const marks = { ok: 'ok     ', warning: 'warning', failed: 'failed ' } as const
const styles = { ok: 'green', warning: 'yellow', failed: 'red' } as const

export const doctor = command({
  description:
    'Checks Node, the home folder, mongod, the database, keys (without showing them), local model servers on their usual ports, and the terminal.',
  examples: ['orx doctor', 'orx doctor --json | jq ".data.checks[] | select(.status != \\"ok\\")"'],
  options: {},
  run: async (context) => {
    const { io, out, sources, signal } = context
    const checks: readonly Check[] = [
      checkNode(io.nodeVersion),
      checkHome(sources.home),
      ...[await checkMongod(context)].filter((check) => check !== null),
      await checkDatabase(context),
      ...checkProviders(context),
      ...(await findLocalServers(io.runtime.clock, signal)),
      { name: 'terminal', status: 'ok', detail: out.interactive ? `${out.columns} columns` : 'none: plain lines are printed', hint: null },
    ]
    if (!out.json) {
      const width = Math.max(...checks.map(({ name }) => name.length))
      for (const { name, status, detail, hint } of checks) {
        out.result(`${out.styleResult(styles[status], marks[status])}  ${name.padEnd(width)}  ${detail}`)
        if (hint !== null) out.result(`${' '.repeat(width + 11)}${hint}`)
      }
    }
    const isFailed = checks.some(({ status }) => status === 'failed')
    return { exitCode: isFailed ? exitCodes.failed : exitCodes.done, data: { checks } }
  },
})
