// One index build at a time, told as it goes on. Invariant: a build that is left goes on at the server, and building it again attaches to it.
import { MongoServerError, type Db, type Document } from 'mongodb'
import { OrxError } from '../../core/errors.ts'
import { sleep, untilAborted, type Clock } from '../../core/runtime.ts'
import { databaseError } from '../connection.ts'

export interface BuildProgress {
  /** Of the phase that the server is in. */
  readonly phase: string
  readonly done: number
  readonly total: number
  /** Since the build was asked for. */
  readonly elapsedMs: number
  /** Documents or keys a second since the phase began; null until it is known. */
  readonly perSecond: number | null
  readonly leftMs: number | null
}

export interface BuildOptions {
  readonly db: Db
  readonly clock: Clock
  readonly onProgress: (progress: BuildProgress) => void
  /** Asked when somebody ends the command during a build: whether the server goes on with it. */
  readonly onInterrupt: () => Promise<'leave' | 'abort'>
}

const pollMs = 400
/** A primary that steps down has a successor within seconds; longer than this nothing waits for a server that is gone. */
const failoverMs = 6_000
const pauseMs = 500

/**
 * Builds one index, or waits for the build that is under way. Resolves to whether it was new.
 * Throws what the server said, as an OrxError; rejects with the signal's reason when it comes.
 */
export async function buildIndex(
  { db, clock, onProgress, onInterrupt }: BuildOptions,
  collection: string,
  spec: Document & { readonly name: string },
  signal: AbortSignal,
): Promise<boolean> {
  const watching = new AbortController()
  const watched = watch(db, clock, collection, spec.name, onProgress, watching.signal)
  const building = replayed(clock, signal, () =>
    db.command({ createIndexes: collection, indexes: [spec], writeConcern: { w: 'majority' } }),
  )
  building.catch(() => undefined)
  try {
    const { numIndexesBefore, numIndexesAfter, note } = await untilAborted(building, signal)
    return note === undefined && numIndexesAfter !== numIndexesBefore
  } catch (error) {
    const isEnded = signal.aborted && !(signal.reason instanceof OrxError && signal.reason.code === 'database_unreachable')
    if (isEnded && (await onInterrupt()) === 'abort') await abortBuild(db, collection, spec.name)
    throw error
  } finally {
    watching.abort()
    await watched
  }
}

/** Dropping the index by its name ends its build. */
async function abortBuild(db: Db, collection: string, name: string): Promise<void> {
  await db.command({ dropIndexes: collection, index: name }).catch(() => undefined)
}

/** A definition of data is not retried by the driver. It says the same twice, so it is asked again when the primary has changed. */
export async function replayed<T>(clock: Clock, signal: AbortSignal, operation: () => Promise<T>): Promise<T> {
  const untilMs = clock.monotonicMs() + failoverMs
  for (;;) {
    try {
      return await untilAborted(operation(), signal)
    } catch (cause) {
      signal.throwIfAborted()
      const error = indexError(cause)
      if (error.code !== 'database_unreachable' || clock.monotonicMs() > untilMs) throw error
      await sleep(clock, pauseMs, signal)
    }
  }
}

/** Polls what the server says of the build; a user who may not see it hears nothing. */
async function watch(
  db: Db,
  clock: Clock,
  collection: string,
  name: string,
  onProgress: BuildOptions['onProgress'],
  signal: AbortSignal,
): Promise<void> {
  const fromMs = clock.monotonicMs()
  const admin = db.client.db('admin')
  let allUsers = true
  let phase = ''
  let phaseFromMs = fromMs
  let phaseFromDone = 0
  for (;;) {
    try {
      await sleep(clock, pollMs, signal)
      const ops = await admin
        .aggregate([
          { $currentOp: { allUsers, idleConnections: false } },
          { $match: { 'ns': `${db.databaseName}.${collection}`, 'command.indexes.name': name, 'progress.total': { $gt: 0 } } },
          { $project: { msg: 1, progress: 1 } },
        ])
        .toArray()
      const [op] = ops
      if (op === undefined) continue
      const nowMs = clock.monotonicMs()
      const { done, total } = op['progress'] as { done: number; total: number }
      const said = phaseOf(String(op['msg']))
      if (said !== phase) {
        phase = said
        phaseFromMs = nowMs
        phaseFromDone = done
      }
      const passedMs = nowMs - phaseFromMs
      const perSecond = passedMs > 0 && done > phaseFromDone ? ((done - phaseFromDone) / passedMs) * 1_000 : null
      const leftMs = perSecond === null ? null : (Math.max(0, total - done) / perSecond) * 1_000
      onProgress({ phase, done, total, elapsedMs: nowMs - fromMs, perSecond, leftMs })
    } catch (error) {
      if (signal.aborted) return
      if (!allUsers || !(error instanceof MongoServerError)) return
      allUsers = false
    }
  }
}

/** `Index Build: scanning collection Index Build: scanning collection: 123/456 26%` */
function phaseOf(message: string): string {
  return /^Index Build[^:]*: (.+?)(?: Index Build|:|$)/.exec(message)?.[1] ?? 'building'
}

const refusals: Readonly<Record<number, (message: string) => { readonly message: string; readonly hint: string }>> = {
  67: (message) => ({
    message: `MongoDB cannot create the index: ${message}`,
    hint: 'Correct its key or options in the catalog; a collection has 64 indexes at most (orx db:index stats shows which are not used).',
  }),
  85: (message) => ({
    message: `an index of this key is there with other options: ${message}`,
    hint: 'orx db:index plan shows the difference field by field.',
  }),
  86: (message) => ({
    message: `the name belongs to another index: ${message}`,
    hint: 'orx db:index plan shows which; give the index of the catalog another name.',
  }),
  276: (message) => ({ message: `the build was aborted: ${message}`, hint: 'Somebody dropped it or its collection. Run apply again.' }),
}

/** What the server says against an index, with what to do. */
export function indexError(error: unknown): OrxError {
  if (error instanceof MongoServerError) {
    if (error.code === 11000) {
      // The server's own words hold the value.
      return new OrxError('duplicates', 'documents have the same value under a unique index', {
        hint: 'orx db:index apply names some of them by _id before it builds; remove or change them first.',
      })
    }
    const refusal = refusals[Number(error.code)]?.(error.message)
    if (refusal !== undefined) return new OrxError('database_failed', refusal.message, { hint: refusal.hint, cause: error })
  }
  return databaseError(error)
}
