// The strategies side by side: the same prompts, the same bound on what each prompt may cost, and a panel that took no part grades the answers.
// Invariant: the panel learns neither strategy nor author, the same words get the same grade, and no judge of it took part in a run.
import { OrxError } from '../core/errors.ts'
import { meanOf } from '../core/mean.ts'
import { seededRandom } from '../core/random.ts'
import type { Domain } from '../models/catalog.ts'
import type { ChatMessage } from '../models/chat.ts'
import type { RunResult, RunSettings, Strategy } from './events.ts'
import { judgeMessages, median, parseVerdict } from './judge.ts'

export interface ComparedPrompt {
  readonly id: string
  readonly prompt: string
  readonly domain: Domain
}

/** A run as the comparison wants it. A cached answer would cost nothing, so that no two strategies spent alike: the cache is off. */
export interface ComparedOrder extends ComparedPrompt {
  readonly settings: Pick<RunSettings, 'strategy' | 'maxCostUsd' | 'useCache'>
}

export interface ComparisonPorts {
  run(order: ComparedOrder, signal: AbortSignal): Promise<RunResult>
  /** The reply of one judge of the panel, `provider/model`, to a question. A rejection is no grade. */
  judge(model: string, messages: readonly ChatMessage[], signal: AbortSignal): Promise<string>
}

export interface ComparisonOptions {
  readonly prompts: readonly ComparedPrompt[]
  /** Bound of each run. */
  readonly maxCostUsd: number
  /** `provider/model` of each judge; none of them may take part in a run. */
  readonly panel: readonly string[]
  readonly seed: string | number
}

/** Ends of a 95 % interval. */
export interface Interval {
  readonly low: number
  readonly high: number
}

export interface StrategyFigures {
  readonly strategy: Strategy
  readonly answered: number
  /** Prompts that count in the mean: graded, or unanswered. */
  readonly graded: number
  /** 1-10; an unanswered prompt counts as 1. Null without a grade. */
  readonly meanQuality: number | null
  /** Null with fewer than two prompts. */
  readonly interval: Interval | null
  /** What its runs cost, the panel not counted; null where a price is unknown. */
  readonly spentUsd: number | null
  readonly spentPerPromptUsd: number | null
  /** The dearest run; never above the bound. */
  readonly dearestUsd: number | null
  /** Of the same prompts, minus `single`; null for `single` itself and without a pair. */
  readonly versusSingle: { readonly mean: number; readonly interval: Interval | null; readonly pairs: number } | null
}

export interface StrategyComparison {
  readonly simulated: boolean
  /** What may be concluded from it. */
  readonly note: string
  readonly seed: string
  readonly prompts: number
  readonly maxCostUsd: number
  readonly panel: readonly string[]
  readonly strategies: readonly StrategyFigures[]
}

const strategies = ['single', 'best-of-n', 'fusion', 'critique'] as const satisfies readonly Strategy[]

/** The grade of a prompt that was left without an answer: useless. */
const unansweredGrade = 1
const resamples = 2_000

interface Trial {
  readonly strategy: Strategy
  readonly promptId: string
  readonly result: RunResult
  /** Null: answered, but nobody could grade it. */
  readonly grade: number | null
}

/**
 * Runs every prompt with every strategy, one after the other, and grades what they answered.
 * Rejects with `usage` for an empty panel or one whose judge took part in a run; else as the runs do.
 */
export async function compareStrategies(
  options: ComparisonOptions,
  ports: ComparisonPorts,
  signal: AbortSignal,
): Promise<StrategyComparison> {
  const { prompts, maxCostUsd, panel, seed } = options
  if (panel.length === 0) throw new OrxError('usage', 'Expected a panel of at least one judge, got none')
  const shuffle = seededRandom(`${seed} order`)
  const trials: Trial[] = []
  for (const prompt of prompts) {
    const grades = new Map<string, number | null>()
    // In another order each time: whoever goes first must not always be the same.
    for (const strategy of shuffled(strategies, shuffle)) {
      signal.throwIfAborted()
      const result = await ports.run({ ...prompt, settings: { strategy, maxCostUsd, useCache: false } }, signal)
      requireOutside(panel, result)
      const text = result.finalResponse
      if (text !== null && !grades.has(text)) grades.set(text, await gradeOf(prompt, text, panel, ports, signal))
      const grade = text === null ? unansweredGrade : (grades.get(text) ?? null)
      trials.push({ strategy, promptId: prompt.id, result, grade })
    }
  }
  const simulated = trials.some(({ result }) => result.simulated)
  return {
    simulated,
    note: simulated
      ? 'The models are simulated: this shows how the comparison works, and is no statement about models or strategies.'
      : 'It holds for these prompts, models and this panel alone. The bound is the same for all, the spend is not; an interval around 0 shows no difference.',
    seed: String(seed),
    prompts: prompts.length,
    maxCostUsd,
    panel,
    strategies: strategies.map((strategy) => figuresOf(strategy, trials, seed)),
  }
}

function requireOutside(panel: readonly string[], { attempts }: RunResult): void {
  const insider = attempts.find(({ model }) => panel.includes(model))?.model
  if (insider === undefined) return
  throw new OrxError('usage', `Expected a panel that takes no part in the runs, but ${insider} did`, {
    hint: 'Name judges that are not among the models of the runs.',
  })
}

/** The median of the panel's valid verdicts; null without one. */
async function gradeOf(
  { prompt, domain }: ComparedPrompt,
  answer: string,
  panel: readonly string[],
  ports: ComparisonPorts,
  signal: AbortSignal,
): Promise<number | null> {
  const messages = judgeMessages(prompt, answer, domain)
  const replies = await Promise.allSettled(panel.map((model) => ports.judge(model, messages, signal)))
  signal.throwIfAborted()
  const verdicts = replies.flatMap((reply) => (reply.status === 'fulfilled' ? [parseVerdict(reply.value, domain)] : []))
  return median(verdicts.flatMap((verdict) => (verdict.ok ? [verdict.judgement.score] : [])))
}

function figuresOf(strategy: Strategy, trials: readonly Trial[], seed: string | number): StrategyFigures {
  const own = trials.filter((trial) => trial.strategy === strategy)
  const gradesOf = (of: Strategy): ReadonlyMap<string, number> =>
    new Map(trials.flatMap((trial) => (trial.strategy === of && trial.grade !== null ? [[trial.promptId, trial.grade]] : [])))
  const ownGrades = gradesOf(strategy)
  const singleGrades = gradesOf('single')
  const grades = [...ownGrades.values()]
  const differences = [...ownGrades].flatMap(([id, grade]) => {
    const other = singleGrades.get(id)
    return other === undefined ? [] : [grade - other]
  })
  const costs = own.flatMap(({ result }) => (result.usage.costUsd === null ? [] : [result.usage.costUsd]))
  const isPriced = costs.length === own.length && own.length > 0
  const spentUsd = isPriced ? costs.reduce((sum, cost) => sum + cost, 0) : null
  const mean = meanOf(differences)
  return {
    strategy,
    answered: own.filter(({ result }) => result.finalResponse !== null).length,
    graded: grades.length,
    meanQuality: meanOf(grades),
    interval: bootstrapInterval(grades, `${seed} ${strategy}`),
    spentUsd,
    spentPerPromptUsd: spentUsd === null ? null : spentUsd / own.length,
    dearestUsd: isPriced ? Math.max(...costs) : null,
    versusSingle:
      strategy === 'single' || mean === null
        ? null
        : { mean, interval: bootstrapInterval(differences, `${seed} ${strategy} pairs`), pairs: differences.length },
  }
}

/** The percentile bootstrap of a mean, 95 %, the same for the same seed. Source: Efron and Tibshirani, 1993, chapter 13. */
export function bootstrapInterval(values: readonly number[], seed: string): Interval | null {
  if (values.length < 2) return null
  const random = seededRandom(seed)
  const means = Array.from({ length: resamples }, () => {
    let sum = 0
    for (let draw = 0; draw < values.length; draw += 1) sum += values[Math.floor(random() * values.length)] ?? 0
    return sum / values.length
  }).toSorted((a, b) => a - b)
  const at = (share: number): number => means[Math.round(share * (resamples - 1))] ?? Number.NaN
  return { low: at(0.025), high: at(0.975) }
}

function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  return values
    .map((value) => [random(), value] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, value]) => value)
}
