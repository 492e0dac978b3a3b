// What the service reads and writes. Invariant: every read is a named query path; a document is what the recorder writes; what was acknowledged is
// kept by a majority, and is there for whoever asks for its id after that.
import { ObjectId, type Db } from 'mongodb'
import { OrxError } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { bounded } from '../database/connection.ts'
import { collectionOf, type CollectionName, type SessionDocument, type SessionStatus, type ThreadDocument } from '../database/documents.ts'
import { writeDurably } from '../database/record/durableWrites.ts'
import { newThread } from '../database/record/runDocuments.ts'
import { runAggregate, runFind, type Listed } from '../database/queryPath.ts'
import {
  mostLists,
  mostModels,
  mostSessionModels,
  queryPaths,
  type AnalyticsRow,
  type SessionRow,
  type SessionsPage,
  type ThreadListRow,
  type ThreadsPage,
} from '../database/queryPaths.ts'
import { makeBatcher } from '../traffic/batcher.ts'
import { askTogether } from './together.ts'

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
  threadsOfSession(sessionId: ObjectId, limit: number, cursor: Cursor | null): Promise<PageOf<ThreadListRow>>
  analyticsOfSession(id: ObjectId): Promise<readonly AnalyticsRow[]>
  /** Of the newest 200 sessions of the user. */
  analyticsOfUser(userId: string): Promise<readonly AnalyticsRow[]>
}

const defaultIterations = 5
const analysedSessions = 200
const writeMs = 8_000
/** Longer texts are written by themselves: they would hold up the short ones. */
const mostGroupedChars = 8_192
const mostWrittenTogether = 1_000

const hexOf = (id: ObjectId): string => id.toHexString()

/** What the server says of a document that it refuses names its values: that is not for outside. */
function forOutside(problem: OrxError): Error {
  return problem.code === 'database_failed' ? new Error('MongoDB did not take a document', { cause: problem }) : problem
}

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
  const write = <T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T> => bounded(clock, writeMs, operation)
  const writes = makeBatcher<SessionDocument | ThreadDocument, void>({
    clock,
    leaves: 'when-back',
    maxSize: mostWrittenTogether,
    run: async (documents, collection) => {
      const operations = documents.map((document) => ({ insertOne: { document } }))
      const problems = await writeDurably(db, clock, collection as CollectionName, operations, writeMs)
      return problems.map((problem) => (problem === null ? { ok: true, value: undefined } : { ok: false, error: forOutside(problem) }))
    },
  })
  const insert = (collection: 'user_sessions' | 'conversation_threads', document: SessionDocument | ThreadDocument, chars: number) =>
    write<unknown>((signal) =>
      chars <= mostGroupedChars
        ? writes.add(document, collection, signal)
        : db.collection(collection).insertOne(document, { writeConcern: { w: 'majority' } }),
    )
  const byId = <Row extends { readonly _id: ObjectId }>(
    alone: (id: ObjectId) => Promise<readonly Row[]>,
    together: (ids: readonly ObjectId[]) => Promise<readonly Row[]>,
  ) =>
    askTogether<ObjectId, Row | null>({
      clock,
      keyOf: hexOf,
      alone: async (id) => (await alone(id))[0] ?? null,
      together: async (ids) => {
        const rows = new Map((await together(ids)).map((row) => [row._id.toHexString(), row]))
        return ids.map((id) => rows.get(id.toHexString()) ?? null)
      },
    })
  const sessionById = byId(
    (sessionId) => runFind(db, queryPaths.sessionById, { sessionId }),
    (sessionIds) => runFind(db, queryPaths.sessionsById, { sessionIds }),
  )
  const threadById = byId(
    (threadId) => runFind(db, queryPaths.threadById, { threadId }),
    (threadIds) => runFind(db, queryPaths.threadsById, { threadIds }),
  )
  const analyticsOfSession = askTogether<ObjectId, readonly AnalyticsRow[]>({
    clock,
    keyOf: hexOf,
    alone: (sessionId) => runAggregate(reads, queryPaths.sessionAnalytics, { sessionId }),
    together: async (sessionIds) => {
      const rows = await runAggregate(reads, queryPaths.analyticsOfEachSession, { sessionIds })
      if (rows.length === mostSessionModels) return null
      const bySession = new Map<string, AnalyticsRow[]>()
      for (const { _id, ...sums } of rows) {
        const session = _id.session.toHexString()
        const models = bySession.get(session) ?? []
        if (models.length < mostModels) models.push({ _id: _id.model, ...sums })
        bySession.set(session, models)
      }
      return sessionIds.map((id) => bySession.get(id.toHexString()) ?? [])
    },
  })
  const lists = <Params extends object, Row>(
    alone: (list: Params) => Promise<readonly Row[]>,
    together: (lists: readonly Params[]) => Promise<readonly (Row & Listed)[]>,
  ) =>
    askTogether<Params, readonly Row[]>({
      clock,
      keyOf: (params) => JSON.stringify(params),
      alone,
      together: async (params) => {
        const rows = params.map((): Row[] => [])
        for (const row of await together(params)) rows[row.list]?.push(row)
        return rows
      },
      most: mostLists,
    })
  const sessionsOfUser = lists(
    (params: SessionsPage) => runFind(reads, queryPaths.sessionsOfUser, params),
    (together) => runAggregate(reads, queryPaths.sessionsOfUsers, { lists: together }),
  )
  const threadsOfSession = lists(
    (params: ThreadsPage) => runFind(reads, queryPaths.threadsOfSession, params),
    (together) => runAggregate(reads, queryPaths.threadsOfSessions, { lists: together }),
  )
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
      await insert('user_sessions', session, JSON.stringify(settings).length)
      return session
    },
    findSession: sessionById,
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
      const rows = await sessionsOfUser({ userId, limit: limit + 1, ...before(cursor) })
      // A session begins when it is made.
      return page(rows, limit, ({ session_start }) => session_start, cursor)
    },
    createThread: async (sessionId, prompt, domain) => {
      if ((await sessionById(sessionId)) === null)
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
      await insert('conversation_threads', thread, prompt.length)
      return thread
    },
    findThread: threadById,
    threadsOfSession: async (sessionId, limit, cursor) => {
      const rows = await threadsOfSession({ sessionId, limit: limit + 1, ...before(cursor) })
      return page(rows, limit, ({ created_at }) => created_at, cursor)
    },
    analyticsOfSession,
    analyticsOfUser: async (userId) => {
      const sessions = await runFind(reads, queryPaths.sessionsOfUser, { userId, limit: analysedSessions })
      if (sessions.length === 0) return []
      return runAggregate(reads, queryPaths.sessionsAnalytics, { sessionIds: sessions.map(({ _id }) => _id) })
    },
  }
}
