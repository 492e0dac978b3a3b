// The runs of earlier commands, read back from the database.
import { OrxError } from '../core/errors.ts'
import { databaseError } from '../database/connection.ts'
import type { ThreadDocument } from '../database/documents.ts'
import { readThread } from '../database/record/readRun.ts'
import type { CommandContext } from './command.ts'
import { openDatabase, type OpenedDatabase } from './openDatabase.ts'

/** Opens the database for one piece of reading, and closes it. */
export async function withDatabase<T>(context: CommandContext, read: (database: OpenedDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase(context)
  try {
    return await read(database)
  } catch (error) {
    throw databaseError(error)
  } finally {
    await database.close()
  }
}

/** The newest run of this id. Throws `not_found`. */
export async function findRun({ db }: OpenedDatabase, id: string, signal: AbortSignal): Promise<ThreadDocument> {
  const thread = await readThread(db, id, signal)
  if (thread === null)
    throw new OrxError('not_found', `there is no run "${id}" in this database`, {
      hint: 'orx history lists the newest runs with their ids.',
    })
  return thread
}
