// Questions to the database that go together: an idle service asks each at once, by itself; what comes while one is out leaves as one when that is back.
// Invariant: what is asked leaves after it was asked, so that it sees what was acknowledged before; one that cannot be answered fails alone; each
// has its own end, however long the one before it takes.
import type { Clock } from '../core/runtime.ts'
import { bounded, databaseError } from '../database/connection.ts'
import { makeBatcher, type Batcher, type ItemOutcome } from '../traffic/batcher.ts'

/** From when it was asked, ms: as long as the server's own bound of a query. */
const mostMs = 8_000

export interface AskedTogether<Item, Result> {
  readonly clock: Clock
  alone(item: Item): Promise<Result>
  /** Two or more of them: a result an item, in their order. Null where they must be asked one by one. */
  together(items: readonly Item[]): Promise<readonly Result[] | null>
}

/** Enough to make the way there cheap; documents may be large, and all of an answer is waited for. */
const mostTogether = 50

/** Asks for different things by one query. Rejects with `database_unreachable` after 8 s. */
export function askTogether<Item, Result>({ clock, alone, together }: AskedTogether<Item, Result>): (item: Item) => Promise<Result> {
  const outcomeOf = async (item: Item): Promise<ItemOutcome<Result>> => {
    try {
      return { ok: true, value: await alone(item) }
    } catch (error) {
      return { ok: false, error }
    }
  }
  const run = async (items: readonly Item[]): Promise<readonly ItemOutcome<Result>[]> => {
    const [first] = items
    if (items.length === 1 && first !== undefined) return [await outcomeOf(first)]
    try {
      const results = await together(items)
      if (results !== null) return results.map((value) => ({ ok: true, value }))
    } catch (error) {
      // A document that cannot be read fails all that were asked for with it; a server that cannot be reached is not asked again.
      if (databaseError(error).code === 'database_unreachable') throw error
    }
    return Promise.all(items.map(outcomeOf))
  }
  return boundedBy(clock, makeBatcher<Item, Result>({ clock, leaves: 'when-back', maxSize: mostTogether, run }))
}

/** Asks once for what several want at the same time. Rejects with `database_unreachable` after 8 s. */
export function askOnce<Item, Result>(
  clock: Clock,
  keyOf: (item: Item) => string,
  ask: (item: Item) => Promise<Result>,
): (item: Item) => Promise<Result> {
  const run = async (items: readonly Item[]): Promise<readonly ItemOutcome<Result>[]> => {
    const value = await ask(items[0] as Item)
    return items.map(() => ({ ok: true, value }))
  }
  return boundedBy(clock, makeBatcher<Item, Result>({ clock, leaves: 'when-back', maxSize: 1_000, run }), keyOf)
}

function boundedBy<Item, Result>(clock: Clock, batcher: Batcher<Item, Result>, keyOf?: (item: Item) => string) {
  return (item: Item): Promise<Result> => bounded(clock, mostMs, (signal) => batcher.add(item, keyOf?.(item), signal))
}
