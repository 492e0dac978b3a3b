// The documents of the database, field by field, as they lie on disk: snake_case, ObjectIds, Dates, whole numbers for tokens, ms, USD.
// Invariant: every document says whether it is simulated; what is simulated never teaches the selection of real models.
import type { Collection, Db, ObjectId } from 'mongodb'
import type { ErrorCode } from '../core/errors.ts'
import type { CallOutcome, CallRole } from '../models/call.ts'
import type { ChatAnswer, ChatRequest, Usage } from '../models/chat.ts'
import type { Candidate, Complexity, RunEvent, RunResult, StopReason } from '../orchestration/events.ts'

export type SessionStatus = 'active' | 'completed' | 'terminated' | 'error'

export interface SessionDocument {
  readonly _id: ObjectId
  readonly user_id: string
  readonly session_start: Date
  readonly session_end: Date | null
  readonly status: SessionStatus
  readonly max_iterations: number
  readonly total_cost: number
  readonly settings: Readonly<Record<string, unknown>>
  readonly created_at: Date
  readonly updated_at: Date
  readonly simulated: boolean
}

export type ThreadStatus = 'active' | 'completed' | 'failed' | 'aborted'

/** A run's result as it is printed, without what the thread already says of it. */
export type StoredResult = Omit<RunResult, 'prompt' | 'finalResponse'>

export interface ThreadDocument {
  readonly _id: ObjectId
  readonly session_id: ObjectId
  /** The run's id: the caller's own where a file of prompts gives one, else 24 hex digits. */
  readonly run_id: string
  readonly original_prompt: string
  readonly domain: string | null
  readonly complexity_level: Complexity | null
  readonly language: string | null
  readonly thread_status: ThreadStatus
  readonly current_iteration: number
  /** `provider/model`. */
  readonly best_model_id: string | null
  readonly best_response_id: ObjectId | null
  readonly final_response: string | null
  readonly final_quality_score: number | null
  readonly stop_reason: StopReason | null
  readonly total_tokens_used: number
  /** Null when a price is unknown. */
  readonly total_cost: number | null
  readonly total_time_ms: number
  readonly created_at: Date
  readonly completed_at: Date | null
  readonly result: StoredResult | null
  readonly simulated: boolean
}

export interface ResponseDocument {
  readonly _id: ObjectId
  readonly thread_id: ObjectId
  readonly session_id: ObjectId
  readonly iteration: number
  /** `provider/model`. */
  readonly model_name: string
  readonly provider: string
  readonly role: CallRole
  /** Empty where the request brought no answer; a critic's criticism; at most 4 MiB. */
  readonly response_text: string
  readonly tokens_used: number
  readonly input_tokens: number
  readonly output_tokens: number
  /** Null when the price is unknown. */
  readonly cost_usd: number | null
  readonly response_time_ms: number
  readonly is_selected_best: boolean
  readonly status: CallOutcome
  readonly created_at: Date
  readonly simulated: boolean
}

export interface EvaluationDocument {
  readonly _id: ObjectId
  readonly thread_id: ObjectId
  readonly session_id: ObjectId
  readonly iteration: number
  readonly evaluated_response_id: ObjectId
  /** The author, so that a model's quality needs no join. */
  readonly evaluated_model: string | null
  /** Of the prompt, so that what a model is worth in each domain needs no join. Absent in documents of before it was kept. */
  readonly domain?: string | null
  readonly evaluator_model: string
  readonly criteria: Readonly<Record<string, number>>
  readonly overall_score: number
  readonly criticism: string
  readonly suggestions: readonly string[]
  readonly created_at: Date
  readonly simulated: boolean
}

export interface CriticismDocument {
  readonly _id: ObjectId
  readonly thread_id: ObjectId
  readonly session_id: ObjectId
  readonly iteration: number
  readonly original_response_id: ObjectId
  readonly response_id: ObjectId
  readonly responding_model: string
  /** Against the best so far; null without a score. */
  readonly improvement_score: number | null
  readonly created_at: Date
  readonly simulated: boolean
}

export interface SelectionDocument {
  readonly _id: ObjectId
  readonly thread_id: ObjectId
  readonly session_id: ObjectId
  readonly iteration: number
  readonly candidates: readonly Candidate[]
  readonly selected_model: string
  readonly critics: readonly string[]
  readonly algorithm_version: string
  readonly created_at: Date
  readonly simulated: boolean
}

export interface LogDocument {
  readonly _id: ObjectId
  readonly session_id: ObjectId
  readonly thread_id: ObjectId
  readonly log_level: 'debug' | 'info' | 'warning' | 'error'
  readonly component: 'engine' | 'caller' | 'judge'
  readonly event_type: RunEvent['type']
  /** The event as it was; null where the run's log has grown past its bound. */
  readonly details: RunEvent | null
  /** When the run started, and the event's place in it from 0: a thread that was taken up again has two logs. */
  readonly run_started: Date
  readonly seq: number
  readonly timestamp: Date
  readonly expires: Date
  readonly simulated: boolean
}

export type AttemptState = 'intended' | 'unsent' | CallOutcome

/** One try of a call: what was intended before it left, and how it ended. */
export interface AttemptDocument {
  readonly _id: ObjectId
  /** `thread/iteration/role/model/sample`. */
  readonly step: string
  readonly thread_id: ObjectId
  readonly run_id: string
  readonly iteration: number
  readonly role: CallRole
  readonly sample: number
  readonly try_number: number
  readonly provider: string
  /** `provider/model`. */
  readonly model_name: string
  /** SHA-256 of the whole request, and the request itself where it has at most 1 MiB. */
  readonly request_digest: string
  readonly request: ChatRequest | null
  readonly input_tokens_at_most: number
  readonly output_tokens_at_most: number
  readonly cost_at_most_usd: number | null
  readonly state: AttemptState
  readonly answer: ChatAnswer | null
  readonly usage: Usage | null
  /** What it is booked with: the reservation until it is settled. Null when the price is unknown. */
  readonly cost_usd: number | null
  readonly error_code: ErrorCode | null
  readonly error_message: string | null
  readonly latency_ms: number | null
  readonly created_at: Date
  readonly finished_at: Date | null
  readonly simulated: boolean
}

export interface CachedAnswerDocument {
  readonly _id: string
  readonly answer: unknown
  readonly created_at: Date
  readonly expires_at: Date
  readonly simulated: boolean
}

export interface MetaDocument {
  readonly _id: string
  readonly fingerprint: string
}

interface ModelProfileDocument {
  readonly _id: ObjectId
  /** `provider/model`. */
  readonly model_name: string
  readonly provider: string
  readonly specialties: readonly string[]
  /** USD per million tokens; null where nobody knows. */
  readonly price: { readonly input_per_million: number; readonly output_per_million: number } | null
  readonly limits: { readonly requests_per_minute: number | null; readonly tokens_per_minute: number | null }
  readonly is_active: boolean
  readonly is_available: boolean
  readonly performance_metrics: Readonly<Record<string, number>>
  readonly simulated: boolean
}

export interface AlgorithmMetricsDocument {
  readonly _id: ObjectId
  /** Where the period begins. */
  readonly metric_date: Date
  readonly time_period: 'hour' | 'day'
  readonly model_name: string
  readonly calls: number
  readonly total_tokens: number
  readonly total_cost: number
  readonly total_response_time_ms: number
  readonly simulated: boolean
}

/** An accepted run and its state; the truth of what is to be done. */
interface OrchestrationDocument {
  readonly _id: ObjectId
  readonly session_id: ObjectId
  readonly thread_id: ObjectId
  readonly prompt: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly priority: number
  readonly status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'
  /** Counts up each time somebody takes it; a write of an earlier holder matches nothing. */
  readonly fence: number
  readonly result: RunResult | null
  readonly created_at: Date
  readonly updated_at: Date
  readonly simulated: boolean
}

interface IdempotencyKeyDocument {
  readonly _id: string
  readonly body_digest: string
  readonly response_status: number
  readonly response_body: unknown
  readonly created_at: Date
  readonly expires: Date
  readonly simulated: boolean
}

export interface BenchRunDocument {
  readonly _id: ObjectId
  /** What `orx bench --json` prints in data. */
  readonly data: unknown
  readonly verdict: string
  readonly created_at: Date
  readonly simulated: boolean
}

interface PlanBaselineDocument {
  readonly _id: ObjectId
  readonly path: string
  readonly collection: string
  readonly docs_examined: number
  readonly latency_ms: number
  readonly created_at: Date
  readonly simulated: boolean
}

/** Every collection of the database, by its name. */
interface Documents {
  readonly user_sessions: SessionDocument
  readonly conversation_threads: ThreadDocument
  readonly model_responses: ResponseDocument
  readonly model_evaluations: EvaluationDocument
  readonly criticism_responses: CriticismDocument
  readonly model_selection_history: SelectionDocument
  readonly orchestration_logs: LogDocument
  readonly model_attempts: AttemptDocument
  readonly response_cache: CachedAnswerDocument
  readonly ai_model_profiles: ModelProfileDocument
  readonly algorithm_metrics: AlgorithmMetricsDocument
  readonly orchestrations: OrchestrationDocument
  readonly idempotency_keys: IdempotencyKeyDocument
  readonly bench_runs: BenchRunDocument
  readonly plan_baselines: PlanBaselineDocument
  /** Marks that orx makes for itself. */
  readonly orx_meta: MetaDocument
}

export type CollectionName = keyof Documents

export function collectionOf<Name extends CollectionName>(db: Db, name: Name): Collection<Documents[Name]> {
  return db.collection<Documents[Name]>(name)
}
