// What happens in a run, in order. Invariant: everything a screen, a record or a script knows of a run is a fold of these events.
import type { ErrorCode } from '../core/errors.ts'
import type { CallEvent, CallOutcome, CallRole } from '../models/call.ts'
import type { Usage } from '../models/chat.ts'

export type StopReason = 'threshold' | 'iterations' | 'plateau' | 'regression' | 'cost' | 'deadline' | 'aborted' | 'failed' | 'unjudged'

export type Strategy = 'critique' | 'single' | 'best-of-n' | 'fusion'

export type Complexity = 'simple' | 'moderate' | 'complex'

/** What a run may do and when it stops. Every default is the contract's. */
export interface RunSettings {
  readonly strategy: Strategy
  /** How many other models judge an answer. @default 2 */
  readonly critics: number
  /** 1-10. @default 5 */
  readonly iterations: number
  /** A score from 1 to 10 that is good enough. @default 8 */
  readonly threshold: number
  /** How many refinements in a row may bring no gain before the run stops. @default 1 */
  readonly patience: number
  /** Null: no bound. */
  readonly maxCostUsd: number | null
  /** @default 2048 */
  readonly maxTokens: number
  /** Absolute bound on the whole run. @default 120_000 */
  readonly deadlineMs: number
  readonly stream: boolean
  readonly useCache: boolean
  /** 1-10, higher first. @default 5 */
  readonly priority: number
}

/** One model that was weighed for the author's place, and why it stands where it does. */
export interface Candidate {
  /** `provider/model`. */
  readonly model: string
  readonly score: number
  /** The parts of the score, each 0 to 1: specialty, quality, success, latency, price, availability. */
  readonly parts: Readonly<Record<string, number>>
  readonly reasons: readonly string[]
}

/** A judge's verdict on one answer: criteria from 1 to 10, the score is their mean. */
export interface Judgement {
  readonly criteria: Readonly<Record<string, number>>
  readonly score: number
  readonly criticism: string
  readonly suggestions: readonly string[]
}

/** The lowest and the highest of the valid verdicts on one answer. */
export interface Spread {
  readonly lowest: number
  readonly highest: number
}

/** Which of two answers a judge preferred in both orders; null: it abstains, and why. */
export interface ComparisonVote {
  readonly judge: string
  readonly prefers: 'best' | 'new' | null
  readonly reason: string | null
}

/** What a thread that is gone on with took in its earlier lives. */
export interface SpentBefore {
  readonly costUsd: number
  readonly tokens: number
}

export type RunEvent =
  | {
      readonly type: 'run-started'
      readonly atMs: number
      readonly runId: string
      /** ObjectIds in hex; null with no database. */
      readonly sessionId: string | null
      readonly threadId: string | null
      readonly prompt: string
      readonly settings: RunSettings
      readonly simulated: boolean
      /** How long it waited for its place in the queue. */
      readonly queueMs: number
      /** What the thread had cost when it was cut off, calls that never came back at their upper bound; absent in one that begins. */
      readonly spentBefore?: SpentBefore
    }
  | {
      readonly type: 'prompt-analysed'
      readonly atMs: number
      readonly domain: string
      readonly complexity: Complexity
      readonly language: string
    }
  | {
      readonly type: 'model-selected'
      readonly atMs: number
      readonly iteration: number
      readonly model: string
      readonly critics: readonly string[]
      readonly candidates: readonly Candidate[]
      readonly algorithmVersion: string
    }
  | CallEvent
  | {
      readonly type: 'answer-received'
      readonly atMs: number
      readonly iteration: number
      /** The _id of its model_responses document. */
      readonly responseId: string
      readonly callId: string
      readonly model: string
      readonly role: CallRole
      readonly text: string
      readonly usage: Usage
      readonly costUsd: number | null
      readonly latencyMs: number
      readonly fromCache: boolean
    }
  | {
      readonly type: 'answer-judged'
      readonly atMs: number
      readonly iteration: number
      readonly evaluationId: string
      readonly responseId: string
      readonly judge: string
      readonly judgement: Judgement
    }
  | {
      /** A verdict that could not be used; it is counted, never guessed. */
      readonly type: 'verdict-dropped'
      readonly atMs: number
      readonly iteration: number
      readonly judge: string
      readonly reason: string
    }
  | {
      readonly type: 'answer-refined'
      readonly atMs: number
      readonly iteration: number
      readonly criticismId: string
      readonly originalResponseId: string
      readonly responseId: string
      readonly model: string
      /** Against the best so far; null without a score. */
      readonly gain: number | null
    }
  | {
      /** A refinement whose score is as good as that of the best so far was put beside it. */
      readonly type: 'answers-compared'
      readonly atMs: number
      readonly iteration: number
      /** The best so far. */
      readonly bestResponseId: string
      /** The new one. */
      readonly responseId: string
      /** In the order of the critics. */
      readonly votes: readonly ComparisonVote[]
      /** Who decided: a majority of the votes, or the score where there was none. */
      readonly decidedBy: 'majority' | 'score'
      readonly keptResponseId: string
    }
  | {
      readonly type: 'iteration-finished'
      readonly atMs: number
      readonly iteration: number
      readonly responseId: string
      readonly model: string
      /** Median of the valid verdicts; null without one. */
      readonly score: number | null
      /** Null with fewer than two verdicts; absent in runs that were recorded before it was told. */
      readonly spread?: Spread | null
      readonly bestResponseId: string
      readonly bestScore: number | null
    }
  | { readonly type: 'warning-raised'; readonly atMs: number; readonly code: string; readonly message: string }
  | {
      readonly type: 'run-finished'
      readonly atMs: number
      readonly stopReason: StopReason
      readonly bestResponseId: string | null
      /** Why there is no answer; null where there is one. */
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string } | null
    }

export type Emit = (event: RunEvent) => void

/** A run's outcome, as `orx run --json` prints it in `data` (contract: schemaVersion 1). `persisted` is added by whoever recorded it. */
export interface RunResult {
  readonly id: string
  readonly sessionId: string | null
  readonly threadId: string | null
  readonly prompt: string
  readonly domain: string | null
  readonly complexity: Complexity | null
  readonly strategy: Strategy
  readonly finalResponse: string | null
  readonly model: string | null
  readonly qualityScore: number | null
  readonly stopReason: StopReason
  readonly iterationsUsed: number
  /** Whose answer is the final one; null without an answer. */
  readonly bestIteration: number | null
  readonly iterations: readonly {
    readonly iteration: number
    readonly model: string
    readonly score: number | null
    /** Null with fewer than two valid verdicts. */
    readonly spread: Spread | null
    /** How it fared beside the best before it; null where the score alone told them apart. */
    readonly comparison: {
      readonly kept: 'best' | 'new'
      readonly decidedBy: 'majority' | 'score'
      readonly votes: readonly ComparisonVote[]
    } | null
    readonly costUsd: number | null
    readonly latencyMs: number
    readonly fromCache: boolean
  }[]
  readonly attempts: readonly {
    readonly model: string
    readonly provider: string
    readonly role: CallRole
    readonly outcome: CallOutcome
    readonly errorCode?: ErrorCode
    readonly latencyMs: number
    readonly inputTokens: number
    readonly outputTokens: number
    readonly costUsd: number | null
  }[]
  readonly usage: {
    readonly inputTokens: number
    readonly outputTokens: number
    readonly costUsd: number | null
    readonly savedUsd: number
  }
  readonly timing: {
    readonly totalMs: number
    readonly providerMs: number
    readonly queueMs: number
    readonly limiterMs: number
    readonly overheadMs: number
  }
  readonly cache: { readonly hits: number; readonly misses: number }
  readonly droppedVerdicts: number
  readonly simulated: boolean
}
