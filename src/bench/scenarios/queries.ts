// The query paths under load: each alone, and mixed at a fixed rate. Invariant: the queries are those of the program, with parameters that exist.
import type { Db, Document, ObjectId } from 'mongodb'
import { seededRandom } from '../../core/random.ts'
import { connectDatabase } from '../../database/connection.ts'
import { runAggregate, runFind } from '../../database/queryPath.ts'
import { queryPaths } from '../../database/queryPaths.ts'
import type { SeriesReport } from '../report.ts'
import { isMeasured, timesOf, type ScenarioSpec } from '../scenario.ts'
import type { Leaving } from '../leaving.ts'
import { openSeries, warmUp, warmUpMs, type OpenLoad } from './openSeries.ts'

const own = { durationMs: 20_000, quickMs: 5_000, warmupMs: 500 }
const mixPerSecond = 500
/** Each path alone, requests a second. */
const alone = { 'user-sessions': 200, 'session-threads': 200, 'session-analytics': 200, 'all-analytics': 80 } as const
/** Of the time of the mix; in the least time the rarest still has the 299 samples that a P99 needs, and the others bear a pause of the machine. */
const aloneShare = 0.4
const aloneLeastMs = 4_000
type Alone = keyof typeof alone
const seriesOf = (name: Alone): string => `queries:${name}`
const names = Object.keys(alone) as Alone[]
const aloneMs = (durationMs: number): number => Math.max(aloneLeastMs, durationMs * aloneShare)
const sampleSize = 500
const mongod = { busyBeside: 1 }

interface Sampled {
  readonly users: readonly string[]
  readonly sessions: readonly ObjectId[]
}

async function sample(db: Db, signal: AbortSignal): Promise<Sampled> {
  const of = (collection: string, field: string): Promise<Document[]> =>
    db
      .collection(collection)
      .aggregate([{ $sample: { size: sampleSize } }, { $project: { [field]: 1 } }], { signal })
      .toArray()
  const users = (await of('user_sessions', 'user_id')).map((row) => String(row['user_id']))
  const sessions = (await of('conversation_threads', 'session_id')).map((row) => row['session_id'] as ObjectId)
  return { users, sessions }
}

export const queries: ScenarioSpec = {
  name: 'queries',
  summary: 'sessions of a user, threads of a session, analytics: each alone, and mixed 40/40/20 at 500 a second',
  needs: { database: true },
  plannedMs: (settings) => {
    const { durationMs, warmupMs } = timesOf(settings, own)
    const singles = names.filter((name) => isMeasured(settings, seriesOf(name))).length
    const mixMs = isMeasured(settings, 'queries') ? durationMs + warmupMs : 0
    return warmUpMs(settings) + singles * (aloneMs(durationMs) + warmupMs) + mixMs
  },
  run: async (host, settings, signal) => {
    const { places, runtime } = host
    if (places.mongodb === null) throw new Error('queries needs a database')
    const database = await connectDatabase(
      { uri: places.mongodb.uri, dbName: places.mongodb.database, appName: 'orx/bench', maxPoolSize: 20, clock: runtime.clock },
      signal,
    )
    try {
      const { db } = database
      const { users, sessions } = await sample(db, signal)
      const at = <T>(list: readonly T[], random: () => number): T | undefined => list[Math.floor(random() * list.length)]
      const random = seededRandom(`queries/${settings.seed}`)
      const since = new Date(0)
      const asks: Readonly<Record<Alone, (abort: AbortSignal) => Promise<unknown>>> = {
        'user-sessions': (abort) => runFind(db, queryPaths.sessionsOfUser, { userId: at(users, random) ?? '' }, abort),
        'session-threads': (abort) => runFind(db, queryPaths.threadsOfSession, { sessionId: at(sessions, random) as ObjectId }, abort),
        'session-analytics': (abort) =>
          runAggregate(db, queryPaths.sessionAnalytics, { sessionId: at(sessions, random) as ObjectId }, abort),
        'all-analytics': (abort) => runAggregate(db, queryPaths.analyticsByDay, { since, simulated: true }, abort),
      }
      const { durationMs, warmupMs } = timesOf(settings, own)
      const rate = settings.ratePerSecond
      const measured: SeriesReport[] = []
      const mix: OpenLoad['send'] = (index, leaving) => {
        const share = index % 5
        return asks[share < 2 ? 'user-sessions' : share < 4 ? 'session-threads' : 'session-analytics'](leaving.signal)
      }
      await warmUp(host, settings, mix, signal)
      for (const name of names) {
        if (signal.aborted || !isMeasured(settings, seriesOf(name))) continue
        const load = {
          ...mongod,
          name: seriesOf(name),
          perSecond: rate ?? alone[name],
          times: { durationMs: aloneMs(durationMs), warmupMs },
          send: (_index: number, leaving: Leaving) => asks[name](leaving.signal),
        }
        measured.push(await openSeries(host, settings, load, signal))
      }
      // The heaviest load last: after sample data were made, a server writes them down for some seconds more.
      if (!signal.aborted && isMeasured(settings, 'queries')) {
        const load = { ...mongod, name: 'queries', perSecond: rate ?? mixPerSecond, times: { durationMs, warmupMs }, send: mix }
        measured.push(await openSeries(host, settings, load, signal))
      }
      return measured
    } finally {
      await database.close()
    }
  },
}
