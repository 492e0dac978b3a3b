// Daily figures by model, so that analytics over everything reads some hundred rows. Invariant: a day is computed from its responses and replaced
// as a whole, so doing it twice changes nothing.
import type { Db } from 'mongodb'
import { collectionOf } from './documents.ts'
import { runAggregate } from './queryPath.ts'
import { queryPaths } from './queryPaths.ts'

const dayMs = 86_400_000

/** Computes the days from the one of `from` up to the one of `to` anew. */
export async function rollUpDays(db: Db, from: Date, to: Date, signal?: AbortSignal): Promise<void> {
  const firstMs = Math.floor(from.getTime() / dayMs) * dayMs
  const endMs = (Math.floor(to.getTime() / dayMs) + 1) * dayMs
  const rows = await runAggregate(db, queryPaths.responsesOfPeriod, { from: new Date(firstMs), to: new Date(endMs) }, signal)
  if (rows.length === 0) return
  await collectionOf(db, 'algorithm_metrics').bulkWrite(
    rows.map(({ _id: { day, simulated, model }, count, total_tokens, total_cost, total_response_time }) => ({
      updateOne: {
        filter: { time_period: 'day', simulated, metric_date: day, model_name: model },
        update: { $set: { calls: count, total_tokens, total_cost, total_response_time_ms: total_response_time } },
        upsert: true,
      },
    })),
    { ordered: false },
  )
}
