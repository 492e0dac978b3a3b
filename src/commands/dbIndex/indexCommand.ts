// What the commands of `db:index` share: which database, which catalog, and what is there now.
import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { messageOf, OrxError } from '../../core/errors.ts'
import { connectDatabase, databaseError, type Database } from '../../database/connection.ts'
import type { Catalog } from '../../database/indexes/catalog.ts'
import { parseCatalog } from '../../database/indexes/catalogFile.ts'
import { lintCatalog } from '../../database/indexes/lint.ts'
import { readLive, type LiveDatabase } from '../../database/indexes/live.ts'
import { ownCatalog } from '../../database/indexes/ownCatalog.ts'
import { onOff, words, type OptionTable } from '../../settings/option.ts'
import { sanitise } from '../../ui/sanitise.ts'
import type { CommandContext, CommandResult } from '../command.ts'
import { openDatabase, type OpenedDatabase } from '../openDatabase.ts'

export const indexOptions = {
  dbName: {
    flags: '--db-name <name>',
    description: "the database (default: the URI's path, else orchestratex)",
    parse: words,
    fallback: null as string | null,
  },
  catalog: {
    flags: '--catalog <file>',
    description: 'a catalog of your own instead of that of OrchestrateX',
    parse: words,
    fallback: null as string | null,
  },
} satisfies OptionTable

export const confirmations = {
  yes: { flags: '--yes', description: 'do not ask', parse: onOff, fallback: false, flagOnly: true as const },
  allowDrop: {
    flags: '--allow-drop',
    description: 'also what removes an index; needs --confirm-db',
    parse: onOff,
    fallback: false,
    flagOnly: true as const,
  },
  confirmDb: {
    flags: '--confirm-db <name>',
    description: 'the name of the database, once more',
    parse: words,
    fallback: null as string | null,
    flagOnly: true as const,
  },
} satisfies OptionTable

export const createDbOption = {
  createDb: {
    flags: '--create-db <name>',
    description: 'the name of a database that is not there yet',
    parse: words,
    fallback: null as string | null,
    flagOnly: true as const,
  },
} satisfies OptionTable

export interface Opened {
  readonly database: OpenedDatabase
  readonly catalog: Catalog
  readonly live: LiveDatabase
  /** Reads again what is there now. */
  reread(): Promise<LiveDatabase>
}

/** The catalog that was asked for; what lint finds in it is said as warnings. */
async function readCatalog(context: CommandContext, file: string | null): Promise<Catalog> {
  const catalog = file === null ? ownCatalog : parseCatalog(await readText(context, file), file)
  for (const { collection, name, message } of lintCatalog(catalog)) context.warn(sanitise(`catalog: ${collection}.${name}: ${message}`))
  return catalog
}

/** Throws `usage` for a file that cannot be read. */
export async function readText({ io }: CommandContext, file: string): Promise<string> {
  return readFile(resolve(io.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new OrxError('usage', `${file} cannot be read: ${messageOf(cause)}`, { hint: 'Check its name and its rights.', cause })
  })
}

/** Throws `usage` before anything is done: a file that cannot be written is no surprise for the end. Leaves none behind. */
export async function requireWritable({ io }: CommandContext, ...files: readonly (string | null)[]): Promise<void> {
  for (const file of files) {
    if (file === null) continue
    const path = resolve(io.cwd, file)
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    await writeFile(path, '', { flag: 'a' }).catch((cause: unknown) => {
      throw new OrxError('usage', `${file} cannot be written: ${messageOf(cause)}`, {
        hint: 'Name a file in a folder that you may write to.',
        cause,
      })
    })
    if (!isThere) await rm(path, { force: true })
  }
}

export async function writeText({ io, out }: CommandContext, file: string | null, text: string): Promise<void> {
  if (file === null) return
  await writeFile(resolve(io.cwd, file), text).catch((cause: unknown) => {
    throw new OrxError('output_failed', `${file} cannot be written: ${messageOf(cause)}`, {
      hint: 'The result itself is printed; make room, or name another file.',
      cause,
    })
  })
  out.note(`wrote ${file}`)
}

/** A result that is printed also where writing it to a file fails in the end. */
export async function withOutput(result: CommandResult, write: () => Promise<void>): Promise<CommandResult> {
  try {
    await write()
    return result
  } catch (error) {
    if (!(error instanceof OrxError) || error.code !== 'output_failed') throw error
    return { exitCode: error.exitCode, data: result.data, error }
  }
}

export async function withIndexes<T>(
  context: CommandContext,
  { dbName, catalog: file }: { readonly dbName: string | null; readonly catalog: string | null },
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const catalog = await readCatalog(context, file)
  const database = await openDatabase(context, dbName)
  try {
    const reread = (): Promise<LiveDatabase> => readLive(database.db, null, context.signal)
    return await work({ database, catalog, live: await reread(), reread })
  } catch (error) {
    if (context.signal.aborted) throw error
    throw databaseError(error)
  } finally {
    await database.close()
  }
}

/** A second client, whose sockets live as long as an index build does. */
export async function withPatientClient<T>(
  { io, version, signal }: CommandContext,
  { uri, name }: OpenedDatabase,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const options = { uri, dbName: name, appName: `orx/${version}`, maxPoolSize: 2, patient: true, clock: io.runtime.clock }
  const database = await connectDatabase(options, signal)
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** Only `orchestratex` comes into being without a word: a name that was mistyped must not. */
export function requireDatabase(live: LiveDatabase, createDb: string | null): void {
  if (live.exists || live.name === 'orchestratex' || createDb === live.name) return
  const came = createDb === null ? '' : `, and --create-db names ${createDb}`
  throw new OrxError('confirmation_needed', `there is no database ${live.name} on this server${came}`, {
    hint: `Check the name; to create it: --create-db ${live.name}`,
  })
}

/** A person's yes, or the flag's. Throws `confirmation_needed` without either. */
export async function confirm(context: CommandContext, what: string, yes: boolean): Promise<void> {
  if (yes) return
  if (context.mayAsk) {
    const answer = await context.io.ask(`${what}? [y/N] `, context.signal)
    if (/^y(es)?$/i.test(answer.trim())) return
  }
  throw new OrxError('confirmation_needed', `nothing was done: to ${what.charAt(0).toLowerCase()}${what.slice(1)} needs a yes`, {
    hint: 'Look at the plan, then give --yes.',
  })
}

/** Whether indexes may go. Throws `confirmation_needed` when that was allowed, but not for this database by its name. */
export function mayDrop(
  { allowDrop, confirmDb }: { readonly allowDrop: boolean; readonly confirmDb: string | null },
  database: string,
): boolean {
  if (!allowDrop) return false
  if (confirmDb === database) return true
  throw new OrxError(
    'confirmation_needed',
    confirmDb === null ? `--allow-drop needs --confirm-db ${database}` : `--confirm-db names ${confirmDb}, but this is ${database}`,
    { hint: `Indexes go only from the database that you name: --allow-drop --confirm-db ${database}` },
  )
}
