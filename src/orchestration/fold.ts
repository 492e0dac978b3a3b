// What a run is, folded from its events. Invariant: the only maker of a run's result;
// the order in which parallel critics came back changes nothing in it.
import { OrxError } from '../core/errors.ts'
import type { CallEvent, CallRole } from '../models/call.ts'
import type { Judgement, RunEvent, RunResult } from './events.ts'

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { readonly type: Type }>
type AttemptFinished = Extract<CallEvent, { readonly type: 'attempt-finished' }>
type Interval = readonly [fromMs: number, toMs: number]

/** A call that has not come back yet, with the text it has brought so far. */
export interface LiveCall {
  readonly role: CallRole
  /** `provider/model`. */
  readonly model: string
  readonly iteration: number
  readonly text: string
}

export interface IterationState {
  readonly answer: EventOf<'answer-received'> | null
  readonly selection: EventOf<'model-selected'> | null
  /** In the order of the judges in the selection. */
  readonly judgements: readonly { readonly judge: string; readonly judgement: Judgement }[]
  readonly dropped: readonly { readonly judge: string; readonly reason: string }[]
  readonly comparison: EventOf<'answers-compared'> | null
  readonly finished: EventOf<'iteration-finished'> | null
}

/** Everything known of a run so far. Immutable: each step makes a new one. */
export interface RunState {
  readonly started: EventOf<'run-started'> | null
  readonly analysis: EventOf<'prompt-analysed'> | null
  /** By iteration, the first at index 0. */
  readonly iterations: readonly IterationState[]
  readonly attempts: readonly AttemptFinished[]
  readonly limiterWaits: readonly Interval[]
  readonly calls: ReadonlyMap<string, LiveCall>
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
  readonly finished: EventOf<'run-finished'> | null
}

export const initialRun: RunState = {
  started: null,
  analysis: null,
  iterations: [],
  attempts: [],
  limiterWaits: [],
  calls: new Map(),
  warnings: [],
  finished: null,
}

const emptyIteration: IterationState = { answer: null, selection: null, judgements: [], dropped: [], comparison: null, finished: null }

/** The run after one more event. */
export function stepRun(state: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case 'run-started':
      return { ...state, started: event }
    case 'prompt-analysed':
      return { ...state, analysis: event }
    case 'model-selected':
      return inIteration(state, event.iteration, (iteration) => ({ ...iteration, selection: event }))
    case 'call-started': {
      // A further try begins anew: what the last one had written so far is not part of the answer.
      const { role, model, iteration } = event.step
      return { ...state, calls: new Map(state.calls).set(event.callId, { role, model, iteration, text: '' }) }
    }
    case 'call-texted': {
      const call = state.calls.get(event.callId)
      if (call === undefined) return state
      return { ...state, calls: new Map(state.calls).set(event.callId, { ...call, text: call.text + event.piece }) }
    }
    case 'attempt-unsent': {
      const wait: Interval = [event.endedMs - event.limiterMs, event.endedMs]
      return { ...without(state, event.callId), limiterWaits: [...state.limiterWaits, wait] }
    }
    case 'attempt-finished': {
      const wait: Interval = [event.startedMs - event.limiterMs, event.startedMs]
      return { ...without(state, event.callId), attempts: [...state.attempts, event], limiterWaits: [...state.limiterWaits, wait] }
    }
    case 'answer-received':
      return inIteration(state, event.iteration, (iteration) => ({ ...iteration, answer: event }))
    case 'answer-judged':
      return inIteration(state, event.iteration, (iteration) => ({
        ...iteration,
        judgements: byJudge([...iteration.judgements, { judge: event.judge, judgement: event.judgement }], iteration),
      }))
    case 'verdict-dropped':
      return inIteration(state, event.iteration, (iteration) => ({
        ...iteration,
        dropped: byJudge([...iteration.dropped, { judge: event.judge, reason: event.reason }], iteration),
      }))
    case 'answer-refined':
      break
    case 'answers-compared':
      return inIteration(state, event.iteration, (iteration) => ({ ...iteration, comparison: event }))
    case 'iteration-finished':
      return inIteration(state, event.iteration, (iteration) => ({ ...iteration, finished: event }))
    case 'warning-raised':
      return { ...state, warnings: [...state.warnings, { code: event.code, message: event.message }] }
    case 'run-finished':
      return { ...state, finished: event, calls: new Map() }
  }
  return state
}

function without(state: RunState, callId: string): RunState {
  const calls = new Map(state.calls)
  calls.delete(callId)
  return { ...state, calls }
}

function inIteration(state: RunState, iteration: number, change: (before: IterationState) => IterationState): RunState {
  const iterations = [...state.iterations]
  while (iterations.length < iteration) iterations.push(emptyIteration)
  iterations[iteration - 1] = change(iterations[iteration - 1] ?? emptyIteration)
  return { ...state, iterations }
}

function byJudge<T extends { readonly judge: string }>(verdicts: readonly T[], { selection }: IterationState): readonly T[] {
  const order = selection?.critics ?? []
  return verdicts.toSorted((a, b) => order.indexOf(a.judge) - order.indexOf(b.judge))
}

/** The result of a finished run. Throws `internal` for a stream that does not begin with run-started and end with run-finished. */
export function foldRun(events: Iterable<RunEvent>): RunResult {
  let state = initialRun
  for (const event of events) state = stepRun(state, event)
  return resultOf(state)
}

export function resultOf(state: RunState): RunResult {
  const { started, finished } = state
  if (started === null || finished === null) {
    throw new OrxError('internal', 'Expected the events of a whole run, from run-started to run-finished')
  }
  const answers = state.iterations.flatMap(({ answer, finished: end, comparison }) =>
    answer === null ? [] : [{ answer, score: end?.score ?? null, spread: end?.spread ?? null, comparison }],
  )
  const best = answers.find(({ answer }) => answer.responseId === finished.bestResponseId)
  const attempts = inOrder(state)
  return {
    id: started.runId,
    sessionId: started.sessionId,
    threadId: started.threadId,
    prompt: started.prompt,
    domain: state.analysis?.domain ?? null,
    complexity: state.analysis?.complexity ?? null,
    strategy: started.settings.strategy,
    finalResponse: best?.answer.text ?? null,
    model: best?.answer.model ?? null,
    qualityScore: best?.score ?? null,
    stopReason: finished.stopReason,
    iterationsUsed: answers.length,
    bestIteration: best?.answer.iteration ?? null,
    iterations: answers.map(({ answer, score, spread, comparison }) => ({
      iteration: answer.iteration,
      model: answer.model,
      score,
      spread,
      comparison:
        comparison === null
          ? null
          : {
              kept: comparison.keptResponseId === comparison.responseId ? 'new' : 'best',
              decidedBy: comparison.decidedBy,
              votes: comparison.votes,
            },
      costUsd: answer.costUsd,
      latencyMs: answer.latencyMs,
      fromCache: answer.fromCache,
    })),
    attempts: attempts.map((attempt) => ({
      model: attempt.step.model,
      provider: attempt.provider,
      role: attempt.step.role,
      outcome: attempt.outcome,
      ...(attempt.errorCode === null ? {} : { errorCode: attempt.errorCode }),
      latencyMs: attempt.endedMs - attempt.startedMs,
      inputTokens: attempt.usage?.inputTokens ?? 0,
      outputTokens: attempt.usage?.outputTokens ?? 0,
      costUsd: attempt.costUsd,
    })),
    usage: {
      inputTokens: sum(attempts.map(({ usage }) => usage?.inputTokens ?? 0)),
      outputTokens: sum(attempts.map(({ usage }) => usage?.outputTokens ?? 0)),
      costUsd: attempts.some(({ costUsd }) => costUsd === null) ? null : sum(attempts.map(({ costUsd }) => costUsd ?? 0)),
      savedUsd: sum(attempts.map(({ savedUsd }) => savedUsd ?? 0)),
    },
    timing: timingOf(state, started, finished),
    cache: cacheOf(started, attempts),
    droppedVerdicts: sum(state.iterations.map(({ dropped }) => dropped.length)),
    simulated: started.simulated,
  }
}

const roles: readonly CallRole[] = ['analyst', 'primary', 'refiner', 'synthesizer', 'critic']

/** By iteration, role and judge; the tries of one call stay in their order. */
function inOrder({ attempts, iterations }: RunState): readonly AttemptFinished[] {
  const judgeOrder = ({ step }: AttemptFinished): number => iterations[step.iteration - 1]?.selection?.critics.indexOf(step.model) ?? 0
  return attempts.toSorted(
    (a, b) =>
      a.step.iteration - b.step.iteration ||
      roles.indexOf(a.step.role) - roles.indexOf(b.step.role) ||
      a.step.sample - b.step.sample ||
      (a.step.role === 'critic' ? judgeOrder(a) - judgeOrder(b) : 0),
  )
}

function timingOf(state: RunState, started: EventOf<'run-started'>, finished: EventOf<'run-finished'>): RunResult['timing'] {
  const runMs = finished.atMs - started.atMs
  const asked: readonly Interval[] = state.attempts
    .filter(({ outcome }) => outcome !== 'cached')
    .map(({ startedMs, endedMs }) => [startedMs, endedMs])
  return {
    totalMs: started.queueMs + runMs,
    providerMs: unionMs(asked),
    queueMs: started.queueMs,
    limiterMs: unionMs(state.limiterWaits),
    overheadMs: Math.max(0, runMs - unionMs([...asked, ...state.limiterWaits])),
  }
}

function cacheOf({ settings }: EventOf<'run-started'>, attempts: readonly AttemptFinished[]): RunResult['cache'] {
  const cached = attempts.filter(({ outcome }) => outcome === 'cached').length
  const sent = new Set(attempts.filter(({ outcome }) => outcome !== 'cached').map(({ callId, step }) => `${callId} ${step.model}`))
  return { hits: cached, misses: settings.useCache ? sent.size : 0 }
}

/** The length of what intervals cover, each moment once. */
function unionMs(intervals: readonly Interval[]): number {
  let coveredMs = 0
  let reachedMs = Number.NEGATIVE_INFINITY
  for (const [fromMs, toMs] of intervals.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    coveredMs += Math.max(0, toMs - Math.max(fromMs, reachedMs))
    reachedMs = Math.max(reachedMs, toMs)
  }
  return coveredMs
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
