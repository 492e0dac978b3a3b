// Seeding beside a bare insertMany loop, and each documented query path beside a bare driver call: interleaved pairs on a MongoDB of its own.
// npm run bench:database
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectDatabase } from '../src/database/connection.ts'
import { embeddedOptions } from '../src/database/embedded/mongod.testkit.ts'
import { ensureMongod, stopMongod } from '../src/database/embedded/server.ts'
import { runAggregate, runFind } from '../src/database/queryPath.ts'
import { queryPaths } from '../src/database/queryPaths.ts'
import { sampleData } from '../src/database/seed/sampleData.ts'
import { makeIo } from '../src/io.ts'
import { makeIndexes, seedMedium } from './seeded.ts'

const { runtime } = makeIo(process, '')
const { clock } = runtime
const signal = new AbortController().signal
const print = (text: string): void => void process.stdout.write(`${text}\n`)
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
const spread = (values: readonly number[]): string =>
  `${quantile(values, 0.5).toFixed(2)} (${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)})`

const home = await mkdtemp(join(tmpdir(), 'orx-bench-database-'))
const options = await embeddedOptions(home)
const server = await ensureMongod(options, signal)
const open = (dbName: string) => connectDatabase({ uri: server.uri, dbName, appName: 'orx-bench', clock }, signal)
const seeded = await open('seeded')
const bare = await open('bare')
try {
  print('Seeding beside a bare loop of insertMany over the same documents, made beforehand; 566,000 documents a block')
  const data = sampleData('medium', 1)
  const chunks = Array.from({ length: data.chunkCount }, (_, index) => data.chunk(index)).flat()
  const ratios: number[] = []
  for (let block = 0; block < 4; block += 1) {
    await bare.db.dropDatabase()
    await seeded.db.dropDatabase()
    const barely = async (): Promise<number> => {
      const fromMs = clock.monotonicMs()
      for (const { collection, documents } of chunks) {
        if (documents.length > 0)
          await bare.db.collection(collection).insertMany([...documents], { ordered: false, writeConcern: { w: 1 } })
      }
      return clock.monotonicMs() - fromMs
    }
    const seeding = (): Promise<number> => seedMedium(seeded, clock, signal)
    const [first, second] = block % 2 === 0 ? [await seeding(), await barely()] : [await barely(), await seeding()]
    ratios.push(block % 2 === 0 ? second / first : first / second)
  }
  print(`  speed, seeding / bare: ${spread(ratios)}`)

  const { db } = seeded
  await db.dropDatabase()
  await seedMedium(seeded, clock, signal)
  await makeIndexes(seeded, clock, signal)

  print('Query paths beside the same call of the bare driver, on 200,000 responses; 1,500 pairs, client time in ms')
  const [thread] = await db
    .collection('conversation_threads')
    .aggregate([{ $sample: { size: 1 } }])
    .toArray()
  const [session] = await db
    .collection('user_sessions')
    .aggregate([{ $sample: { size: 1 } }])
    .toArray()
  if (thread === undefined || session === undefined) throw new Error('there are no sample data')
  const userId = String(session['user_id'])
  const sessionId = thread['session_id'] as never
  const sessions = queryPaths.sessionsOfUser.build({ userId })
  const threads = queryPaths.threadsOfSession.build({ sessionId })
  const analytics = queryPaths.sessionAnalytics.build({ sessionId })
  const pairs: readonly (readonly [string, () => Promise<unknown>, () => Promise<unknown>])[] = [
    [
      'sessions of a user',
      () => runFind(db, queryPaths.sessionsOfUser, { userId }),
      () =>
        db
          .collection('user_sessions')
          .find(sessions.filter, { projection: sessions.projection ?? {}, sort: { created_at: -1 }, limit: 20 })
          .toArray(),
    ],
    [
      'threads of a session',
      () => runFind(db, queryPaths.threadsOfSession, { sessionId }),
      () =>
        db
          .collection('conversation_threads')
          .find(threads.filter, { sort: { created_at: -1 }, limit: 20 })
          .toArray(),
    ],
    [
      'analytics of a session',
      () => runAggregate(db, queryPaths.sessionAnalytics, { sessionId }),
      () => db.collection('model_responses').aggregate(analytics).toArray(),
    ],
  ]
  for (const [name, ours, theirs] of pairs) {
    const times = { ours: [] as number[], theirs: [] as number[] }
    const timed = async (into: number[], work: () => Promise<unknown>): Promise<void> => {
      const fromMs = clock.monotonicMs()
      await work()
      into.push(clock.monotonicMs() - fromMs)
    }
    for (let pair = 0; pair < 1_600; pair += 1) {
      const into = pair < 100 ? { ours: [], theirs: [] } : times
      if (pair % 2 === 0) await timed(into.ours, ours)
      await timed(into.theirs, theirs)
      if (pair % 2 === 1) await timed(into.ours, ours)
    }
    const told = (values: readonly number[]): string => [0.5, 0.95, 0.99].map((share) => quantile(values, share).toFixed(2)).join(' / ')
    const ratio = (share: number): string => (quantile(times.ours, share) / quantile(times.theirs, share)).toFixed(2)
    print(`  ${name}: P50/P95/P99 ${told(times.ours)}, bare ${told(times.theirs)}; ratio of medians ${ratio(0.5)}, of P99 ${ratio(0.99)}`)
  }
} finally {
  await seeded.close()
  await bare.close()
  await stopMongod(options, signal)
  await rm(home, { recursive: true, force: true, maxRetries: 3 })
}
