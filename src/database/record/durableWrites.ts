// Writes that survive: majority-acknowledged, bounded in time, and written again while their outcome is unknown.
// Invariant: every document has an _id made by orx, so a write that is sent twice is there once.
import { MongoBulkWriteError, MongoError, MongoNetworkError, MongoServerSelectionError, type AnyBulkWriteOperation, type Db } from 'mongodb'
import { OrxError } from '../../core/errors.ts'
import { sleep, type Clock } from '../../core/runtime.ts'
import { bounded, databaseError } from '../connection.ts'
import type { CollectionName } from '../documents.ts'

/** Between two tries of a write whose outcome is unknown: a server that starts again takes about half a second. */
const pauseMs = 50

/**
 * Writes all operations to one collection, in no order. Resolves to one entry an operation: null when it is durable, else why it is not.
 * Ends within boundMs. Never rejects.
 */
export async function writeDurably(
  db: Db,
  clock: Clock,
  collection: CollectionName,
  operations: readonly AnyBulkWriteOperation[],
  boundMs: number,
): Promise<readonly (OrxError | null)[]> {
  const untilMs = clock.monotonicMs() + boundMs
  const write = async (): Promise<void> => {
    await db.collection(collection).bulkWrite([...operations], { ordered: false, writeConcern: { w: 'majority' }, ignoreUndefined: true })
  }
  for (;;) {
    try {
      await bounded(clock, untilMs - clock.monotonicMs(), write)
      return operations.map(() => null)
    } catch (error) {
      if (error instanceof MongoBulkWriteError && isDecided(error)) return outcomesOf(error, operations.length)
      const problem = databaseError(error)
      if (!mayWriteAgain(error) || clock.monotonicMs() + pauseMs >= untilMs) return operations.map(() => problem)
    }
    await sleep(clock, pauseMs)
  }
}

/** The server answered for every operation. */
function isDecided(error: MongoBulkWriteError): boolean {
  return [error.writeErrors].flat().length > 0 && error.result.getWriteConcernError() === undefined
}

function outcomesOf(error: MongoBulkWriteError, count: number): readonly (OrxError | null)[] {
  const outcomes: (OrxError | null)[] = Array.from({ length: count }, () => null)
  for (const { index, code, errmsg } of [error.writeErrors].flat()) {
    if (isThereAlready(code, errmsg)) continue
    outcomes[index] = new OrxError('database_failed', `Expected MongoDB to take a document, but it said: ${errmsg ?? `code ${code}`}`, {
      cause: error,
    })
  }
  return outcomes
}

/** 11000 on the _id: an earlier try of this very write got through. On another unique index it is a conflict. */
function isThereAlready(code: number, message: string | undefined): boolean {
  return code === 11_000 && message !== undefined && / index: _id_ /.test(message)
}

/** Whether nobody knows if the write happened. The driver wraps a network error of a bulk write in an error without a code. */
function mayWriteAgain(error: unknown): boolean {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true
  if (error instanceof MongoBulkWriteError && (error.code === undefined || error.result.getWriteConcernError() !== undefined)) return true
  return error instanceof MongoError && error.hasErrorLabel('RetryableWriteError')
}
