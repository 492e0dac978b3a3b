// A run, whole: analyse, select, let the strategy work, finish. Invariant: what begins with run-started ends with run-finished,
// after which nothing is emitted; the result is the fold of the events.
import { messageOf, OrxError } from '../core/errors.ts'
import { deadlineAfter, type Runtime } from '../core/runtime.ts'
import { formatDuration } from '../core/units.ts'
import type { Caller } from '../models/caller.ts'
import type { Domain } from '../models/catalog.ts'
import { analyse } from './analyse.ts'
import { makeBudget } from './budget.ts'
import type { Emit, RunEvent, RunResult, RunSettings, SpentBefore, Strategy } from './events.ts'
import { makeFailures } from './failures.ts'
import { initialRun, resultOf, stepRun } from './fold.ts'
import { weigh, type ModelHistory, type ModelOption } from './select.ts'
import { bestOfN } from './strategies/bestOfN.ts'
import { critique, single } from './strategies/critique.ts'
import { fusion } from './strategies/fusion.ts'
import type { Ending, RunContext, StrategyRun, Unstamped } from './strategies/strategy.ts'

/** What is asked, and by whom. */
export interface RunRequest {
  readonly id: string
  /** ObjectIds in hex; null with no database. */
  readonly sessionId: string | null
  readonly threadId: string | null
  readonly prompt: string
  /** Where the caller knows better than the heuristic; else null. */
  readonly domain: Domain | null
  /** `provider/model` that answers; null: the best candidate. */
  readonly author: string | null
  readonly settings: RunSettings
  readonly simulated: boolean
  /** Whose cached answers may be used: the tenant's or user's. */
  readonly scope: string
  /** How long it waited for its place in the queue; the deadline counts from before that. */
  readonly queueMs: number
  /** Of a thread that is gone on with; it counts against the bound on cost. */
  readonly spentBefore?: SpentBefore
}

export interface OrchestrationDeps {
  readonly runtime: Runtime
  readonly caller: Caller
  /** All that may take part, the author among them. */
  readonly models: readonly ModelOption[]
  /** By `provider/model`; empty where nothing was measured or the run must not hang on it (--seed). */
  readonly history: ReadonlyMap<string, ModelHistory>
}

const strategyTable: Readonly<Record<Strategy, StrategyRun>> = { critique, single, 'best-of-n': bestOfN, fusion }

/**
 * Runs one prompt. Resolves to its result, an answer or none, whatever happened to the models, the budget, the deadline or the signal.
 * Rejects, before anything is emitted, with `unknown_model` without a model.
 */
export async function orchestrate(request: RunRequest, deps: OrchestrationDeps, emit: Emit, signal: AbortSignal): Promise<RunResult> {
  const { settings } = request
  const { clock } = deps.runtime
  const strategy = strategyTable[settings.strategy]
  const heard = analyse(request.prompt)
  const analysis = request.domain === null ? heard : { ...heard, domain: request.domain }
  const candidates = weigh(deps.models, analysis, deps.history)
  const author = request.author ?? candidates[0]?.model
  if (author === undefined || !candidates.some(({ model }) => model === author)) {
    throw new OrxError('unknown_model', `Expected a model that can be asked, got ${author ?? 'none'}`, {
      hint: 'orx models lists the models that can be asked.',
    })
  }

  // Times within a run come from one clock that never jumps, laid on the wall time of its start.
  const epochMs = clock.now() - clock.monotonicMs()
  let state = initialRun
  const tell = (event: Unstamped<RunEvent>): void => {
    // A call that others wait for goes on after this run has left it; the ledger books it, the run is over.
    if (state.finished !== null) return
    const stamped = { ...event, atMs: epochMs + clock.monotonicMs() } as RunEvent
    state = stepRun(state, stamped)
    emit(stamped)
  }
  const expired = (): OrxError => new OrxError('deadline', `The deadline of ${formatDuration(settings.deadlineMs)} was reached`)
  const deadline = deadlineAfter(clock, settings.deadlineMs - request.queueMs, expired, signal)
  try {
    tell({
      type: 'run-started',
      runId: request.id,
      sessionId: request.sessionId,
      threadId: request.threadId,
      prompt: request.prompt,
      settings,
      simulated: request.simulated,
      queueMs: request.queueMs,
      ...(request.spentBefore === undefined ? {} : { spentBefore: request.spentBefore }),
    })
    tell({ type: 'prompt-analysed', ...analysis })
    if (settings.strategy !== 'single' && settings.critics > 0 && deps.models.length === 1) {
      tell({
        type: 'warning-raised',
        code: 'one_model',
        message: `Only ${author} can be asked, so nobody judges its answer. Add another: set the key of another provider (OPENAI_API_KEY, ANTHROPIC_API_KEY, XAI_API_KEY, OPENROUTER_API_KEY), or name two with --models a,b.`,
      })
    }
    const context: RunContext = {
      runId: request.id,
      threadId: request.threadId ?? request.id,
      prompt: request.prompt,
      domain: analysis.domain,
      settings,
      models: deps.models,
      candidates,
      author,
      simulated: request.simulated,
      scope: request.scope,
      budget: makeBudget(settings.maxCostUsd, request.spentBefore?.costUsd),
      failures: makeFailures(),
      caller: deps.caller,
      newId: () => deps.runtime.newId(),
      emit: tell,
    }
    const ending = await strategy(context, deadline.signal).catch((cause: unknown): Ending => ({
      stopReason: 'failed',
      bestResponseId: state.iterations.findLast(({ finished }) => finished !== null)?.finished?.bestResponseId ?? null,
      error:
        cause instanceof OrxError
          ? cause
          : new OrxError('internal', `The run failed in a way nobody foresaw: ${messageOf(cause)}`, { cause }),
    }))
    warnOf(ending)
    tell({
      type: 'run-finished',
      stopReason: ending.stopReason,
      bestResponseId: ending.bestResponseId,
      error: ending.bestResponseId === null ? errorOf(ending) : null,
    })
    return resultOf(state)
  } finally {
    deadline.cancel()
  }

  function warnOf({ stopReason, bestResponseId, error }: Ending): void {
    if (stopReason === 'failed' && bestResponseId !== null && error !== null) {
      tell({ type: 'warning-raised', code: 'refinement_failed', message: `The answer could not be refined further: ${error.message}` })
    }
    const unpriced = new Set(state.attempts.filter(({ costUsd }) => costUsd === null).map(({ step }) => step.model))
    if (unpriced.size > 0) {
      const models = [...unpriced].toSorted().join(', ')
      tell({
        type: 'warning-raised',
        code: 'unknown_price',
        message: `The cost is unknown: no price for ${models}. Give one with --assume-price IN,OUT.`,
      })
    }
  }

  /** A run that its own deadline ended without an answer has failed; 124 is for --timeout alone. */
  function errorOf({ stopReason, error }: Ending): { code: OrxError['code']; message: string; hint: string } | null {
    if (error === null) return null
    if (stopReason === 'deadline') {
      return {
        code: 'provider_timeout',
        message: `Expected an answer within ${formatDuration(settings.deadlineMs)}, none came`,
        hint: 'Give it more time with --deadline, or ask a faster model.',
      }
    }
    return { code: error.code, message: error.message, hint: error.hint }
  }
}
