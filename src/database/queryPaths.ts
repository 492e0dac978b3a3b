// Every query that the program makes, by its name: what it asks, in which order, how much at most, and the index that serves it.
// Invariant: data and pure builders; no path is without a bound, and no query is made that is not one of these.
import type { Document, ObjectId } from 'mongodb'
import type {
  AttemptDocument,
  BenchRunDocument,
  CachedAnswerDocument,
  CollectionName,
  CriticismDocument,
  EvaluationDocument,
  LogDocument,
  MetaDocument,
  ResponseDocument,
  SelectionDocument,
  SessionDocument,
  SessionStatus,
  ThreadDocument,
} from './documents.ts'
import { aggregate, find, united, type FindPlan, type Listed } from './queryPath.ts'

interface Page {
  /** 1-200. @default 20 */
  readonly limit?: number
  /** Only what is older than this: the place where the last page ended. */
  readonly before?: Date
  /** What was made in that very ms too, but these, which were on the last page. */
  readonly except?: readonly ObjectId[]
}

/** A page has 200 rows at most; one row more tells whether there is another page. */
const mostRows = 201
const pageOf = ({ limit = 20 }: Page): number => Math.min(Math.max(1, limit), mostRows)
const olderThan = ({ before, except }: Page): Document => {
  if (before === undefined) return {}
  return except === undefined ? { created_at: { $lt: before } } : { created_at: { $lte: before }, _id: { $nin: [...except] } }
}
/** Newest first; what was made in the same ms, in one order. */
const newestFirst = { created_at: -1 } as const

export interface SessionsPage extends Page {
  readonly userId: string
}
export interface ThreadsPage extends Page {
  readonly sessionId: ObjectId
}
const sessionsOfUser = (params: SessionsPage): FindPlan => ({
  filter: { user_id: params.userId, ...olderThan(params) },
  projection: { session_start: 1, status: 1, total_cost: 1 },
  sort: newestFirst,
  limit: pageOf(params),
})
const threadsOfSession = (params: ThreadsPage): FindPlan => ({
  filter: { session_id: params.sessionId, ...olderThan(params) },
  projection: { result: 0 },
  sort: newestFirst,
  limit: pageOf(params),
})
/** As many lists are read at once. */
export const mostLists = 20

/** As many ids are looked up at once. */
const mostIds = 200
const amongIds = (ids: readonly ObjectId[]): { readonly filter: Document; readonly limit: number } => {
  const few = ids.slice(0, mostIds)
  return { filter: { _id: { $in: few } }, limit: Math.max(1, few.length) }
}

/** The most rows that the parts of one thread are read in. */
const mostParts = 1_000
/** A log entry a row: an orchestration writes some dozens, ten iterations with many critics some hundreds. */
const mostLogEntries = 10_000

export type SessionRow = Pick<SessionDocument, '_id' | 'session_start' | 'status' | 'total_cost'>
/** As the service tells it. */
export type ThreadListRow = Omit<ThreadDocument, 'result'>
export type ThreadRow = Omit<ThreadDocument, 'result' | 'final_response'>

/** One model's part in a session. */
export interface AnalyticsRow {
  /** `provider/model`. */
  readonly _id: string
  readonly total_tokens: number
  readonly total_cost: number
  readonly avg_response_time: number
  readonly count: number
}

export interface RollupKey {
  readonly day: Date
  readonly simulated: boolean
  readonly model: string
}

/** One model's part in one of several sessions. */
export interface SessionAnalyticsRow extends Omit<AnalyticsRow, '_id'> {
  readonly _id: { readonly session: ObjectId; readonly model: string }
}

/** A model's part in a period. */
export interface PeriodRow extends Omit<AnalyticsRow, 'avg_response_time'> {
  readonly total_response_time: number
}

export interface MeasuredRow {
  /** `provider/model`. */
  readonly _id: string
  readonly calls: number
  readonly succeeded: number
  /** Mean of the calls that succeeded, else of them all. */
  readonly latency_ms: number | null
  /** Mean of the calls that succeeded and whose price is known. */
  readonly cost_usd: number | null
  readonly quality: number | null
  /** The verdicts on its answers by the domain of the prompt; null: not told. */
  readonly domains: readonly { readonly domain: string | null; readonly verdicts: number; readonly quality: number | null }[]
}

const sumsOfResponses = {
  total_tokens: { $sum: '$tokens_used' },
  total_cost: { $sum: '$cost_usd' },
  avg_response_time: { $avg: '$response_time_ms' },
  count: { $sum: 1 },
}
/** The models of a session, the dearest first. */
export const mostModels = 200
const byModel: readonly Document[] = [
  { $group: { _id: '$model_name', ...sumsOfResponses } },
  { $sort: { total_cost: -1, _id: 1 } },
  { $limit: mostModels },
]
/** When there are as many, some may be missing. */
export const mostSessionModels = 10_000

export const queryPaths = {
  sessionsOfUser: find<SessionsPage, SessionRow>({
    name: 'sessions of a user',
    collection: 'user_sessions',
    index: 'user_id_1_created_at_-1',
    build: sessionsOfUser,
  }),
  sessionsOfUsers: aggregate<{ readonly lists: readonly SessionsPage[] }, SessionRow & Listed>({
    name: 'sessions of several users',
    collection: 'user_sessions',
    index: 'user_id_1_created_at_-1',
    build: ({ lists }) => united('user_sessions', lists.slice(0, mostLists).map(sessionsOfUser)),
  }),
  sessionsByStatus: find<{ readonly status: SessionStatus; readonly limit?: number }, SessionRow>({
    name: 'sessions by status',
    collection: 'user_sessions',
    index: 'status_1_session_start_-1',
    build: (params) => ({
      filter: { status: params.status },
      projection: { session_start: 1, status: 1, total_cost: 1 },
      sort: { session_start: -1 },
      limit: pageOf(params),
    }),
  }),
  sessionById: find<{ readonly sessionId: ObjectId }, SessionDocument>({
    name: 'session by id',
    collection: 'user_sessions',
    index: '_id_',
    build: ({ sessionId }) => ({ filter: { _id: sessionId }, limit: 1 }),
  }),
  sessionsById: find<{ readonly sessionIds: readonly ObjectId[] }, SessionDocument>({
    name: 'sessions by id',
    collection: 'user_sessions',
    index: '_id_',
    build: ({ sessionIds }) => amongIds(sessionIds),
  }),
  threadsOfSession: find<ThreadsPage, ThreadListRow>({
    name: 'threads of a session',
    collection: 'conversation_threads',
    index: 'session_id_1_created_at_-1',
    build: threadsOfSession,
  }),
  threadsOfSessions: aggregate<{ readonly lists: readonly ThreadsPage[] }, ThreadListRow & Listed>({
    name: 'threads of several sessions',
    collection: 'conversation_threads',
    index: 'session_id_1_created_at_-1',
    build: ({ lists }) => united('conversation_threads', lists.slice(0, mostLists).map(threadsOfSession)),
  }),
  threadsOfDomain: find<Page & { readonly domain: string }, ThreadRow>({
    name: 'threads of a domain',
    collection: 'conversation_threads',
    index: 'domain_1_created_at_-1',
    build: (params) => ({
      filter: { domain: params.domain, ...olderThan(params) },
      projection: { result: 0, final_response: 0 },
      sort: newestFirst,
      limit: pageOf(params),
    }),
  }),
  recentRuns: find<Page, ThreadRow>({
    name: 'recent runs',
    collection: 'conversation_threads',
    index: 'created_at_-1',
    build: (params) => ({
      filter: olderThan(params),
      projection: { result: 0, final_response: 0 },
      sort: newestFirst,
      limit: pageOf(params),
    }),
  }),
  unfinishedRuns: find<Page, ThreadRow>({
    name: 'unfinished runs',
    collection: 'conversation_threads',
    index: 'thread_status_1_created_at_-1',
    build: (params) => ({
      filter: { thread_status: 'active', ...olderThan(params) },
      projection: { result: 0, final_response: 0 },
      sort: newestFirst,
      limit: pageOf(params),
    }),
  }),
  runsWithWords: find<{ readonly words: string; readonly limit?: number }, ThreadRow>({
    name: 'runs with words in the prompt',
    collection: 'conversation_threads',
    index: 'original_prompt_text',
    build: (params) => ({
      filter: { $text: { $search: params.words } },
      projection: { result: 0, final_response: 0 },
      limit: pageOf(params),
    }),
  }),
  runById: find<{ readonly runId: string }, ThreadDocument>({
    name: 'run by id',
    collection: 'conversation_threads',
    index: 'run_id_1_created_at_-1',
    build: ({ runId }) => ({ filter: { run_id: runId }, sort: newestFirst, limit: 1 }),
  }),
  threadById: find<{ readonly threadId: ObjectId }, ThreadDocument>({
    name: 'thread by id',
    collection: 'conversation_threads',
    index: '_id_',
    build: ({ threadId }) => ({ filter: { _id: threadId }, limit: 1 }),
  }),
  threadsById: find<{ readonly threadIds: readonly ObjectId[] }, ThreadDocument>({
    name: 'threads by id',
    collection: 'conversation_threads',
    index: '_id_',
    build: ({ threadIds }) => amongIds(threadIds),
  }),
  responsesOfThread: find<{ readonly threadId: ObjectId }, ResponseDocument>({
    name: 'responses of a thread',
    collection: 'model_responses',
    index: 'thread_id_1_iteration_1',
    build: ({ threadId }) => ({ filter: { thread_id: threadId }, sort: { iteration: 1 }, limit: mostParts }),
  }),
  responsesOfModel: find<Page & { readonly model: string }, Omit<ResponseDocument, 'response_text'>>({
    name: 'responses of a model',
    collection: 'model_responses',
    index: 'model_name_1_created_at_-1',
    build: (params) => ({
      filter: { model_name: params.model, ...olderThan(params) },
      projection: { response_text: 0 },
      sort: newestFirst,
      limit: pageOf(params),
    }),
  }),
  evaluationsOfThread: find<{ readonly threadId: ObjectId }, EvaluationDocument>({
    name: 'evaluations of a thread',
    collection: 'model_evaluations',
    index: 'thread_id_1_iteration_1',
    build: ({ threadId }) => ({ filter: { thread_id: threadId }, sort: { iteration: 1 }, limit: mostParts }),
  }),
  criticismOfThread: find<{ readonly threadId: ObjectId }, CriticismDocument>({
    name: 'answers to criticism of a thread',
    collection: 'criticism_responses',
    index: 'thread_id_1_iteration_1',
    build: ({ threadId }) => ({ filter: { thread_id: threadId }, sort: { iteration: 1 }, limit: mostParts }),
  }),
  selectionsOfThread: find<{ readonly threadId: ObjectId }, SelectionDocument>({
    name: 'selections of a thread',
    collection: 'model_selection_history',
    index: 'thread_id_1_iteration_1',
    build: ({ threadId }) => ({ filter: { thread_id: threadId }, sort: { iteration: 1 }, limit: mostParts }),
  }),
  logOfThread: find<{ readonly threadId: ObjectId; readonly started: Date }, LogDocument>({
    name: 'log of a thread',
    collection: 'orchestration_logs',
    index: 'thread_id_1_run_started_1_seq_1',
    build: ({ threadId, started }) => ({
      filter: { thread_id: threadId, run_started: started },
      sort: { seq: 1 },
      limit: mostLogEntries,
    }),
  }),
  lastLogOfThread: find<{ readonly threadId: ObjectId }, Pick<LogDocument, '_id' | 'run_started' | 'seq'>>({
    name: 'last log entry of a thread',
    collection: 'orchestration_logs',
    index: 'thread_id_1_run_started_1_seq_1',
    build: ({ threadId }) => ({
      filter: { thread_id: threadId },
      projection: { run_started: 1, seq: 1 },
      sort: { run_started: -1, seq: -1 },
      limit: 1,
    }),
  }),
  sessionAnalytics: aggregate<{ readonly sessionId: ObjectId }, AnalyticsRow>({
    name: 'analytics of a session',
    collection: 'model_responses',
    index: 'session_id_1_model_name_1_tokens_used_1_cost_usd_1_response_time_ms_1',
    build: ({ sessionId }) => [{ $match: { session_id: sessionId } }, ...byModel],
  }),
  sessionsAnalytics: aggregate<{ readonly sessionIds: readonly ObjectId[] }, AnalyticsRow>({
    name: 'analytics of several sessions',
    collection: 'model_responses',
    index: 'session_id_1_model_name_1_tokens_used_1_cost_usd_1_response_time_ms_1',
    build: ({ sessionIds }) => [{ $match: { session_id: { $in: sessionIds.slice(0, mostIds) } } }, ...byModel],
  }),
  analyticsOfEachSession: aggregate<{ readonly sessionIds: readonly ObjectId[] }, SessionAnalyticsRow>({
    name: 'analytics of each of several sessions',
    collection: 'model_responses',
    index: 'session_id_1_model_name_1_tokens_used_1_cost_usd_1_response_time_ms_1',
    build: ({ sessionIds }) => [
      { $match: { session_id: { $in: sessionIds.slice(0, mostIds) } } },
      { $group: { _id: { session: '$session_id', model: '$model_name' }, ...sumsOfResponses } },
      { $sort: { total_cost: -1, _id: 1 } },
      { $limit: mostSessionModels },
    ],
  }),
  responsesOfPeriod: aggregate<{ readonly from: Date; readonly to: Date }, { readonly _id: RollupKey } & Omit<PeriodRow, '_id'>>({
    name: 'responses of a period by day and model',
    mostMs: 18_000,
    collection: 'model_responses',
    index: 'created_at_1_simulated_1_model_name_1_tokens_used_1_cost_usd_1_response_time_ms_1',
    build: ({ from, to }) => [
      { $match: { created_at: { $gte: from, $lt: to } } },
      {
        $group: {
          _id: { day: { $dateTrunc: { date: '$created_at', unit: 'day' } }, simulated: '$simulated', model: '$model_name' },
          total_tokens: { $sum: '$tokens_used' },
          total_cost: { $sum: '$cost_usd' },
          total_response_time: { $sum: '$response_time_ms' },
          count: { $sum: 1 },
        },
      },
      { $limit: 100_000 },
    ],
  }),
  analyticsByDay: aggregate<{ readonly since: Date; readonly simulated: boolean }, AnalyticsRow>({
    name: 'analytics of all sessions',
    collection: 'algorithm_metrics',
    index: 'time_period_1_simulated_1_metric_date_-1_model_name_1',
    build: ({ since, simulated }) => [
      { $match: { time_period: 'day', simulated, metric_date: { $gte: since } } },
      {
        $group: {
          _id: '$model_name',
          total_tokens: { $sum: '$total_tokens' },
          total_cost: { $sum: '$total_cost' },
          total_response_time: { $sum: '$total_response_time_ms' },
          count: { $sum: '$calls' },
        },
      },
      { $addFields: { avg_response_time: { $divide: ['$total_response_time', '$count'] } } },
      { $project: { total_response_time: 0 } },
      { $sort: { total_cost: -1, _id: 1 } },
      { $limit: 200 },
    ],
  }),
  benchRuns: find<Page, Omit<BenchRunDocument, 'data'>>({
    name: 'bench runs',
    collection: 'bench_runs',
    index: 'created_at_-1',
    build: (params) => ({ filter: olderThan(params), projection: { data: 0 }, sort: newestFirst, limit: pageOf(params) }),
  }),
  benchRunById: find<{ readonly id: ObjectId }, BenchRunDocument>({
    name: 'bench run by id',
    collection: 'bench_runs',
    index: '_id_',
    build: ({ id }) => ({ filter: { _id: id }, limit: 1 }),
  }),
  costOfSession: aggregate<{ readonly sessionId: ObjectId }, { readonly total_cost: number }>({
    name: 'cost of a session',
    collection: 'conversation_threads',
    index: 'session_id_1_total_cost_1',
    build: ({ sessionId }) => [{ $match: { session_id: sessionId } }, { $group: { _id: null, total_cost: { $sum: '$total_cost' } } }],
  }),
  answerOfStep: find<{ readonly step: string }, Pick<AttemptDocument, '_id' | 'answer' | 'cost_usd'>>({
    name: 'answer of a step',
    collection: 'model_attempts',
    index: 'step_1_state_1',
    build: ({ step }) => ({ filter: { step, state: 'ok' }, projection: { answer: 1, cost_usd: 1 }, limit: 1 }),
  }),
  spentOnThread: aggregate<{ readonly threadId: string }, { readonly cost_usd: number; readonly tokens: number }>({
    name: 'what a thread has cost so far',
    collection: 'model_attempts',
    index: 'step_1_state_1',
    // A step begins with its thread and a slash, behind which 0 is the next character.
    build: ({ threadId }) => [
      { $match: { step: { $gte: `${threadId}/`, $lt: `${threadId}0` } } },
      { $limit: mostParts },
      {
        $group: {
          _id: null,
          cost_usd: { $sum: '$cost_usd' },
          tokens: { $sum: { $add: [{ $ifNull: ['$usage.inputTokens', 0] }, { $ifNull: ['$usage.outputTokens', 0] }] } },
        },
      },
    ],
  }),
  measuredModels: aggregate<{ readonly simulated: boolean; readonly since: Date }, MeasuredRow>({
    name: 'what was measured of models',
    collection: 'model_attempts',
    index: 'simulated_1_created_at_-1',
    build: ({ simulated, since }) => {
      const recent = [{ $match: { simulated, created_at: { $gte: since } } }, { $sort: newestFirst }, { $limit: 2_000 }]
      const succeeded = { $eq: ['$state', 'ok'] }
      return [
        ...recent,
        // What never left or has not come back says nothing of the model.
        { $match: { state: { $in: ['ok', 'error', 'timeout'] } } },
        {
          $project: {
            _id: 0,
            model: '$model_name',
            call: { $literal: 1 },
            ok: { $cond: [succeeded, 1, 0] },
            ms: { $cond: [succeeded, '$latency_ms', null] },
            anyMs: '$latency_ms',
            cost: { $cond: [succeeded, '$cost_usd', null] },
          },
        },
        {
          $unionWith: {
            coll: 'model_evaluations' satisfies CollectionName,
            pipeline: [
              ...recent,
              { $project: { _id: 0, model: '$evaluated_model', score: '$overall_score', domain: { $ifNull: ['$domain', null] } } },
            ],
          },
        },
        // Each row is a call or a verdict; the verdicts of a domain are summed first, so that a model's mean is that of them all.
        {
          $group: {
            _id: { model: '$model', domain: '$domain' },
            calls: { $sum: '$call' },
            succeeded: { $sum: '$ok' },
            ms: { $avg: '$ms' },
            anyMs: { $avg: '$anyMs' },
            cost: { $avg: '$cost' },
            points: { $sum: '$score' },
            verdicts: { $sum: { $cond: [{ $isNumber: '$score' }, 1, 0] } },
          },
        },
        {
          $group: {
            _id: '$_id.model',
            calls: { $sum: '$calls' },
            succeeded: { $sum: '$succeeded' },
            // Calls have no domain: all of them are in one group.
            ms: { $max: '$ms' },
            anyMs: { $max: '$anyMs' },
            cost: { $max: '$cost' },
            points: { $sum: '$points' },
            verdicts: { $sum: '$verdicts' },
            domains: {
              $push: {
                domain: { $ifNull: ['$_id.domain', null] },
                verdicts: '$verdicts',
                quality: { $cond: [{ $gt: ['$verdicts', 0] }, { $divide: ['$points', '$verdicts'] }, null] },
              },
            },
          },
        },
        { $match: { _id: { $type: 'string' }, calls: { $gt: 0 } } },
        {
          $project: {
            calls: 1,
            succeeded: 1,
            domains: 1,
            quality: { $cond: [{ $gt: ['$verdicts', 0] }, { $divide: ['$points', '$verdicts'] }, null] },
            latency_ms: { $ifNull: ['$ms', '$anyMs'] },
            cost_usd: '$cost',
          },
        },
        { $limit: 500 },
      ]
    },
  }),
  cachedAnswers: find<{ readonly ids: readonly string[]; readonly simulated: boolean; readonly now: Date }, CachedAnswerDocument>({
    name: 'cached answers',
    collection: 'response_cache',
    index: '_id_',
    // MongoDB removes what has expired about once a minute; until then it is there and must not be served.
    build: ({ ids, simulated, now }) => ({
      filter: { _id: { $in: ids.slice(0, mostParts) }, simulated, expires_at: { $gt: now } },
      limit: Math.max(1, Math.min(ids.length, mostParts)),
    }),
  }),
  meta: find<{ readonly id: string }, MetaDocument>({
    name: 'mark of orx',
    collection: 'orx_meta',
    index: '_id_',
    build: ({ id }) => ({ filter: { _id: id }, limit: 1 }),
  }),
} as const
