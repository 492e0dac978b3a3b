// What a call costs, in USD. Invariant: an unknown price gives null, never 0.
import type { Price, PriceRates } from './call.ts'
import type { Usage } from './chat.ts'

/** The rates of a request of this size: a long one may cost more from its first token on. */
function ratesFor(price: Price, inputTokens: number): PriceRates {
  return price.tiers?.find(({ aboveInputTokens }) => inputTokens > aboveInputTokens) ?? price
}

/** Cached input costs what the price says of it, else as much as any input. */
export function costUsd(price: Price | null, usage: Usage): number | null {
  if (price === null) return null
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion = inputPerMillion } = ratesFor(price, usage.inputTokens)
  const fresh = usage.inputTokens - usage.cachedInputTokens
  return (fresh * inputPerMillion + usage.cachedInputTokens * cachedInputPerMillion + usage.outputTokens * outputPerMillion) / 1_000_000
}

/** The most a call can cost: all its input fresh, all its output used. */
export function costAtMostUsd(price: Price | null, inputTokensAtMost: number, maxTokens: number): number | null {
  if (price === null) return null
  const { inputPerMillion, outputPerMillion } = ratesFor(price, inputTokensAtMost)
  return (inputTokensAtMost * inputPerMillion + maxTokens * outputPerMillion) / 1_000_000
}
