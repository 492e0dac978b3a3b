// What a run may spend. Invariant: what is spent and reserved never exceeds the bound, with critics in parallel too.
import { OrxError } from '../core/errors.ts'
import { formatUsd } from '../core/units.ts'
import type { CallTarget } from '../models/caller.ts'
import type { CallGate } from '../models/call.ts'

export interface Budget extends CallGate {
  /** What may still be reserved; Infinity without a bound. */
  remainingUsd(): number
  /** Whether a call was refused. */
  refused(): boolean
}

/**
 * The budget of one run, as the first of its gates. `maxCostUsd` null: no bound.
 * `spentBeforeUsd`: by the same thread, before it was cut off.
 */
export function makeBudget(maxCostUsd: number | null, spentBeforeUsd = 0): Budget {
  const boundUsd = maxCostUsd ?? Number.POSITIVE_INFINITY
  let spentUsd = spentBeforeUsd
  let reservedUsd = 0
  let refused = false
  return {
    name: 'budget',
    remainingUsd: () => boundUsd - spentUsd - reservedUsd,
    refused: () => refused,
    enter: ({ costAtMostUsd, step }) => {
      if (costAtMostUsd === null && maxCostUsd !== null) throw unknownPrice([step.model])
      const mostUsd = costAtMostUsd ?? 0
      if (spentUsd + reservedUsd + mostUsd > boundUsd) {
        refused = true
        throw new OrxError(
          'cost_limit',
          `Expected a call within ${formatUsd(boundUsd - spentUsd - reservedUsd)} of ${formatUsd(boundUsd)}, but ${step.model} may cost ${formatUsd(mostUsd)}`,
          { hint: 'Raise --max-cost, or lower --max-tokens.' },
        )
      }
      reservedUsd += mostUsd
      return {
        sent: () => undefined,
        settle: (settlement, result) => {
          reservedUsd -= mostUsd
          if (settlement !== 'unsent') spentUsd += result?.costUsd ?? mostUsd
        },
      }
    },
  }
}

/** Refuses a bound on cost over models whose price nobody knows. */
export function requirePrices(models: readonly CallTarget[], maxCostUsd: number | null): void {
  const unknown = models.filter(({ price }) => price === null).map(({ model }) => model)
  if (maxCostUsd !== null && unknown.length > 0) throw unknownPrice(unknown)
}

function unknownPrice(models: readonly string[]): OrxError {
  return new OrxError('unknown_price', `--max-cost needs the price of every model; unknown: ${models.join(', ')}`, {
    hint: 'Add --assume-price IN,OUT in USD per million tokens, or leave out --max-cost.',
  })
}
