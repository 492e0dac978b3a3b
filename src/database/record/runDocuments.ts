// One document for each thing that happens in a run. Pure: an event and its run in, a document out.
import { createHash } from 'node:crypto'
import { ObjectId } from 'mongodb'
import type { CallEvent } from '../../models/call.ts'
import type { RunEvent } from '../../orchestration/events.ts'
import type {
  CriticismDocument,
  EvaluationDocument,
  LogDocument,
  ResponseDocument,
  SelectionDocument,
  ThreadDocument,
} from '../documents.ts'
import { boundedText } from './boundedText.ts'

export type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { readonly type: Type }>
export type AttemptFinished = Extract<CallEvent, { readonly type: 'attempt-finished' }>

/** A run whose session and thread have ids: it has a database. */
export interface Run {
  readonly started: EventOf<'run-started'>
  readonly sessionId: ObjectId
  readonly threadId: ObjectId
}

export function runOf(started: EventOf<'run-started'>): Run | null {
  if (started.sessionId === null || started.threadId === null) return null
  return { started, sessionId: new ObjectId(started.sessionId), threadId: new ObjectId(started.threadId) }
}

/** A thread on which nothing has happened yet. */
export function newThread(
  known: Pick<ThreadDocument, '_id' | 'session_id' | 'run_id' | 'original_prompt' | 'domain' | 'created_at' | 'simulated'>,
): ThreadDocument {
  return {
    ...known,
    complexity_level: null,
    language: null,
    thread_status: 'active',
    current_iteration: 0,
    best_model_id: null,
    best_response_id: null,
    final_response: null,
    final_quality_score: null,
    stop_reason: null,
    total_tokens_used: 0,
    total_cost: 0,
    total_time_ms: 0,
    completed_at: null,
    result: null,
  }
}

export const threadOf = ({ started, sessionId, threadId }: Run): ThreadDocument =>
  newThread({
    _id: threadId,
    session_id: sessionId,
    run_id: started.runId,
    original_prompt: started.prompt,
    domain: null,
    created_at: new Date(started.atMs),
    simulated: started.simulated,
  })

const partOf = (run: Run, event: RunEvent) => ({
  thread_id: run.threadId,
  session_id: run.sessionId,
  created_at: new Date(event.atMs),
  simulated: run.started.simulated,
})

export function responseOf(run: Run, attempt: AttemptFinished, id: string, text: string): ResponseDocument {
  const inputTokens = attempt.usage?.inputTokens ?? 0
  const outputTokens = attempt.usage?.outputTokens ?? 0
  return {
    _id: new ObjectId(id),
    ...partOf(run, attempt),
    iteration: attempt.step.iteration,
    model_name: attempt.step.model,
    provider: attempt.provider,
    role: attempt.step.role,
    response_text: boundedText(text),
    tokens_used: inputTokens + outputTokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cost_usd: attempt.costUsd,
    response_time_ms: attempt.endedMs - attempt.startedMs,
    is_selected_best: false,
    status: attempt.outcome,
  }
}

/** An answer that no request of this run brought: it costs nothing here. */
export function unaskedOf(run: Run, event: EventOf<'answer-received'>): ResponseDocument {
  return {
    _id: new ObjectId(event.responseId),
    ...partOf(run, event),
    iteration: event.iteration,
    model_name: event.model,
    provider: event.model.slice(0, event.model.indexOf('/')),
    role: event.role,
    response_text: boundedText(event.text),
    tokens_used: 0,
    input_tokens: 0,
    output_tokens: 0,
    cost_usd: 0,
    response_time_ms: event.latencyMs,
    is_selected_best: false,
    status: event.fromCache ? 'cached' : 'ok',
  }
}

export function evaluationOf(
  run: Run,
  event: EventOf<'answer-judged'>,
  { author, domain }: { readonly author: string | null; readonly domain: string | null },
): EvaluationDocument {
  const { criteria, score, criticism, suggestions } = event.judgement
  return {
    _id: new ObjectId(event.evaluationId),
    ...partOf(run, event),
    iteration: event.iteration,
    evaluated_response_id: new ObjectId(event.responseId),
    evaluated_model: author,
    domain,
    evaluator_model: event.judge,
    criteria,
    overall_score: score,
    criticism,
    suggestions,
  }
}

export function criticismOf(run: Run, event: EventOf<'answer-refined'>): CriticismDocument {
  return {
    _id: new ObjectId(event.criticismId),
    ...partOf(run, event),
    iteration: event.iteration,
    original_response_id: new ObjectId(event.originalResponseId),
    response_id: new ObjectId(event.responseId),
    responding_model: event.model,
    improvement_score: event.gain,
  }
}

export function selectionOf(run: Run, event: EventOf<'model-selected'>, seq: number): SelectionDocument {
  return {
    _id: idOf(run, 'selection', seq),
    ...partOf(run, event),
    iteration: event.iteration,
    candidates: event.candidates,
    selected_model: event.model,
    critics: event.critics,
    algorithm_version: event.algorithmVersion,
  }
}

export function logOf(run: Run, event: RunEvent, seq: number, isWhole: boolean, ttlMs: number): LogDocument {
  return {
    _id: idOf(run, 'log', seq),
    session_id: run.sessionId,
    thread_id: run.threadId,
    log_level: levelOf(event),
    component: componentOf(event),
    event_type: event.type,
    details: isWhole ? event : null,
    run_started: new Date(run.started.atMs),
    seq,
    timestamp: new Date(event.atMs),
    expires: new Date(event.atMs + ttlMs),
    simulated: run.started.simulated,
  }
}

const levels: Readonly<Record<RunEvent['type'], LogDocument['log_level']>> = {
  'run-started': 'info',
  'prompt-analysed': 'info',
  'model-selected': 'info',
  'call-started': 'debug',
  'call-texted': 'debug',
  'attempt-finished': 'info',
  'attempt-unsent': 'warning',
  'answer-received': 'info',
  'answer-judged': 'info',
  'verdict-dropped': 'warning',
  'answer-refined': 'info',
  'answers-compared': 'info',
  'iteration-finished': 'info',
  'warning-raised': 'warning',
  'run-finished': 'info',
}

function levelOf(event: RunEvent): LogDocument['log_level'] {
  if (event.type === 'run-finished' && event.error !== null) return 'error'
  if (event.type === 'attempt-finished' && event.errorCode !== null) return 'warning'
  return levels[event.type]
}

function componentOf({ type }: RunEvent): LogDocument['component'] {
  if (type === 'answer-judged' || type === 'verdict-dropped' || type === 'answers-compared') return 'judge'
  return type.startsWith('call-') || type.startsWith('attempt-') ? 'caller' : 'engine'
}

/** An id that the same event of the same run always gets. */
function idOf({ started }: Run, what: 'log' | 'selection', seq: number): ObjectId {
  const name = `${started.threadId}/${started.atMs}/${what}/${seq}`
  return new ObjectId(createHash('sha256').update(name).digest('hex').slice(0, 24))
}
