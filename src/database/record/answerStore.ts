// The response cache's second level: what one process paid for, the next one finds. MongoDB's TTL removes what has expired.
// Invariant: a cache never fails a call and never holds it up: an error, a slow answer or an expired entry is a miss.
import { createHash } from 'node:crypto'
import type { Db } from 'mongodb'
import type { Clock } from '../../core/runtime.ts'
import { bounded } from '../connection.ts'
import { collectionOf } from '../documents.ts'
import { runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import { storedTextLimitBytes } from './boundedText.ts'

export interface AnswerStoreOptions {
  readonly db: Db
  readonly clock: Clock
  /** Whether its answers are simulated; others are not seen. */
  readonly simulated: boolean
  /** How long a read or a write may take, ms. @default 500 */
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

export function makeAnswerStore<Value>({ db, clock, simulated, boundMs = 500 }: AnswerStoreOptions): AnswerStore<Value> {
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
  return {
    get: async (key, signal) => {
      if (signal.aborted) return undefined
      const params = { key: idOf(key), simulated, now: new Date(clock.now()) }
      const found = await attempt((bound) => runFind(db, queryPaths.cachedAnswer, params, bound))
      return found?.[0]?.answer as Value | undefined
    },
    set: async (key, value, ttlMs) => {
      if (Buffer.byteLength(JSON.stringify(value)) > storedTextLimitBytes) return
      const now = clock.now()
      const fields = { answer: value, created_at: new Date(now), expires_at: new Date(now + ttlMs), simulated }
      await attempt(() =>
        collectionOf(db, 'response_cache').updateOne({ _id: idOf(key) }, { $set: fields }, { upsert: true, ignoreUndefined: true }),
      )
    },
  }
}

/** Keys hold whole requests; an index entry must not. */
function idOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
