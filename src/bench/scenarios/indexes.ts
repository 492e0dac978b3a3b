// What the indexes gain: each query path with its index and without, in pairs. The same proof as `orx db:index verify`.
import { connectDatabase } from '../../database/connection.ts'
import { readLive } from '../../database/indexes/live.ts'
import { ownCatalog } from '../../database/indexes/ownCatalog.ts'
import { planIndexes } from '../../database/indexes/plan.ts'
import type { Proof } from '../../database/indexes/proof.ts'
import { verifyPaths } from '../../database/indexes/verify.ts'
import type { ScenarioSpec } from '../scenario.ts'

/** What is examined decides; a short look takes the time of a few. */
const quickLook = { mostPairs: 2, mostRuns: 100 } as const

export const indexes: ScenarioSpec = {
  name: 'indexes',
  summary: 'each query path with its index and without: documents examined, and client time in pairs',
  needs: { database: true },
  plannedMs: ({ quick }) => (quick ? 20_000 : 60_000),
  run: async (host, { quick }, signal) => {
    const { places, runtime } = host
    if (places.mongodb === null) throw new Error('indexes needs a database')
    const { clock } = runtime
    const options = { uri: places.mongodb.uri, dbName: places.mongodb.database, appName: 'orx/bench', maxPoolSize: 4, clock }
    const database = await connectDatabase(options, signal)
    try {
      const live = await readLive(database.db, null, signal)
      const series = host.series('indexes', 'closed', 'ms')
      series.begin()
      const onPath = (name: string, position: number, total: number): void => host.onPreparing(`proving ${name}`, position, total)
      const { paths } = await verifyPaths(
        { db: database.db, clock, gain: true, ...(quick && quickLook), onPath },
        ownCatalog,
        live,
        planIndexes(ownCatalog, live, { prune: false }),
        signal,
      )
      signal.throwIfAborted()
      for (const { latencyMs } of paths)
        if (latencyMs !== null) series.sample({ response: latencyMs.p50, service: latencyMs.p50, lateness: 0, error: null })
      const gains = paths.flatMap(({ gainPercent, verdict }) => (gainPercent === null || verdict === 'not-checked' ? [] : [gainPercent]))
      const figures = {
        leastGainPercent: gains.length === 0 ? Number.NaN : Math.min(...gains),
        pathsNotProven: paths.filter(({ verdict }) => verdict !== 'ok').length,
        ...Object.fromEntries(paths.flatMap(speedUp)),
      }
      const notProven = paths.filter(({ verdict }) => verdict !== 'ok').map(({ name, verdict, reason }) => `${name}: ${verdict}, ${reason}`)
      return [series.finish({ offeredPerSecond: null, concurrency: 1, figures, notes: ['a sample is the median of a path', ...notProven] })]
    } finally {
      await database.close()
    }
  },
}

function speedUp({ name, latencyMs, baseline }: Proof): readonly (readonly [string, number])[] {
  if (latencyMs === null || baseline === null || latencyMs.p50 === 0) return []
  return [[`timesFaster:${name}`, baseline.latencyMs / latencyMs.p50]]
}
