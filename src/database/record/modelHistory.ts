// What was measured of each model in earlier runs, for the choice of the author. One bounded query a run.
import type { Db } from 'mongodb'
import type { Clock } from '../../core/runtime.ts'
import type { ModelHistory } from '../../orchestration/select.ts'
import { runAggregate } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'

const windowMs = 30 * 24 * 3_600_000

/** By `provider/model`, over the newest 2,000 calls and verdicts of the last 30 days; simulated and real never mix. Rejects as the driver does. */
export async function readModelHistory(
  db: Db,
  clock: Clock,
  simulated: boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ModelHistory>> {
  const rows = await runAggregate(db, queryPaths.measuredModels, { simulated, since: new Date(clock.now() - windowMs) }, signal)
  return new Map(
    rows.map(({ _id, calls, succeeded, latency_ms, cost_usd, quality, domains }) => [
      _id,
      {
        calls,
        successRate: succeeded / calls,
        qualityScore: quality,
        latencyMs: latency_ms ?? 0,
        costUsd: cost_usd,
        byDomain: Object.fromEntries(
          domains.flatMap(({ domain, verdicts, quality: qualityScore }) =>
            domain === null || qualityScore === null ? [] : [[domain, { verdicts, qualityScore }]],
          ),
        ),
      },
    ]),
  )
}
