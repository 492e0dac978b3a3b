// The query paths of the program as the verifier runs them: the same builders, with parameters that are sampled from the collection.
// Invariant: every path of queryPaths.ts is here, built by its own builder.
import { ObjectId, type Document } from 'mongodb'
import type { FindPlan } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import type { CatalogPath, ParamSource } from './catalog.ts'

interface Proof {
  readonly params?: Readonly<Record<string, ParamSource>>
  readonly covered?: true
  readonly gain?: false
  readonly limitMs?: { readonly p99: number }
}

const anyId = new ObjectId('000000000000000000000000')
const text = (field: string): ParamSource => ({ field, fallback: 'none' })
const objectId = (field: string): ParamSource => ({ field, fallback: anyId })
const longAgo: ParamSource = { value: new Date(0) }
const flag = (field: string): ParamSource => ({ field, fallback: false })
const several = (field: string): ParamSource => ({ field, fallback: [anyId], many: 5 })
const lists = (field: string, of: (value: unknown) => object): ParamSource => ({ field, fallback: [of(anyId)], many: 5, map: of })
const thread = { params: { threadId: objectId('thread_id') } }
/** Documented figures, ms; the guide names no percentile, so they bind the 99th. */
const sessionMs = { p99: 10 }
const threadMs = { p99: 20 }
const analyticsMs = { p99: 100 }

const dayMs = 86_400_000
const firstWord = (value: unknown): unknown => /[\p{L}\p{N}]{4,}/u.exec(String(value))?.[0] ?? 'none'

const proofs: Readonly<Record<keyof typeof queryPaths, Proof>> = {
  sessionsOfUser: { params: { userId: text('user_id') }, limitMs: sessionMs },
  sessionsOfUsers: { params: { lists: lists('user_id', (userId) => ({ userId })) } },
  sessionsByStatus: { params: { status: text('status') }, limitMs: sessionMs },
  sessionById: { params: { sessionId: objectId('_id') }, limitMs: sessionMs },
  sessionsById: { params: { sessionIds: several('_id') }, limitMs: sessionMs },
  threadsOfSession: { params: { sessionId: objectId('session_id') }, limitMs: threadMs },
  threadsOfSessions: { params: { lists: lists('session_id', (sessionId) => ({ sessionId })) } },
  threadsOfDomain: { params: { domain: text('domain') }, limitMs: threadMs },
  recentRuns: { limitMs: threadMs },
  unfinishedRuns: { limitMs: threadMs },
  runsWithWords: { params: { words: { field: 'original_prompt', fallback: 'none', map: firstWord } } },
  runById: { params: { runId: text('run_id') }, limitMs: threadMs },
  threadById: { params: { threadId: objectId('_id') }, limitMs: threadMs },
  threadsById: { params: { threadIds: several('_id') }, limitMs: threadMs },
  responsesOfThread: thread,
  responsesOfModel: { params: { model: text('model_name') } },
  evaluationsOfThread: thread,
  criticismOfThread: thread,
  selectionsOfThread: thread,
  logOfThread: { params: { threadId: objectId('thread_id'), started: { field: 'run_started', fallback: new Date(0) } } },
  lastLogOfThread: thread,
  sessionAnalytics: { params: { sessionId: objectId('session_id') }, covered: true, limitMs: analyticsMs },
  sessionsAnalytics: { params: { sessionIds: several('session_id') }, covered: true, limitMs: analyticsMs },
  analyticsOfEachSession: { params: { sessionIds: several('session_id') }, covered: true, limitMs: analyticsMs },
  responsesOfPeriod: {
    params: {
      from: { field: 'created_at', fallback: new Date(0) },
      // An hour of it: a whole day of a small database is most of it.
      to: { field: 'created_at', fallback: new Date(dayMs), map: (value) => new Date(Number(value) + dayMs / 24) },
    },
    covered: true,
  },
  // It sums up all that the rollup has; what that spares is the responses themselves.
  analyticsByDay: { params: { since: longAgo, simulated: flag('simulated') }, gain: false, limitMs: analyticsMs },
  costOfSession: { params: { sessionId: objectId('session_id') }, covered: true },
  answerOfStep: { params: { step: text('step') } },
  spentOnThread: { params: { threadId: { field: 'step', fallback: 'none', map: (step) => String(step).split('/')[0] } } },
  measuredModels: { params: { simulated: flag('simulated'), since: longAgo } },
  benchRuns: {},
  benchRunById: { params: { id: objectId('_id') } },
  cachedAnswers: { params: { ids: { field: '_id', fallback: ['none'], many: 5 }, simulated: flag('simulated'), now: longAgo } },
  meta: { params: { id: text('_id') } },
}

export const ownPaths: readonly CatalogPath[] = Object.entries(queryPaths).map(([key, path]) => {
  const { params = {}, covered, gain, limitMs } = proofs[key as keyof typeof queryPaths]
  const common = {
    name: path.name,
    collection: path.collection,
    index: path.index,
    params,
    ...(covered && { covered }),
    ...(gain === false && { gain }),
    ...(limitMs && { limitMs }),
  }
  // Each builder takes the parameters that its proof samples; the table above pairs them by name.
  const build = path.build as (values: never) => FindPlan | Document[]
  return path.kind === 'find'
    ? { ...common, query: { kind: path.kind, build: (values) => build(values as never) as FindPlan } }
    : { ...common, query: { kind: path.kind, build: (values) => build(values as never) as Document[] } }
})
