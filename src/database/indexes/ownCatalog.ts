// The indexes of OrchestrateX as data. Invariant: each serves a query path of queryPaths.ts, or expires documents; lint.ts proves it.
import type { Document } from 'mongodb'
import type { CollectionName } from '../documents.ts'
import { queryPaths } from '../queryPaths.ts'
import type { Catalog, CatalogIndex } from './catalog.ts'
import { defaultName, keyOf } from './definition.ts'
import { ownPaths } from './ownPaths.ts'

type PathName = keyof typeof queryPaths

interface Entry {
  readonly why: string
  readonly serves?: readonly PathName[]
  readonly options?: Readonly<Document>
  readonly documented?: true
}

function index(collection: CollectionName, key: Readonly<Record<string, 1 | -1 | 'text'>>, entry: Entry): CatalogIndex {
  const parts = keyOf(key)
  const { why, serves = [], options = {}, documented } = entry
  return {
    collection,
    name: defaultName(parts),
    key: parts,
    options,
    why,
    serves: serves.map((name) => queryPaths[name].name),
    ...(documented && { documented }),
  }
}

const partsOfThread = { thread_id: 1, iteration: 1 } as const
const expires = (why: string): Entry => ({ why, options: { expireAfterSeconds: 0 } })

const indexes: readonly CatalogIndex[] = [
  // The six that the guide documents, letter for letter.
  index(
    'user_sessions',
    { user_id: 1, created_at: -1 },
    { why: 'lists the sessions of a user, newest first, without sorting', serves: ['sessionsOfUser', 'sessionsOfUsers'], documented: true },
  ),
  index(
    'user_sessions',
    { status: 1, session_start: -1 },
    { why: 'lists active or failed sessions, newest first', serves: ['sessionsByStatus'], documented: true },
  ),
  index(
    'conversation_threads',
    { session_id: 1, created_at: -1 },
    { why: 'lists the threads of a session, newest first', serves: ['threadsOfSession', 'threadsOfSessions'], documented: true },
  ),
  index(
    'conversation_threads',
    { domain: 1, created_at: -1 },
    { why: 'lists the threads of a domain, newest first', serves: ['threadsOfDomain'], documented: true },
  ),
  index(
    'model_responses',
    { thread_id: 1, iteration: 1 },
    { why: 'reads the answers of a thread in the order of its iterations', serves: ['responsesOfThread'], documented: true },
  ),
  index(
    'model_responses',
    { model_name: 1, created_at: -1 },
    { why: 'lists what a model answered, newest first', serves: ['responsesOfModel'], documented: true },
  ),
  // What the other queries of the program need.
  index(
    'model_responses',
    { session_id: 1, model_name: 1, tokens_used: 1, cost_usd: 1, response_time_ms: 1 },
    {
      why: 'answers the analytics of a session, of a user and of a model from the index alone, without reading a document',
      serves: ['sessionAnalytics', 'sessionsAnalytics', 'analyticsOfEachSession'],
    },
  ),
  index(
    'model_responses',
    { created_at: 1, simulated: 1, model_name: 1, tokens_used: 1, cost_usd: 1, response_time_ms: 1 },
    { why: 'adds up a period by day and model from the index alone, for the daily figures', serves: ['responsesOfPeriod'] },
  ),
  index(
    'algorithm_metrics',
    { time_period: 1, simulated: 1, metric_date: -1, model_name: 1 },
    {
      why: 'one row a day and model, found by day: analytics over everything reads some hundred rows instead of millions',
      serves: ['analyticsByDay'],
      options: { unique: true },
    },
  ),
  index('conversation_threads', { created_at: -1 }, { why: 'lists the newest runs of all sessions', serves: ['recentRuns'] }),
  index('conversation_threads', { run_id: 1, created_at: -1 }, { why: 'finds a run by the id that orx printed', serves: ['runById'] }),
  index(
    'conversation_threads',
    { session_id: 1, total_cost: 1 },
    { why: 'adds up what a session cost from the index alone', serves: ['costOfSession'] },
  ),
  index(
    'conversation_threads',
    { thread_status: 1, created_at: -1 },
    {
      why: 'lists the runs that were cut off; only those are in it, so it stays small',
      serves: ['unfinishedRuns'],
      options: { partialFilterExpression: { thread_status: 'active' } },
    },
  ),
  index(
    'conversation_threads',
    { original_prompt: 'text' },
    // Prompts come in every language: no stemming and no stop words of one of them. And the thread's own `language` may be null, which
    // MongoDB would refuse in a field that says in which language to search: so that is another, which no document has.
    {
      why: 'finds runs by words of their prompts',
      serves: ['runsWithWords'],
      options: { default_language: 'none', language_override: 'search_language' },
    },
  ),
  index('model_evaluations', partsOfThread, {
    why: 'reads what judges said of a thread in the order of its iterations',
    serves: ['evaluationsOfThread'],
  }),
  index(
    'model_evaluations',
    { simulated: 1, created_at: -1 },
    { why: 'reads the newest judgements, from which the choice of models learns', serves: ['measuredModels'] },
  ),
  index('criticism_responses', partsOfThread, {
    why: 'reads how a thread was refined in the order of its iterations',
    serves: ['criticismOfThread'],
  }),
  index('model_selection_history', partsOfThread, { why: 'reads why each model of a thread was chosen', serves: ['selectionsOfThread'] }),
  index(
    'orchestration_logs',
    { thread_id: 1, run_started: 1, seq: 1 },
    { why: 'tells a run again, event by event', serves: ['logOfThread', 'lastLogOfThread'] },
  ),
  index('orchestration_logs', { expires: 1 }, expires('removes log entries when they expire')),
  index(
    'model_attempts',
    { step: 1, state: 1 },
    { why: 'finds what was paid for already when a run goes on after a crash', serves: ['answerOfStep', 'spentOnThread'] },
  ),
  index(
    'model_attempts',
    { simulated: 1, created_at: -1 },
    { why: 'reads the newest calls, from which the choice of models learns', serves: ['measuredModels'] },
  ),
  index('response_cache', { expires_at: 1 }, expires('removes cached answers when they expire')),
  index('idempotency_keys', { expires: 1 }, expires('forgets the keys of requests after a day')),
  index('bench_runs', { created_at: -1 }, { why: 'lists the newest bench runs', serves: ['benchRuns'] }),
]

export const ownCatalog: Catalog = { indexes, paths: ownPaths }
