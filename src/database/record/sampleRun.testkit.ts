// A run as its events, for the tests of the record: two iterations, a retry, a dropped verdict, a cached answer, streamed text.
import type { CallOutcome, CallRole, Step } from '../../models/call.ts'
import type { RunEvent, RunSettings } from '../../orchestration/events.ts'

const settings: RunSettings = {
  strategy: 'critique',
  critics: 2,
  iterations: 5,
  threshold: 8,
  patience: 1,
  maxCostUsd: null,
  maxTokens: 2_048,
  deadlineMs: 120_000,
  stream: true,
  useCache: true,
  priority: 5,
}

export interface SampleOptions {
  readonly runId?: string
  readonly sessionId: string
  readonly threadId: string
  /** Sets apart the ids of two runs. 0-255. */
  readonly salt?: number
  readonly simulated?: boolean
  readonly iterations?: number
  /** Whether the first iteration's last critic fails, so that its verdict is dropped. @default true */
  readonly withFailure?: boolean
  readonly startedAtMs?: number
}

export function sampleRun(options: SampleOptions): readonly RunEvent[] {
  const { sessionId, threadId, salt = 1, simulated = false, iterations = 2, withFailure = true, startedAtMs = 1_790_000_000_000 } = options
  let ids = 0
  let elapsedMs = 0
  const newId = (): string => {
    ids += 1
    return `aa${salt.toString(16).padStart(2, '0')}${ids.toString(16).padStart(20, '0')}`
  }
  const at = (): number => {
    elapsedMs += 7
    return startedAtMs + elapsedMs
  }
  const events: RunEvent[] = []
  const call = (callId: string, step: Step, outcome: CallOutcome, tokens: readonly [number, number], costUsd: number | null): void => {
    events.push({ type: 'call-started', atMs: at(), callId, step })
    const startedMs = elapsedMs
    if (outcome === 'ok') for (const piece of ['a', 'b']) events.push({ type: 'call-texted', atMs: at(), callId, step, piece })
    elapsedMs += 100
    const usage = outcome === 'ok' ? { inputTokens: tokens[0], outputTokens: tokens[1], cachedInputTokens: 0, estimated: false } : null
    events.push({
      type: 'attempt-finished',
      atMs: at(),
      callId,
      attemptId: newId(),
      step,
      provider: step.model.slice(0, step.model.indexOf('/')),
      outcome,
      errorCode: outcome === 'error' ? 'provider_error' : null,
      errorMessage: outcome === 'error' ? 'overloaded' : null,
      startedMs,
      endedMs: elapsedMs,
      limiterMs: 0,
      usage,
      costUsd,
      savedUsd: outcome === 'cached' ? 0.002 : null,
    })
  }
  const stepOf = (iteration: number, role: CallRole, model: string): Step => ({ threadId, iteration, role, model, sample: 0 })

  events.push({
    type: 'run-started',
    atMs: at(),
    runId: options.runId ?? `run-${salt}`,
    sessionId,
    threadId,
    prompt: 'Why?',
    settings,
    simulated,
    queueMs: 3,
  })
  events.push({ type: 'prompt-analysed', atMs: at(), domain: 'code', complexity: 'moderate', language: 'en' })
  const author = 'openai/one'
  const critics = ['anthropic/two', 'xai/three']
  let bestId = ''
  for (let iteration = 1; iteration <= iterations; iteration += 1) {
    const candidates = [{ model: author, score: 0.9, parts: { quality: 0.9 }, reasons: ['It is strong in code.'] }]
    events.push({ type: 'model-selected', atMs: at(), iteration, model: author, critics, candidates, algorithmVersion: '1' })
    const role = iteration === 1 ? 'primary' : 'refiner'
    const callId = newId()
    const step = stepOf(iteration, role, author)
    if (iteration === 1) call(callId, step, 'error', [0, 0], 0)
    call(callId, step, 'ok', [100, 50 * iteration], 0.001 * iteration)
    const usage = { inputTokens: 100, outputTokens: 50 * iteration, cachedInputTokens: 0, estimated: false }
    const responseId = newId()
    const text = `answer ${iteration} of ${salt}`
    const before = bestId
    events.push({
      type: 'answer-received',
      atMs: at(),
      iteration,
      responseId,
      callId,
      model: author,
      role,
      text,
      usage,
      costUsd: 0.001 * iteration,
      latencyMs: 100,
      fromCache: false,
    })
    if (iteration > 1) {
      events.push({
        type: 'answer-refined',
        atMs: at(),
        iteration,
        criticismId: newId(),
        originalResponseId: before,
        responseId,
        model: author,
        gain: 1,
      })
    }
    for (const judge of critics) {
      const dropped = withFailure && iteration === 1 && judge === 'xai/three'
      const cached = iteration === 2 && judge === 'xai/three'
      call(
        newId(),
        stepOf(iteration, 'critic', judge),
        dropped ? 'timeout' : cached ? 'cached' : 'ok',
        [200, 20],
        cached || dropped ? 0 : 0.0005,
      )
      if (dropped) {
        events.push({ type: 'verdict-dropped', atMs: at(), iteration, judge, reason: 'timeout' })
        continue
      }
      const judgement = {
        criteria: { accuracy: 6 + iteration, clarity: 6 + iteration },
        score: 6 + iteration,
        criticism: `weak ${iteration}`,
        suggestions: ['more'],
      }
      events.push({ type: 'answer-judged', atMs: at(), iteration, evaluationId: newId(), responseId, judge, judgement })
    }
    bestId = responseId
    events.push({
      type: 'iteration-finished',
      atMs: at(),
      iteration,
      responseId,
      model: author,
      score: 6 + iteration,
      bestResponseId: bestId,
      bestScore: 6 + iteration,
    })
  }
  events.push({ type: 'warning-raised', atMs: at(), code: 'sample', message: 'a warning' })
  events.push({ type: 'run-finished', atMs: at(), stopReason: 'threshold', bestResponseId: bestId, error: null })
  return events
}
