// The response cache's second level: what one process paid for, the next one finds. MongoDB's TTL removes what has expired.
// Invariant: a cache never fails a call and never holds it up: an error, a slow answer or an expired entry is a miss.
import { hash } from 'node:crypto'
import type { Db } from 'mongodb'
import { sleep, type Clock } from '../../core/runtime.ts'
import { bounded } from '../connection.ts'
import { collectionOf, type CachedAnswerDocument } from '../documents.ts'
import { runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import { storedTextLimitBytes } from './boundedText.ts'
import type { Gather } from './gather.ts'

export interface AnswerStoreOptions {
  readonly db: Db
  readonly clock: Clock
  readonly gather: Gather
  /** Whether its answers are simulated; others are not seen. */
  readonly simulated: boolean
  /** How long one command may take, ms. @default 500 */
  readonly boundMs?: number
}

export interface AnswerStore<Value> {
  /** The value, or undefined when there is none, it has expired, or the database does not say in time. Never rejects. */
  get(key: string, signal: AbortSignal): Promise<Value | undefined>
  /** Keeps a value for ttlMs. Values above 4 MiB are not kept. Never rejects. */
  set(key: string, value: Value, ttlMs: number): Promise<void>
}

/** After a failure it is left alone for this long, so that a frozen server costs one wait, not one a call. */
const quietMs = 10_000
/** Between two commands that write: nobody waits for them but who ends, and one command for many answers costs little more than for one. */
const pauseMs = 20

export function makeAnswerStore<Value>({ db, clock, gather, simulated, boundMs = 500 }: AnswerStoreOptions): AnswerStore<Value> {
  let quietUntilMs = Number.NEGATIVE_INFINITY
  const attempt = async <T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> => {
    if (clock.monotonicMs() < quietUntilMs) return undefined
    try {
      return await bounded(clock, boundMs, operation)
    } catch {
      quietUntilMs = clock.monotonicMs() + quietMs
      return undefined
    }
  }
  const read = gather(async (ids: readonly string[]) => {
    const params = { ids, simulated, now: new Date(clock.now()) }
    const found = await attempt((bound) => runFind(db, queryPaths.cachedAnswers, params, bound))
    const answers = new Map(found?.map(({ _id, answer }) => [_id, answer]))
    return ids.map((id) => answers.get(id))
  })
  const write = gather(async (documents: readonly CachedAnswerDocument[]) => {
    const operations = documents.map(({ _id, ...fields }) => ({ updateOne: { filter: { _id }, update: { $set: fields }, upsert: true } }))
    // One member is enough: what a crash takes is a miss, and the ledger has the answer.
    const how = { ordered: false, writeConcern: { w: 1 }, ignoreUndefined: true }
    await attempt(() => collectionOf(db, 'response_cache').bulkWrite(operations, how))
    await sleep(clock, pauseMs)
    return documents.map(() => undefined)
  })
  return {
    get: async (key, signal) => (signal.aborted ? undefined : ((await read(idOf(key))) as Value | undefined)),
    set: async (key, value, ttlMs) => {
      if (Buffer.byteLength(JSON.stringify(value)) > storedTextLimitBytes) return
      const now = clock.now()
      await write({ _id: idOf(key), answer: value, created_at: new Date(now), expires_at: new Date(now + ttlMs), simulated })
    },
  }
}

/** Keys hold whole requests; an index entry must not. */
function idOf(key: string): string {
  return hash('sha256', key)
}
