// The recorder hears a run's events and writes its documents, beside the run and never in its way.
// Invariant: what it took is written in its order, again and again while the outcome is unknown, or flush says that it is not persisted.
import { ObjectId, type Db } from 'mongodb'
import { OrxError } from '../../core/errors.ts'
import { sleep, type Clock } from '../../core/runtime.ts'
import type { RunEvent } from '../../orchestration/events.ts'
import { bounded, databaseError } from '../connection.ts'
import type { CollectionName, SessionDocument, SessionStatus } from '../documents.ts'
import { runAggregate } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import { writeDurably, type DurableWrite } from './durableWrites.ts'
import { initialTranslation, stages, translate, type TranslateOptions, type TranslateState, type Write } from './translate.ts'

export interface RecorderOptions extends Pick<TranslateOptions, 'fold'> {
  readonly db: Db
  readonly clock: Clock
  /** How long a log entry is kept, ms. @default 30 days */
  readonly logTtlMs?: number
  /** How long a flush waits for a database that does not answer, ms. @default 3_000 */
  readonly flushMs?: number
}

export interface NewSession {
  /** 24 hex digits. */
  readonly id: string
  readonly userId: string
  readonly maxIterations: number
  readonly settings: Readonly<Record<string, unknown>>
  readonly simulated: boolean
}

export interface Recorded {
  /** Whether everything is acknowledged by a majority. */
  readonly persisted: boolean
  /** Why it is not. */
  readonly problem?: OrxError
}

export interface RunRecord {
  /** Takes an event; returns at once and never throws. */
  listen(event: RunEvent): void
  /** Waits until the run is written, within flushMs. Never rejects. */
  flush(): Promise<Recorded>
}

export interface Recorder {
  openSession(session: NewSession): void
  /** The record of one run; its session is that of its run-started. */
  run(): RunRecord
  closeSession(sessionId: string, status: Exclude<SessionStatus, 'active'>): void
  /** Waits until everything is written, within flushMs. Never rejects. */
  flush(): Promise<Recorded>
}

/** Whoever's writes these are: a run, or the sessions. */
interface Owner {
  outstanding: number
  problem: OrxError | null
  sessionId: ObjectId | null
}

interface Entry {
  readonly owner: Owner
  readonly writes: readonly Write[]
  readonly sizeBytes: number
}

/** One commit takes this long at most; a server that starts again after a crash takes half a second. */
const commitMs = 2_500
/** How long nothing is tried after a commit that failed, unless somebody waits. */
const pauseMs = 1_000
/** How long a flush waits for a sign of life of a database that was lost. */
const lostMs = 250
const mostEntries = 500
const mostBytes = 67_108_864
const logTtlDefaultMs = 30 * 24 * 3_600_000

export function makeRecorder({ db, clock, fold, logTtlMs = logTtlDefaultMs, flushMs = 3_000 }: RecorderOptions): Recorder {
  const pending: Entry[] = []
  let pendingBytes = 0
  let pumping: Promise<void> | null = null
  let pausedUntilMs = 0
  /** Why the last commit failed; null while the database answers. */
  let lost: OrxError | null = null
  const sessions: Owner = { outstanding: 0, problem: null, sessionId: null }
  /** The first document that could not be written at all. */
  let firstProblem: OrxError | null = null
  const fail = (owner: Owner, problem: OrxError): void => {
    owner.problem ??= problem
    firstProblem ??= problem
  }

  const take = (owner: Owner, writes: readonly Write[], sizeBytes: number): void => {
    if (pendingBytes + sizeBytes > mostBytes) {
      const problem = `Expected MongoDB to keep up with the record, but ${mostBytes} bytes wait for it already`
      fail(owner, new OrxError('database_failed', problem, { hint: 'Look at the database: orx doctor' }))
      return
    }
    pending.push({ owner, writes, sizeBytes })
    pendingBytes += sizeBytes
    owner.outstanding += 1
    if (clock.monotonicMs() >= pausedUntilMs) void pump()
  }

  const pump = (): Promise<void> => {
    pumping ??= commitPending().finally(() => {
      pumping = null
    })
    return pumping
  }

  const commitPending = async (): Promise<void> => {
    // What the same moment brings is written together.
    await Promise.resolve()
    while (pending.length > 0) {
      const group = pending.slice(0, mostEntries)
      lost = await commit(group)
      if (lost !== null) {
        pausedUntilMs = clock.monotonicMs() + pauseMs
        return
      }
      for (const { owner, sizeBytes } of pending.splice(0, group.length)) {
        owner.outstanding -= 1
        pendingBytes -= sizeBytes
      }
    }
  }

  /** Null when the database has answered for each write; else why it has not. */
  const commit = async (group: readonly Entry[]): Promise<OrxError | null> => {
    const untilMs = clock.monotonicMs() + commitMs
    for (const stage of stages) {
      const unreachable = await writeStage(group, stage, untilMs)
      if (unreachable !== null) return unreachable
      if (stage === 'thread-end') {
        const failure = await sumSessions(group, untilMs)
        if (failure !== null) return failure
      }
    }
    return null
  }

  const writeStage = async (group: readonly Entry[], stage: Write['stage'], untilMs: number): Promise<OrxError | null> => {
    const lots = new Map<CollectionName, { readonly owner: Owner; readonly operation: DurableWrite }[]>()
    for (const { owner, writes } of group) {
      for (const { operation, collection, stage: due } of writes) {
        if (due !== stage) continue
        const lot = lots.get(collection) ?? []
        lot.push({ owner, operation })
        lots.set(collection, lot)
      }
    }
    const written = [...lots].map(async ([collection, lot]) => {
      const operations = lot.map(({ operation }) => operation)
      const outcomes = await writeDurably(db, clock, collection, operations, untilMs - clock.monotonicMs())
      const unreachable = outcomes.find((outcome) => outcome?.code === 'database_unreachable') ?? null
      if (unreachable !== null) return unreachable
      for (const [index, { owner }] of lot.entries()) {
        const problem = outcomes[index]
        if (problem) fail(owner, problem)
      }
      return null
    })
    return (await Promise.all(written)).find((outcome) => outcome !== null) ?? null
  }

  /** Books on each session what its threads cost. A sum only grows, so of two that cross, the larger one stays. */
  const sumSessions = async (group: readonly Entry[], untilMs: number): Promise<OrxError | null> => {
    const ended = group.filter(({ writes }) => writes.some(({ stage }) => stage === 'thread-end'))
    const ids = new Map(
      ended.flatMap(({ owner: { sessionId } }) => (sessionId === null ? [] : [[sessionId.toHexString(), sessionId] as const])),
    )
    if (ids.size === 0) return null
    try {
      const read = (sessionId: ObjectId) =>
        bounded(clock, untilMs - clock.monotonicMs(), (signal) => runAggregate(db, queryPaths.costOfSession, { sessionId }, signal))
      const updates = [...ids.values()].map(async (sessionId): Promise<DurableWrite> => {
        const [row] = await read(sessionId)
        const update = { $max: { total_cost: row?.total_cost ?? 0 }, $set: { updated_at: new Date(clock.now()) } }
        return { updateOne: { filter: { _id: sessionId }, update } }
      })
      const outcomes = await writeDurably(db, clock, 'user_sessions', await Promise.all(updates), untilMs - clock.monotonicMs())
      return outcomes.find((outcome) => outcome !== null) ?? null
    } catch (error) {
      return databaseError(error)
    }
  }

  /** Whether a database that was lost answers again; it is given a moment to say so. */
  const isBack = async (): Promise<boolean> => {
    try {
      await bounded(clock, Math.min(flushMs, lostMs), () => db.command({ ping: 1 }))
      return true
    } catch {
      return false
    }
  }

  /** Waits for some writes; for a database that was lost already, and is not back, only that moment. */
  const settled = async (isDone: () => boolean): Promise<void> => {
    if (lost !== null && !isDone() && !(await isBack())) return
    const untilMs = clock.monotonicMs() + flushMs
    while (!isDone()) {
      const leftMs = untilMs - clock.monotonicMs()
      if (leftMs <= 0) return
      try {
        await bounded(clock, leftMs, pump)
      } catch (error) {
        lost = databaseError(error)
        return
      }
      if (!isDone()) await sleep(clock, 50)
    }
  }

  const recorded = (isDone: boolean, problem: OrxError | null): Recorded => {
    const reason = problem ?? (isDone ? null : lost)
    return reason === null ? { persisted: isDone } : { persisted: false, problem: reason }
  }

  return {
    openSession: (session) => take(sessions, [openingOf(session, new Date(clock.now()))], 1_000),
    closeSession: (sessionId, status) => take(sessions, [closingOf(sessionId, status, new Date(clock.now()))], 500),
    flush: async () => {
      const isDone = (): boolean => pending.length === 0
      await settled(isDone)
      return recorded(isDone(), firstProblem)
    },
    run: () => {
      const owner: Owner = { outstanding: 0, problem: null, sessionId: null }
      let state: TranslateState = initialTranslation
      return {
        listen: (event) => {
          if (event.type === 'call-texted') return
          try {
            const step = translate(state, event, { fold, logTtlMs })
            const sizeBytes = 2 * (step.state.logBytes - state.logBytes)
            state = step.state
            owner.sessionId = state.run?.sessionId ?? null
            if (step.writes.length > 0) take(owner, step.writes, sizeBytes)
          } catch (error) {
            fail(owner, databaseError(error))
          }
        },
        flush: async () => {
          const isDone = (): boolean => sessions.outstanding + owner.outstanding === 0
          await settled(isDone)
          return recorded(isDone(), owner.problem ?? sessions.problem)
        },
      }
    },
  }
}

function openingOf({ id, userId, maxIterations, settings, simulated }: NewSession, now: Date): Write {
  const fields: Omit<SessionDocument, '_id'> = {
    user_id: userId,
    session_start: now,
    session_end: null,
    status: 'active',
    max_iterations: maxIterations,
    total_cost: 0,
    settings,
    created_at: now,
    updated_at: now,
    simulated,
  }
  const filter = { _id: new ObjectId(id) }
  return {
    stage: 'session',
    collection: 'user_sessions',
    operation: { updateOne: { filter, update: { $setOnInsert: fields }, upsert: true } },
  }
}

function closingOf(sessionId: string, status: SessionStatus, now: Date): Write {
  const update = { $set: { status, session_end: now, updated_at: now } }
  return {
    stage: 'session-end',
    collection: 'user_sessions',
    operation: { updateOne: { filter: { _id: new ObjectId(sessionId) }, update } },
  }
}
