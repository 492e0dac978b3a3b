// What the service reads and writes. Invariant: every read is a named query path; a document is what the recorder writes.
import { ObjectId, type Db } from 'mongodb'
import { OrxError } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { bounded } from '../database/connection.ts'
import { collectionOf, type SessionDocument, type SessionStatus, type ThreadDocument } from '../database/documents.ts'
import { newThread } from '../database/record/runDocuments.ts'
import { runAggregate, runFind } from '../database/queryPath.ts'
import { queryPaths, type AnalyticsRow, type SessionRow } from '../database/queryPaths.ts'

export interface StoreOptions {
  /** Reads the primary: what was just written is there. */
  readonly db: Db
  /** For lists and analytics. */
  readonly reads: Db
  readonly clock: Clock
  newId(): string
}

/** Where a list goes on: the time of the last row, and the rows of that very ms that were told. */
export interface Cursor {
  readonly beforeMs: number
  readonly except: readonly string[]
}

export interface PageOf<Row> {
  readonly rows: readonly Row[]
  readonly next: Cursor | null
}

export interface Store {
  createSession(userId: string, settings: Readonly<Record<string, unknown>>): Promise<SessionDocument>
  findSession(id: ObjectId): Promise<SessionDocument | null>
  /** Null: there is none. */
  setStatus(id: ObjectId, status: SessionStatus): Promise<SessionDocument | null>
  sessionsOfUser(userId: string, limit: number, cursor: Cursor | null): Promise<PageOf<SessionRow>>
  createThread(sessionId: ObjectId, prompt: string, domain: string | null): Promise<ThreadDocument>
  findThread(id: ObjectId): Promise<ThreadDocument | null>
  threadsOfSession(sessionId: ObjectId, limit: number, cursor: Cursor | null): Promise<PageOf<ThreadDocument>>
  analyticsOfSession(id: ObjectId): Promise<readonly AnalyticsRow[]>
  /** Of the newest 200 sessions of the user. */
  analyticsOfUser(userId: string): Promise<readonly AnalyticsRow[]>
}

const defaultIterations = 5
const analysedSessions = 200
const writeMs = 8_000

export function makeStore({ db, reads, clock, newId }: StoreOptions): Store {
  const before = (cursor: Cursor | null) =>
    cursor === null ? {} : { before: new Date(cursor.beforeMs), except: cursor.except.map((id) => new ObjectId(id)) }
  const page = <Row extends { readonly _id: ObjectId }>(
    found: readonly Row[],
    limit: number,
    at: (row: Row) => Date,
    cursor: Cursor | null,
  ): PageOf<Row> => {
    const rows = found.slice(0, limit)
    const last = rows.at(-1)
    if (found.length <= limit || last === undefined) return { rows, next: null }
    const beforeMs = at(last).getTime()
    const same = rows.filter((row) => at(row).getTime() === beforeMs).map(({ _id }) => _id.toHexString())
    const except = cursor?.beforeMs === beforeMs ? [...cursor.except, ...same] : same
    return { rows, next: { beforeMs, except } }
  }
  const write = <T>(operation: () => Promise<T>): Promise<T> => bounded(clock, writeMs, operation)
  return {
    createSession: async (userId, settings) => {
      const now = new Date(clock.now())
      const session: SessionDocument = {
        _id: new ObjectId(newId()),
        user_id: userId,
        session_start: now,
        session_end: null,
        status: 'active',
        max_iterations: defaultIterations,
        total_cost: 0,
        settings,
        created_at: now,
        updated_at: now,
        simulated: false,
      }
      await write(() => collectionOf(db, 'user_sessions').insertOne(session, { writeConcern: { w: 'majority' } }))
      return session
    },
    findSession: async (sessionId) => (await runFind(db, queryPaths.sessionById, { sessionId }))[0] ?? null,
    setStatus: async (id, status) => {
      const now = new Date(clock.now())
      const change = { status, updated_at: now, session_end: status === 'active' ? null : now }
      return write(() =>
        collectionOf(db, 'user_sessions').findOneAndUpdate(
          { _id: id },
          { $set: change },
          { returnDocument: 'after', writeConcern: { w: 'majority' } },
        ),
      )
    },
    sessionsOfUser: async (userId, limit, cursor) => {
      const rows = await runFind(reads, queryPaths.sessionsOfUser, { userId, limit: limit + 1, ...before(cursor) })
      // A session begins when it is made.
      return page(rows, limit, ({ session_start }) => session_start, cursor)
    },
    createThread: async (sessionId, prompt, domain) => {
      const [session] = await runFind(db, queryPaths.sessionById, { sessionId })
      if (session === undefined)
        throw new OrxError('not_found', `there is no session ${sessionId.toHexString()}`, { hint: 'Create it: POST /api/sessions' })
      const id = newId()
      const thread = newThread({
        _id: new ObjectId(id),
        session_id: sessionId,
        run_id: id,
        original_prompt: prompt,
        domain,
        created_at: new Date(clock.now()),
        simulated: false,
      })
      await write(() => collectionOf(db, 'conversation_threads').insertOne(thread, { writeConcern: { w: 'majority' } }))
      return thread
    },
    findThread: async (threadId) => (await runFind(db, queryPaths.threadById, { threadId }))[0] ?? null,
    threadsOfSession: async (sessionId, limit, cursor) => {
      const rows = await runFind(reads, queryPaths.threadsOfSession, { sessionId, limit: limit + 1, ...before(cursor) })
      return page(rows, limit, ({ created_at }) => created_at, cursor)
    },
    analyticsOfSession: (sessionId) => runAggregate(reads, queryPaths.sessionAnalytics, { sessionId }),
    analyticsOfUser: async (userId) => {
      const sessions = await runFind(reads, queryPaths.sessionsOfUser, { userId, limit: analysedSessions })
      if (sessions.length === 0) return []
      return runAggregate(reads, queryPaths.sessionsAnalytics, { sessionIds: sessions.map(({ _id }) => _id) })
    },
  }
}
