// A call: one question to one model in a run, and the events it emits. Every try of it is one attempt in the ledger.
import type { ErrorCode } from '../core/errors.ts'
import type { Gate } from '../traffic/gate.ts'
import type { ChatAnswer, ChatRequest, Usage } from './chat.ts'

export type CallRole = 'analyst' | 'primary' | 'critic' | 'refiner' | 'synthesizer'
export type CallOutcome = 'ok' | 'error' | 'timeout' | 'aborted' | 'cached'

/** Where in a run a call stands. Written `thread/iteration/role/model/sample`, it is the key of recall. */
export interface Step {
  readonly threadId: string
  /** From 1. */
  readonly iteration: number
  readonly role: CallRole
  /** `provider/model`. */
  readonly model: string
  /** From 0; tells several answers of one model in one role apart. */
  readonly sample: number
}

export function stepKey(step: Step): string {
  return `${step.threadId}/${step.iteration}/${step.role}/${step.model}/${step.sample}`
}

/** USD per million tokens. */
export interface PriceRates {
  readonly inputPerMillion: number
  readonly outputPerMillion: number
  /** @default inputPerMillion */
  readonly cachedInputPerMillion?: number
}

/** What a model costs. */
export interface Price extends PriceRates {
  /** Higher rates of a whole request with more input tokens than this, the highest first. */
  readonly tiers?: readonly (PriceRates & { readonly aboveInputTokens: number })[]
}

/** One try of a call, as the gates see it before it leaves. */
export interface Attempt {
  /** 24 hex digits; the _id of its ledger entry. */
  readonly id: string
  readonly runId: string
  readonly step: Step
  /** From 1; each retry is a try of its own. */
  readonly tryNumber: number
  readonly provider: string
  readonly request: ChatRequest
  readonly simulated: boolean
  readonly price: Price | null
  /** Upper bounds by which budget and limiter reserve. */
  readonly inputTokensAtMost: number
  /** Null when the price is unknown. */
  readonly costAtMostUsd: number | null
  /** Epoch ms. */
  readonly createdAtMs: number
}

/** How a try ended, as the gates and the ledger see it. */
export interface AttemptResult {
  readonly outcome: CallOutcome
  readonly answer: ChatAnswer | null
  readonly usage: Usage | null
  /** Null when the price is unknown. An unsettled try keeps its reservation. */
  readonly costUsd: number | null
  readonly errorCode: ErrorCode | null
  readonly errorMessage: string | null
  readonly latencyMs: number
}

export type CallGate = Gate<Attempt, AttemptResult>

/** The ledger is a gate: its intent is durable before the call leaves, the outcome is written after. */
export interface Ledger extends CallGate {
  /** The answer a finished step already has, so that it is not sent again; null when there is none, without a promise where that is known at once. */
  recall(step: Step): Promise<RecalledAnswer | null> | null
}

export interface RecalledAnswer {
  readonly answer: ChatAnswer
  readonly costUsd: number | null
}

export type CallEvent =
  | { readonly type: 'call-started'; readonly atMs: number; readonly callId: string; readonly step: Step }
  | { readonly type: 'call-texted'; readonly atMs: number; readonly callId: string; readonly step: Step; readonly piece: string }
  | {
      readonly type: 'attempt-finished'
      readonly atMs: number
      readonly callId: string
      readonly attemptId: string
      readonly step: Step
      readonly provider: string
      readonly outcome: CallOutcome
      readonly errorCode: ErrorCode | null
      readonly errorMessage: string | null
      /** When the try left and came back, monotonic ms of the run's clock. */
      readonly startedMs: number
      readonly endedMs: number
      /** How long it waited at the limiter before it left. */
      readonly limiterMs: number
      readonly usage: Usage | null
      readonly costUsd: number | null
      /** What a cached answer did not cost again. */
      readonly savedUsd: number | null
    }
  | {
      /** The try never left: a gate refused it, or the run ended while it waited. No request, no cost. */
      readonly type: 'attempt-unsent'
      readonly atMs: number
      readonly callId: string
      readonly step: Step
      readonly errorCode: ErrorCode
      readonly errorMessage: string
      /** When it gave up, monotonic ms of the run's clock, and how long it had waited at the limiter until then. */
      readonly endedMs: number
      readonly limiterMs: number
    }
