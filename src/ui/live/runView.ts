// What the live view of a run shows, as plain data: short texts that fit, from the state of the run. Pure.
import { formatDuration, formatUsd } from '../../core/units.ts'
import type { RunResult } from '../../orchestration/events.ts'
import type { IterationState, RunState } from '../../orchestration/fold.ts'
import { sanitise, sanitiseLine } from '../sanitise.ts'
import { scoreWithSpread } from '../score.ts'

/** How busy the system is that runs share. */
export interface TrafficView {
  readonly waiting: number
  readonly running: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly limits: readonly {
    readonly provider: string
    readonly requests: number
    readonly perMinute: number | null
    readonly atOnce: number
    readonly waiting: number
  }[]
}

export interface IterationView {
  readonly number: string
  readonly model: string
  readonly score: string
  readonly cost: string
  readonly time: string
  /** `atlas 7.9, dune 8.2`, or what is being done. */
  readonly judges: string
}

export interface RunView {
  readonly prompt: string
  readonly about: string
  readonly iterations: readonly IterationView[]
  readonly elapsed: string
  readonly cost: string
  /** What is being written now, the end of it; empty when nobody writes. */
  readonly writing: { readonly by: string; readonly text: string } | null
  readonly closing: string | null
}

/** The end of a text that is long enough for any screen. */
const tailLength = 4_000

const lastName = (model: string): string => model.slice(model.indexOf('/') + 1)

export function runView(state: RunState, nowMs: number, closing: (result: RunResult) => string, result: RunResult | null): RunView {
  const { started, analysis } = state
  const calls = [...state.calls.values()]
  const writer = calls.find(({ role, text }) => role !== 'critic' && text !== '') ?? null
  const costs = state.attempts.map(({ costUsd }) => costUsd)
  const author = state.iterations[0]?.selection?.model
  return {
    prompt: sanitiseLine(started?.prompt ?? ''),
    about: [
      analysis ? `${analysis.domain}, ${analysis.complexity}, ${analysis.language}` : 'analysing',
      ...(author === undefined ? [] : [`author ${author}`]),
    ].join(' · '),
    iterations: state.iterations.flatMap(({ answer, judgements, dropped, comparison, finished }, index): readonly IterationView[] => {
      const number = index + 1
      const busy = calls.filter((call) => call.iteration === number)
      if (answer === null) {
        const [call] = busy
        return call === undefined
          ? []
          : [{ number: String(number), model: call.model, score: '', cost: '', time: '', judges: call.text === '' ? 'asked' : 'writing' }]
      }
      const judging = busy.filter(({ role }) => role === 'critic').map(({ model }) => `${lastName(model)} …`)
      const judged = judgements.map(({ judge, judgement }) => `${lastName(judge)} ${judgement.score.toFixed(1)}`)
      return [
        {
          number: String(number),
          model: answer.model,
          score: finished === null && judging.length > 0 ? '…' : scoreWithSpread(finished?.score ?? null, finished?.spread),
          cost: answer.fromCache ? 'cached' : formatUsd(answer.costUsd),
          time: formatDuration(answer.latencyMs),
          judges: [
            ...judged,
            ...dropped.map(({ judge }) => `${lastName(judge)} dropped`),
            ...new Set(judging),
            ...compared(comparison),
          ].join(', '),
        },
      ]
    }),
    elapsed: formatDuration(Math.max(0, (state.finished?.atMs ?? nowMs) - (started?.atMs ?? nowMs))),
    cost: costs.includes(null) ? 'cost unknown' : formatUsd(costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0)),
    writing: writer === null ? null : { by: writer.model, text: sanitise(writer.text.slice(-tailLength)) },
    closing: result === null ? null : closing(result),
  }
}

/** What came of putting two close answers side by side. */
function compared(comparison: IterationState['comparison']): readonly string[] {
  if (comparison === null) return []
  return [comparison.keptResponseId === comparison.responseId ? 'preferred to the best so far' : 'the best so far is preferred']
}

/** One line on queue, limits and cache. */
export function trafficLine({ waiting, running, cacheHits, cacheMisses, limits }: TrafficView): string {
  const used = limits.map((limit) => {
    const minute = limit.perMinute === null ? '' : ` ${limit.requests}/${limit.perMinute} a minute,`
    return `${limit.provider}${minute} ${limit.atOnce} at once${limit.waiting > 0 ? `, ${limit.waiting} wait` : ''}`
  })
  return [`${running} running, ${waiting} queued`, ...used, `cache ${cacheHits} of ${cacheHits + cacheMisses}`].join(' · ')
}
