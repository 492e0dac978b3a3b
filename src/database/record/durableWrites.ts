// Writes that survive: majority-acknowledged, bounded in time, and written again while their outcome is unknown.
// Invariant: every document has an _id made by orx, so a write that is sent twice is there once.
import { BSON, MongoAPIError, MongoError, MongoServerError, MongoWriteConcernError, type Db, type Document } from 'mongodb'
import { OrxError } from '../../core/errors.ts'
import { sleep, type Clock } from '../../core/runtime.ts'
import { bounded, databaseError, isLostSocket, passingCodes } from '../connection.ts'
import type { CollectionName } from '../documents.ts'

/** What can be written durably: a document with its _id, or an update that comes to the same when it is made twice. */
export type DurableWrite =
  | { readonly insertOne: { readonly document: Document } }
  | { readonly updateOne: { readonly filter: Document; readonly update: Document; readonly upsert?: boolean } }

/** Between two tries of a write whose outcome is unknown: a server that starts again takes about half a second. */
const pauseMs = 50

/**
 * What a server takes in one command. The documents lie in the command itself, which as a document has at most 16 MiB and 16 KiB:
 * one document of the greatest size goes alone. Source: the MongoDB manual, MongoDB Limits and Thresholds.
 */
const mostBytes = 16_777_216
const mostOperations = 100_000
/** Of an operation beside its document: its place in the command's list. */
const placeBytes = 16

/**
 * Writes all operations to one collection, in no order. Resolves to one entry an operation: null when it is durable, else why it is not.
 * Ends within boundMs. Never rejects.
 */
export async function writeDurably(
  db: Db,
  clock: Clock,
  collection: CollectionName,
  operations: readonly DurableWrite[],
  boundMs: number,
): Promise<readonly (OrxError | null)[]> {
  const untilMs = clock.monotonicMs() + boundMs
  const outcomes: (OrxError | null)[] = []
  for (const command of commandsOf(collection, operations)) outcomes.push(...(await writeUntil(db, clock, command, untilMs)))
  return outcomes
}

/** A part of the operations, of one kind. */
interface WriteCommand {
  readonly command: Document
  readonly count: number
}

/**
 * The driver's bulkWrite takes a third longer, and more processor time: a session's transaction number, which the server writes down with every command,
 * buys a retry that is made here anyway. One command takes inserts and updates where there are both: a command costs more than what is in it.
 */
function* commandsOf(collection: CollectionName, operations: readonly DurableWrite[]): Generator<WriteCommand> {
  const inserted = operations.flatMap((operation) => ('insertOne' in operation ? [operation.insertOne.document] : []))
  const isInsert = inserted.length === operations.length
  const parts = isInsert ? inserted : operations.map(updateOf)
  const rest = { ordered: false, writeConcern: { w: 'majority' } }
  for (let from = 0; from < parts.length;) {
    let to = from
    // One alone, as an idle process writes them, need not be measured: it cannot be parted.
    for (let bytes = 0; to < parts.length && to - from < mostOperations; to += 1) {
      if (parts.length > 1) bytes += placeBytes + BSON.calculateObjectSize(parts[to] ?? {}, { ignoreUndefined: true })
      if (bytes > mostBytes && to > from) break
    }
    const some = parts.slice(from, to)
    from = to
    yield {
      command: isInsert ? { insert: collection, documents: some, ...rest } : { update: collection, updates: some, ...rest },
      count: some.length,
    }
  }
}

function updateOf(operation: DurableWrite): Document {
  if ('updateOne' in operation) {
    const { filter, update, upsert = false } = operation.updateOne
    return { q: filter, u: update, upsert }
  }
  const { _id, ...fields } = operation.insertOne.document
  return { q: { _id: _id as unknown }, u: { $setOnInsert: fields }, upsert: true }
}

async function writeUntil(db: Db, clock: Clock, { command, count }: WriteCommand, untilMs: number): Promise<readonly (OrxError | null)[]> {
  const isLate = (): boolean => clock.monotonicMs() + pauseMs >= untilMs
  for (;;) {
    try {
      // The driver adds to the command that it is given.
      const reply = await bounded(clock, untilMs - clock.monotonicMs(), () => db.command({ ...command }, { ignoreUndefined: true }))
      const refusals = (reply['writeErrors'] ?? []) as readonly Refusal[]
      if (!refusals.some(({ code }) => isPassing(code)) || isLate()) return outcomesOf(refusals, count)
    } catch (error) {
      if (!mayWriteAgain(error) || isLate()) return repeated(databaseError(error), count)
    }
    await sleep(clock, pauseMs)
  }
}

function repeated(problem: OrxError | null, count: number): (OrxError | null)[] {
  return Array.from({ length: count }, () => problem)
}

/** What a reply says of an operation that was not done. */
interface Refusal {
  readonly index: number
  readonly code: number
  readonly errmsg: string
}

function outcomesOf(refusals: readonly Refusal[], count: number): readonly (OrxError | null)[] {
  const outcomes = repeated(null, count)
  for (const { index, code, errmsg } of refusals) {
    if (isThereAlready(code, errmsg)) continue
    outcomes[index] = new OrxError('database_failed', `Expected MongoDB to take a document, but it said: ${errmsg}`)
  }
  return outcomes
}

/** 11000 on the _id: an earlier try of this very write got through. On another unique index it is a conflict. */
function isThereAlready(code: number, message: string): boolean {
  return code === 11_000 && / index: _id_ /.test(message)
}

/** What a router says of a server behind it. Source: MongoDB's specification of retryable writes. */
const routerCodes: ReadonlySet<unknown> = new Set([6, 7, 89, 262, 9001])

/** Of a server that goes away: it may say so of the command, or of each operation in it. */
function isPassing(code: unknown): boolean {
  return passingCodes.has(code) || routerCodes.has(code)
}

/** Whether nobody knows if the write happened, or a majority has not acknowledged it: the server said so, or it said nothing. */
function mayWriteAgain(error: unknown): boolean {
  if (error instanceof MongoWriteConcernError) return true
  if (error instanceof MongoServerError) return isPassing(error.code)
  // What the driver says by itself: that it lost its server in one of many ways, or that it was called wrongly.
  return isLostSocket(error) || (error instanceof MongoError && !(error instanceof MongoAPIError))
}
