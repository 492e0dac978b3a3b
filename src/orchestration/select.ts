// Who answers and who judges. Pure: the same models and the same history give the same choice, with its reasons.
// Invariant: a critic is never the author.
import { formatDuration, formatUsd } from '../core/units.ts'
import type { Domain } from '../models/catalog.ts'
import { providerNameOf, type CallTarget } from '../models/caller.ts'
import type { Analysis } from './analyse.ts'
import type { Candidate, Complexity } from './events.ts'

/** Changes when the choice for the same input does; kept with every selection. */
export const algorithmVersion = '2'

/** A model that may take part in a run, as far as the choice cares. */
export interface ModelOption extends CallTarget {
  /** Models of one maker and line (`gpt`, `claude`): they err alike. */
  readonly family: string
  readonly specialties: readonly Domain[]
  /** Stated quality, 0 to 1. */
  readonly quality: number
  /** Typical time of an answer. */
  readonly latencyMs: number
  /** False when it is known not to answer now. */
  readonly available: boolean
}

/** What was measured of a model in earlier runs. */
export interface ModelHistory {
  readonly calls: number
  /** 0 to 1. */
  readonly successRate: number
  /** Mean of its judged answers, 1 to 10; null where none was judged. */
  readonly qualityScore: number | null
  readonly latencyMs: number
  /** Mean of a call; null where its price is unknown. */
  readonly costUsd: number | null
  /** Mean of its judged answers to prompts of a domain, and how many verdicts that is. */
  readonly byDomain: Readonly<Record<string, { readonly verdicts: number; readonly qualityScore: number }>>
}

type Part = 'specialty' | 'quality' | 'success' | 'latency' | 'price' | 'availability'

const weights: Readonly<Record<Complexity, Readonly<Record<Part, number>>>> = {
  simple: { specialty: 0.25, quality: 0.2, success: 0.15, latency: 0.15, price: 0.15, availability: 0.1 },
  moderate: { specialty: 0.3, quality: 0.25, success: 0.15, latency: 0.1, price: 0.1, availability: 0.1 },
  complex: { specialty: 0.3, quality: 0.35, success: 0.15, latency: 0.05, price: 0.05, availability: 0.1 },
}

/** From this many calls on, what was measured counts as much as what is stated. */
const priorCalls = 10
/** The latency and the price (of 1,000 tokens in and out) that are worth half of their part. */
const halfLatencyMs = 5_000
const halfPriceUsd = 0.01

/** Every model with its score, best first; ties by name. */
export function weigh(
  models: readonly ModelOption[],
  analysis: Analysis,
  history: ReadonlyMap<string, ModelHistory>,
): readonly Candidate[] {
  return models
    .map((option) => candidateOf(option, analysis, history.get(option.model)))
    .toSorted((a, b) => Number(available(b)) - Number(available(a)) || b.score - a.score || (a.model < b.model ? -1 : 1))
}

function available(candidate: Candidate): boolean {
  return candidate.parts['availability'] !== 0
}

function candidateOf(option: ModelOption, { domain, complexity }: Analysis, measured: ModelHistory | undefined): Candidate {
  const trust = measured === undefined ? 0 : measured.calls / (measured.calls + priorCalls)
  const blend = (stated: number, found: number | null | undefined): number =>
    found === null || found === undefined ? stated : stated * (1 - trust) + found * trust
  const inDomain = measured?.byDomain[domain]
  const domainTrust = inDomain === undefined ? 0 : inDomain.verdicts / (inDomain.verdicts + priorCalls)
  const isSpecial = option.specialties.includes(domain)
  const latencyMs = blend(option.latencyMs, measured?.latencyMs)
  const statedUsd = option.price === null ? null : (option.price.inputPerMillion + option.price.outputPerMillion) / 1_000
  // One that says much for little costs more than its price tells.
  const callUsd = measured?.costUsd ?? null
  const priceUsd = statedUsd === null ? null : blend(statedUsd, callUsd)
  const measuredQuality = measured?.qualityScore ?? null
  // What it is worth in all domains counts until enough is known of this one.
  const overall = blend(option.quality, measuredQuality === null ? null : measuredQuality / 10)
  const parts: Record<Part, number> = {
    specialty: isSpecial ? 1 : domain === 'general' || option.specialties.includes('general') ? 0.6 : 0.3,
    quality: overall * (1 - domainTrust) + ((inDomain?.qualityScore ?? 0) / 10) * domainTrust,
    success: blend(1, measured?.successRate),
    latency: halfLatencyMs / (halfLatencyMs + latencyMs),
    price: priceUsd === null ? 0.5 : halfPriceUsd / (halfPriceUsd + priceUsd),
    availability: option.available ? 1 : 0,
  }
  const score = Object.entries(weights[complexity]).reduce((sum, [part, weight]) => sum + weight * parts[part as Part], 0)
  const reasons = [
    isSpecial ? `It is strong in ${domain}.` : `It has no stated strength in ${domain}.`,
    measuredQuality === null || measured === undefined
      ? `Its stated quality is ${(option.quality * 10).toFixed(1)} of 10; none was measured.`
      : `Its answers scored ${measuredQuality.toFixed(1)} of 10 in ${measured.calls} calls.`,
    ...(inDomain === undefined
      ? []
      : [`In ${domain} they scored ${inDomain.qualityScore.toFixed(1)} in ${verdictsText(inDomain.verdicts)}.`]),
    ...(measured === undefined ? [] : [`${Math.round(measured.successRate * 100)} % of its calls succeeded.`]),
    `It answers in about ${formatDuration(latencyMs)}${measured === undefined ? ', as stated' : ''}.`,
    statedUsd === null ? 'Its price is unknown.' : `1,000 tokens in and out cost ${formatUsd(statedUsd)}.`,
    ...(callUsd === null ? [] : [`A call cost ${formatUsd(callUsd)} on average.`]),
    ...(option.available ? [] : ['It is not available now.']),
  ]
  return { model: option.model, score, parts, reasons }
}

const verdictsText = (count: number): string => `${count} verdict${count === 1 ? '' : 's'}`

/** How much a provider, and a family, that has no part in it yet is worth in the choice of a critic. */
const otherProvider = 0.15
const otherFamily = 0.1

/** The models that judge an answer of `author`: others, best first, with a preference for other providers and families. */
export function pickCritics(
  author: string,
  candidates: readonly Candidate[],
  models: readonly ModelOption[],
  count: number,
): readonly ModelOption[] {
  const byName = new Map(models.map((option) => [option.model, option]))
  const chosen: ModelOption[] = []
  const taken = [author]
  const rest = candidates.filter((candidate) => !sameModel(candidate.model, author) && available(candidate))
  while (chosen.length < count && rest.length > 0) {
    const providers = new Set(taken.map(providerNameOf))
    const families = new Set(taken.map((model) => byName.get(model)?.family))
    const worth = ({ model, score }: Candidate): number =>
      score + (providers.has(providerNameOf(model)) ? 0 : otherProvider) + (families.has(byName.get(model)?.family) ? 0 : otherFamily)
    const best = rest.reduce((leader, next) => (worth(next) > worth(leader) ? next : leader))
    rest.splice(rest.indexOf(best), 1)
    taken.push(best.model)
    const option = byName.get(best.model)
    if (option !== undefined) chosen.push(option)
  }
  return chosen
}

/** Whether two names mean one model: it may be had of several providers (`openai/gpt-5`, `openrouter/openai/gpt-5`). */
export function sameModel(a: string, b: string): boolean {
  return a.slice(a.lastIndexOf('/') + 1) === b.slice(b.lastIndexOf('/') + 1)
}
