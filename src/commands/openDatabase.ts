// The database of a command: ORX_MONGODB_URI, else the embedded server of this home, started when it does not run.
import { connectDatabase, type Database } from '../database/connection.ts'
import { ensureMongod, type EmbeddedOptions, type EmbeddedServer } from '../database/embedded/server.ts'
import { mongodbUri } from '../settings/providers.ts'
import type { CommandContext } from './command.ts'

export interface OpenedDatabase extends Database {
  /** Null where ORX_MONGODB_URI names the server. */
  readonly embedded: EmbeddedServer | null
  /** With its password, where it has one. */
  readonly uri: string
}

/** What the embedded server needs of a command's context. */
export function embeddedOptions({ io, out, sources }: CommandContext): EmbeddedOptions {
  return {
    home: sources.home,
    // Only of the environment: a binary that a working folder names is not run.
    mongodPath: io.env['ORX_MONGOD'],
    env: io.env,
    platform: io.platform,
    arch: io.arch,
    pid: io.pid,
    runtime: io.runtime,
    processes: io.processes,
    onProgress: (text) => out.note(text),
  }
}

/** @param dbName instead of the database that the URI names */
export async function openDatabase(context: CommandContext, dbName: string | null = null): Promise<OpenedDatabase> {
  const stated = mongodbUri(context.sources)
  const embedded = stated === null ? await ensureMongod(embeddedOptions(context), context.signal) : null
  if (embedded?.started) context.out.note('MongoDB stays up for the next command; orx db:down stops it')
  const uri = embedded?.uri ?? stated ?? ''
  const options = { uri, appName: `orx/${context.version}`, clock: context.io.runtime.clock, ...(dbName !== null && { dbName }) }
  const database = await connectDatabase(options, context.signal)
  return { ...database, embedded, uri }
}
