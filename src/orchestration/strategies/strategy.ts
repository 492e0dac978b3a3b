// What every strategy is given and what it comes to. A strategy emits and resolves; it never throws for a model's failure.
import { OrxError } from '../../core/errors.ts'
import type { Caller } from '../../models/caller.ts'
import type { Domain } from '../../models/catalog.ts'
import type { Budget } from '../budget.ts'
import type { Failures } from '../failures.ts'
import type { Candidate, RunEvent, RunSettings, StopReason } from '../events.ts'
import type { ModelOption } from '../select.ts'

/** An event before the run's clock has stamped it. */
export type Unstamped<Event> = Event extends unknown ? Omit<Event, 'atMs'> : never

export interface RunContext {
  readonly runId: string
  /** The thread of every step: the conversation's, or the run's own id with no database. */
  readonly threadId: string
  readonly prompt: string
  readonly domain: Domain
  readonly settings: RunSettings
  readonly models: readonly ModelOption[]
  /** Best first. */
  readonly candidates: readonly Candidate[]
  /** `provider/model` of the first author. */
  readonly author: string
  readonly simulated: boolean
  readonly scope: string
  readonly budget: Budget
  readonly failures: Failures
  readonly caller: Caller
  readonly newId: () => string
  readonly emit: (event: Unstamped<RunEvent>) => void
}

export interface Ending {
  readonly stopReason: StopReason
  readonly bestResponseId: string | null
  /** Why there is no answer, or why a refinement failed; null when nothing did. */
  readonly error: OrxError | null
}

export type StrategyRun = (run: RunContext, signal: AbortSignal) => Promise<Ending>

/** Why the run's signal has aborted: its deadline (or --timeout), or a person; null while it goes on. */
export function interruptionOf(signal: AbortSignal): 'aborted' | 'deadline' | null {
  if (!signal.aborted) return null
  const reason: unknown = signal.reason
  return reason instanceof OrxError && reason.code === 'deadline' ? 'deadline' : 'aborted'
}
