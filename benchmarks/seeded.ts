// A database of medium sample data with the catalog's indexes, for what is measured on it.
import { applyActions } from '../src/database/indexes/apply.ts'
import { readLive } from '../src/database/indexes/live.ts'
import { ownCatalog } from '../src/database/indexes/ownCatalog.ts'
import { planIndexes } from '../src/database/indexes/plan.ts'
import type { Database } from '../src/database/connection.ts'
import { claimBenchDatabase } from '../src/database/seed/benchDatabase.ts'
import { seedDatabase } from '../src/database/seed/seed.ts'
import type { Clock } from '../src/core/runtime.ts'

/** Seeds it; resolves to how long that took, ms. */
export async function seedMedium({ client, db }: Database, clock: Clock, signal: AbortSignal): Promise<number> {
  const mark = await claimBenchDatabase({ client, db, now: new Date(clock.now()) }, signal)
  return (await seedDatabase({ db, clock, mark, scale: 'medium', seed: 1, onProgress: () => undefined }, signal)).elapsedMs
}

export async function makeIndexes({ db, ping }: Database, clock: Clock, signal: AbortSignal): Promise<void> {
  const { actions } = planIndexes(ownCatalog, await readLive(db, null, signal), { prune: false })
  const { error } = await applyActions(
    { db, clock, allowDrop: false, ping: () => ping(), emit: () => undefined, onInterrupt: () => Promise.resolve('leave' as const) },
    actions,
    signal,
  )
  if (error !== null) throw error
}
