// What is known of models before any run: strengths, prices, limits. The data is fixtures/models.json, dated and with its source.
import catalog from '../../fixtures/models.json' with { type: 'json' }
import type { Price } from './call.ts'

export const domains = ['code', 'math', 'science', 'creative', 'business', 'medical', 'legal', 'general'] as const
export type Domain = (typeof domains)[number]

export interface ModelProfile {
  readonly provider: string
  /** As its provider names it. */
  readonly model: string
  /** Models of one maker and line: they err alike. */
  readonly family: string
  readonly specialties: readonly Domain[]
  /** 0 to 1. */
  readonly quality: number
  /** Typical time of an answer. */
  readonly latencyMs: number
  readonly contextTokens: number
  /** Null: unknown. */
  readonly price: Price | null
}

const profiles = catalog.models as readonly ModelProfile[]

export function profilesOf(provider: string): readonly ModelProfile[] {
  return profiles.filter((profile) => profile.provider === provider)
}

/** The profile of a model that the catalog does not know: nothing special, its price unknown (free where it runs on this machine). */
function unknownProfile(provider: string, model: string): ModelProfile {
  const price: Price | null = provider === 'local' ? { inputPerMillion: 0, outputPerMillion: 0 } : null
  const family =
    model
      .split('/')
      .at(-1)
      ?.split(/[-:.\d]/)[0] || model
  return { provider, model, family, specialties: ['general'], quality: 0.7, latencyMs: 6_000, contextTokens: 8_192, price }
}

export function profileOf(provider: string, model: string): ModelProfile {
  return profilesOf(provider).find((profile) => profile.model === model) ?? unknownProfile(provider, model)
}
