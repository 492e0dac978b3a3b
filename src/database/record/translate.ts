// A run's events as documents. Pure: the same events give the same writes with the same ids, so writing them twice changes nothing.
// Invariant: what a thread says of itself is the fold that the terminal prints; it is written after everything it sums up.
import { ObjectId, type Document } from 'mongodb'
import type { RunEvent, RunResult } from '../../orchestration/events.ts'
import type { CollectionName, ThreadDocument } from '../documents.ts'
import { boundedText, storedTextLimitBytes } from './boundedText.ts'
import type { DurableWrite } from './durableWrites.ts'
import {
  criticismOf,
  evaluationOf,
  logOf,
  responseOf,
  runOf,
  selectionOf,
  unaskedOf,
  type AttemptFinished,
  type EventOf,
  type Run,
  threadOf,
} from './runDocuments.ts'

/** Parents are written before their children, and what says that something is finished after everything it sums up. */
export const stages = ['session', 'thread', 'parts', 'progress', 'thread-end', 'session-end'] as const
export type Stage = (typeof stages)[number]

export interface Write {
  readonly stage: Stage
  readonly collection: CollectionName
  readonly operation: DurableWrite
}

export interface TranslateOptions {
  /** Makes the run's result, as the terminal prints it. */
  readonly fold: (events: readonly RunEvent[]) => RunResult
  /** How long a log entry is kept. */
  readonly logTtlMs: number
}

export interface TranslateState {
  readonly run: Run | null
  readonly events: readonly RunEvent[]
  readonly logBytes: number
  /** Requests that brought an answer which has no document yet. */
  readonly answered: readonly AttemptFinished[]
  readonly authors: ReadonlyMap<string, string>
}

export const initialTranslation: TranslateState = { run: null, events: [], logBytes: 0, answered: [], authors: new Map() }

/** The state after one more event, and what it adds to the database. A run without a thread's id adds nothing. */
export function translate(
  state: TranslateState,
  event: RunEvent,
  options: TranslateOptions,
): { readonly state: TranslateState; readonly writes: readonly Write[] } {
  if (event.type === 'call-texted') return { state, writes: [] }
  const run = event.type === 'run-started' ? runOf(event) : state.run
  if (run === null) return { state, writes: [] }
  const next: TranslateState = {
    run,
    events: [...state.events, event],
    logBytes: state.logBytes + Buffer.byteLength(JSON.stringify(event)),
    answered: answeredAfter(state.answered, event),
    authors: event.type === 'answer-received' ? new Map(state.authors).set(event.responseId, event.model) : state.authors,
  }
  const isWhole = next.logBytes <= storedTextLimitBytes
  const log = logOf(run, event, state.events.length, isWhole, options.logTtlMs)
  return { state: next, writes: [...partsOf(run, state, next, event, options), insert('orchestration_logs', log)] }
}

function answeredAfter(answered: readonly AttemptFinished[], event: RunEvent): readonly AttemptFinished[] {
  if (event.type === 'attempt-finished') return hasAnswer(event) ? [...answered, event] : answered
  if (event.type === 'answer-received') return answered.filter((attempt) => attempt.callId !== event.callId)
  if (event.type === 'answer-judged') return answered.filter((attempt) => !isVerdict(attempt, event))
  return event.type === 'iteration-finished' || event.type === 'run-finished' ? [] : answered
}

function hasAnswer({ outcome }: AttemptFinished): boolean {
  return outcome === 'ok' || outcome === 'cached'
}

function isVerdict({ step }: AttemptFinished, { iteration, judge }: EventOf<'answer-judged'>): boolean {
  return step.role === 'critic' && step.iteration === iteration && step.model === judge
}

function partsOf(run: Run, before: TranslateState, after: TranslateState, event: RunEvent, options: TranslateOptions): readonly Write[] {
  const writes: Write[] = []
  const add = (collection: CollectionName, document: Document): void => void writes.push(insert(collection, document))
  switch (event.type) {
    case 'run-started':
      writes.push(threadStart(run))
      break
    case 'prompt-analysed':
      writes.push(progress(run, { domain: event.domain, complexity_level: event.complexity, language: event.language }))
      break
    case 'model-selected':
      add('model_selection_history', selectionOf(run, event, before.events.length))
      break
    case 'attempt-finished':
      if (!hasAnswer(event)) add('model_responses', responseOf(run, event, event.attemptId, ''))
      break
    case 'answer-received': {
      const attempt = before.answered.findLast((answered) => answered.callId === event.callId)
      add('model_responses', attempt === undefined ? unaskedOf(run, event) : responseOf(run, attempt, event.responseId, event.text))
      break
    }
    case 'answer-judged': {
      const author = before.authors.get(event.responseId) ?? null
      const domain = before.events.find((earlier) => earlier.type === 'prompt-analysed')?.domain ?? null
      add('model_evaluations', evaluationOf(run, event, { author, domain }))
      const verdicts = before.answered.filter((attempt) => isVerdict(attempt, event))
      for (const attempt of verdicts) add('model_responses', responseOf(run, attempt, attempt.attemptId, event.judgement.criticism))
      break
    }
    case 'answer-refined':
      add('criticism_responses', criticismOf(run, event))
      break
    case 'iteration-finished': {
      const best = before.authors.get(event.bestResponseId) ?? event.model
      const set = { current_iteration: event.iteration, best_model_id: best, best_response_id: new ObjectId(event.bestResponseId) }
      writes.push(...leftOver(run, before), progress(run, { ...set, final_quality_score: event.bestScore }))
      break
    }
    case 'run-finished':
      writes.push(...leftOver(run, before), ...runEnd(run, event, options.fold(after.events)))
      break
    case 'call-started':
    case 'call-texted':
    case 'attempt-unsent':
    case 'verdict-dropped':
    case 'answers-compared':
    case 'warning-raised':
      break
  }
  return writes
}

/** Requests whose answers nobody could use: they cost what they cost. */
function leftOver(run: Run, { answered }: TranslateState): readonly Write[] {
  return answered.map((attempt) => insert('model_responses', responseOf(run, attempt, attempt.attemptId, '')))
}

/** No upsert: a late twin of this write finds a finished thread and leaves it alone. */
function progress(run: Run, set: Partial<ThreadDocument>): Write {
  const filter = { _id: run.threadId, thread_status: 'active' }
  return { stage: 'progress', collection: 'conversation_threads', operation: { updateOne: { filter, update: { $set: set } } } }
}

function insert(collection: CollectionName, document: Document): Write {
  return { stage: 'parts', collection, operation: { insertOne: { document } } }
}

function threadStart(run: Run): Write {
  const { _id, ...rest } = threadOf(run)
  return {
    stage: 'thread',
    collection: 'conversation_threads',
    operation: { updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true } },
  }
}

function runEnd(run: Run, event: EventOf<'run-finished'>, result: RunResult): readonly Write[] {
  const { prompt: _prompt, finalResponse, ...stored } = result
  const before = run.started.spentBefore ?? { costUsd: 0, tokens: 0 }
  const set: Partial<ThreadDocument> = {
    thread_status: finalResponse !== null ? 'completed' : event.stopReason === 'aborted' ? 'aborted' : 'failed',
    current_iteration: result.iterationsUsed,
    best_model_id: result.model,
    best_response_id: event.bestResponseId === null ? null : new ObjectId(event.bestResponseId),
    final_response: finalResponse === null ? null : boundedText(finalResponse),
    final_quality_score: result.qualityScore,
    stop_reason: result.stopReason,
    // The thread's, of all its lives; the result tells of this one.
    total_tokens_used: result.usage.inputTokens + result.usage.outputTokens + before.tokens,
    total_cost: result.usage.costUsd === null ? null : result.usage.costUsd + before.costUsd,
    total_time_ms: result.timing.totalMs,
    completed_at: new Date(event.atMs),
    result: stored,
  }
  const end: Write = {
    stage: 'thread-end',
    collection: 'conversation_threads',
    operation: { updateOne: { filter: { _id: run.threadId }, update: { $set: set } } },
  }
  if (event.bestResponseId === null) return [end]
  const filter = { _id: new ObjectId(event.bestResponseId) }
  return [
    {
      stage: 'progress',
      collection: 'model_responses',
      operation: { updateOne: { filter, update: { $set: { is_selected_best: true } } } },
    },
    end,
  ]
}
