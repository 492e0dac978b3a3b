// Questions to the database that go together: an idle service asks each at once, by itself; what comes while one is out leaves as one when that is back.
// Invariant: what is asked leaves after it was asked, so that it sees what was acknowledged before; one that cannot be answered fails alone; each
// has its own end, however long the one before it takes.
import type { Clock } from '../core/runtime.ts'
import { bounded, databaseError } from '../database/connection.ts'
import { makeBatcher, type ItemOutcome } from '../traffic/batcher.ts'

/** From when it was asked, ms: as long as the server's own bound of a query. */
const mostMs = 8_000

export interface AskedTogether<Item, Result> {
  readonly clock: Clock
  /** Those that come to the same are asked once. */
  keyOf(item: Item): string
  alone(item: Item): Promise<Result>
  /** Two or more different ones: a result an item, in their order. Null where they must be asked one by one. */
  together(items: readonly Item[]): Promise<readonly Result[] | null>
  /** Enough to make the way there cheap; documents may be large, and all of an answer is waited for. @default 50 */
  readonly most?: number
}

/** Asks for several things by one query. Rejects with `database_unreachable` after 8 s. */
export function askTogether<Item, Result>({
  clock,
  keyOf,
  alone,
  together,
  most = 50,
}: AskedTogether<Item, Result>): (item: Item) => Promise<Result> {
  const outcomeOf = async (item: Item): Promise<ItemOutcome<Result>> => {
    try {
      return { ok: true, value: await alone(item) }
    } catch (error) {
      return { ok: false, error }
    }
  }
  const outcomesOf = async (items: readonly Item[]): Promise<readonly ItemOutcome<Result>[]> => {
    if (items.length === 1) return Promise.all(items.map(outcomeOf))
    try {
      const results = await together(items)
      if (results !== null) return results.map((value) => ({ ok: true, value }))
    } catch (error) {
      // A document that cannot be read fails all that were asked for with it; a server that cannot be reached is not asked again.
      if (databaseError(error).code === 'database_unreachable') throw error
    }
    return Promise.all(items.map(outcomeOf))
  }
  const run = async (items: readonly Item[]): Promise<readonly ItemOutcome<Result>[]> => {
    const keys = items.map(keyOf)
    const different = new Map(keys.map((key, place) => [key, items[place] as Item]))
    const outcomes = await outcomesOf([...different.values()])
    const byKey = new Map([...different.keys()].map((key, place) => [key, outcomes[place] as ItemOutcome<Result>]))
    return keys.map((key) => byKey.get(key) as ItemOutcome<Result>)
  }
  const batcher = makeBatcher<Item, Result>({ clock, leaves: 'when-back', maxSize: most, run })
  return (item) => bounded(clock, mostMs, (signal) => batcher.add(item, '', signal))
}
