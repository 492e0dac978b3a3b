// The ledger: every try of a call is durable as an intent before it leaves, and with its outcome after it has come back.
// Invariants: what a provider received is a subset of the intents, and a call that leaves after another came back finds that one's outcome durable;
// unless the database was lost, which is said aloud, once.
import { hash } from 'node:crypto'
import { ObjectId, type Db } from 'mongodb'
import type { OrxError } from '../../core/errors.ts'
import { untilAborted, type Clock } from '../../core/runtime.ts'
import type { Attempt, AttemptResult, Ledger, Step } from '../../models/call.ts'
import type { Settlement, Ticket } from '../../traffic/gate.ts'
import { bounded, databaseError } from '../connection.ts'
import type { AttemptDocument } from '../documents.ts'
import { runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'
import { boundedText } from './boundedText.ts'
import { writeDurably, type DurableWrite } from './durableWrites.ts'
import type { Gather } from './gather.ts'

export interface LedgerOptions {
  readonly gather: Gather
  readonly db: Db
  readonly clock: Clock
  /** Writes a step as the key of recall. */
  readonly stepKey: (step: Step) => string
  /** Whether calls may go on without a record when the database is lost; else they are refused with `database_unreachable`. */
  readonly degrade: boolean
  /** Hears once that the record is lost. */
  readonly onLost: (problem: OrxError) => void
  /** How long an intent, an outcome or a recall may take, ms. @default 3_500 */
  readonly boundMs?: number
}

export interface RunLedger extends Ledger {
  /** Whether calls pass without a record by now. */
  isLost(): boolean
  /** Resolves when every outcome that was settled until now is durable, or the record lost. Never rejects. */
  flush(): Promise<void>
}

const requestLimitBytes = 1_048_576

export function makeLedger({ db, clock, gather, stepKey, degrade, onLost, boundMs = 3_500 }: LedgerOptions): RunLedger {
  let lost = false
  const lose = (problem: OrxError): void => {
    if (lost) return
    lost = true
    onLost(problem)
  }
  const writeGroup = async (operations: readonly DurableWrite[]): Promise<readonly (OrxError | null)[]> => {
    // Once the record is lost, nobody waits for it again.
    if (lost) return operations.map(() => null)
    const outcomes = await writeDurably(db, clock, 'model_attempts', operations, boundMs)
    const problem = outcomes.find((outcome) => outcome !== null)
    if (problem && degrade) lose(problem)
    return outcomes
  }
  // One lane for intents and outcomes keeps them in order: nobody need wait for an outcome, as the next intent that becomes durable comes after it.
  const write = gather(writeGroup)
  let settled: Promise<unknown> = Promise.resolve()
  const hold = (writing: Promise<unknown>): void => {
    settled = Promise.all([settled, writing.catch(() => undefined)])
  }
  // A failure here is told by onLost, or by the next intent, which meets the same database.
  const writeOutcome = async (attempt: Attempt, settlement: Settlement, result?: AttemptResult): Promise<void> => {
    if (lost) return
    const filter = { _id: new ObjectId(attempt.id) }
    await write({ updateOne: { filter, update: { $set: outcomeOf(settlement, result, clock.now()) } } })
  }
  const passes: Ticket<AttemptResult> = { sent: () => undefined, settle: () => undefined }

  return {
    name: 'ledger',
    isLost: () => lost,
    flush: () => settled.then(() => undefined),
    enter: async (attempt, signal) => {
      signal.throwIfAborted()
      if (lost) return passes
      const written = write({ insertOne: { document: intentOf(attempt, stepKey) } })
      let problem: OrxError | null
      try {
        problem = await untilAborted(written, signal)
      } catch (error) {
        // It waits no longer, but its intent may still become durable: what never left must not look as if it had.
        hold(written.then((outcome) => (outcome === null ? writeOutcome(attempt, 'unsent') : undefined)))
        throw error
      }
      if (problem !== null && !degrade) throw problem
      return { sent: () => undefined, settle: (settlement, result) => hold(writeOutcome(attempt, settlement, result)) }
    },
    recall: async (step) => {
      if (lost) return null
      try {
        const params = { step: stepKey(step) }
        const [found] = await bounded(clock, boundMs, (signal) => runFind(db, queryPaths.answerOfStep, params, signal))
        return found?.answer ? { answer: found.answer, costUsd: found.cost_usd } : null
      } catch (error) {
        const problem = databaseError(error)
        if (!degrade) throw problem
        lose(problem)
        return null
      }
    },
  }
}

/** The ledger of a run without a database: nothing is written, nothing is known. */
export const noLedger: RunLedger = {
  name: 'ledger',
  isLost: () => false,
  flush: () => Promise.resolve(),
  enter: () => ({ sent: () => undefined, settle: () => undefined }),
  recall: () => null,
}

function intentOf(attempt: Attempt, stepKey: (step: Step) => string): AttemptDocument {
  const { step, request } = attempt
  const text = JSON.stringify(request)
  return {
    _id: new ObjectId(attempt.id),
    step: stepKey(step),
    thread_id: new ObjectId(step.threadId),
    run_id: attempt.runId,
    iteration: step.iteration,
    role: step.role,
    sample: step.sample,
    try_number: attempt.tryNumber,
    provider: attempt.provider,
    model_name: step.model,
    request_digest: hash('sha256', text),
    request: Buffer.byteLength(text) > requestLimitBytes ? null : request,
    input_tokens_at_most: attempt.inputTokensAtMost,
    output_tokens_at_most: request.maxTokens,
    cost_at_most_usd: attempt.costAtMostUsd,
    state: 'intended',
    answer: null,
    usage: null,
    cost_usd: attempt.costAtMostUsd,
    error_code: null,
    error_message: null,
    latency_ms: null,
    created_at: new Date(attempt.createdAtMs),
    finished_at: null,
    simulated: attempt.simulated,
  }
}

function outcomeOf(settlement: Settlement, result: AttemptResult | undefined, atMs: number): Partial<AttemptDocument> {
  const finished_at = new Date(atMs)
  if (settlement === 'unsent') return { state: 'unsent', cost_usd: 0, finished_at }
  // It left and brought no account of itself: the reservation stays booked.
  if (result === undefined) return { state: settlement, finished_at }
  const { answer } = result
  return {
    state: result.outcome,
    answer: answer === null ? null : { ...answer, text: boundedText(answer.text) },
    usage: result.usage,
    cost_usd: result.costUsd,
    error_code: result.errorCode,
    error_message: result.errorMessage,
    latency_ms: result.latencyMs,
    finished_at,
  }
}
