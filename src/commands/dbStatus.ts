// `orx db:status`: which database is used, and whether it answers. Starts nothing.
import { exitCodes } from '../core/errors.ts'
import { redactUris } from '../core/redact.ts'
import { connectDatabase } from '../database/connection.ts'
import { embeddedStatus, uriOf } from '../database/embedded/server.ts'
import { mongodbUri } from '../settings/providers.ts'
import { command, type CommandContext } from './command.ts'

async function pingOf(
  { io, version, signal }: CommandContext,
  uri: string,
): Promise<{ readonly database: string; readonly pingMs: number }> {
  const database = await connectDatabase({ uri, appName: `orx/${version}`, clock: io.runtime.clock }, signal)
  try {
    return { database: database.name, pingMs: await database.ping(signal) }
  } finally {
    await database.close()
  }
}

export const dbStatus = command({
  description:
    'Says which database is used, where its data is, and whether it answers. Starts nothing; a server that does not answer is exit 69.',
  examples: ['orx db:status', 'orx db:status --json | jq .data.running'],
  options: {},
  run: async (context) => {
    const { io, out, sources } = context
    const stated = mongodbUri(sources)
    const embedded = stated === null ? embeddedStatus(sources.home, io.processes) : null
    const uri = stated ?? (embedded?.running ? uriOf(embedded.state.port) : null)
    const answer = uri === null ? null : await pingOf(context, uri)
    const data = {
      source: stated === null ? 'embedded' : 'uri',
      running: answer !== null,
      uri: uri === null ? null : redactUris(uri),
      database: answer?.database ?? null,
      pingMs: answer?.pingMs ?? null,
      home: sources.home,
      dbPath: embedded?.home.dbPath ?? null,
      pid: embedded?.running ? embedded.state.pid : null,
      port: embedded?.state.port ?? null,
      version: embedded?.state.version ?? null,
      binary: embedded?.state.binary ?? null,
      startedAt: embedded?.running ? embedded.state.startedAt : null,
    }
    if (!out.json) {
      if (answer !== null)
        out.result(
          `${data.source === 'uri' ? 'ORX_MONGODB_URI' : 'embedded MongoDB'} at ${data.uri}: answers, ping ${answer.pingMs.toFixed(1)} ms, database ${answer.database}`,
        )
      else
        out.result(
          embedded === null
            ? 'no embedded MongoDB in this home yet; orx db:up starts one'
            : 'the embedded MongoDB does not run; orx db:up starts it',
        )
      if (embedded !== null) out.result(`data in ${embedded.home.dbPath}, MongoDB ${embedded.state.version} (${embedded.state.binary})`)
    }
    return { exitCode: exitCodes.done, data }
  },
})
