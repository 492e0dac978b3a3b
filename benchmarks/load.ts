// The load generator of `orx bench` beside wrk and autocannon on servers that know what they did, what it can send at most, and the mix of
// query paths beside the same calls of the bare driver. npm run bench:load writes benchmarks/LOAD.md. Needs `npm run build`.
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import autocannon from 'autocannon'
import { runOpenLoop } from '../src/bench/openLoop.ts'
import { makePacer } from '../src/bench/pacer.ts'
import type { BenchReport, Percentiles } from '../src/bench/report.ts'
import { poissonSchedule } from '../src/bench/schedule.ts'
import { makeSeries } from '../src/bench/series.ts'
import { seededRandom } from '../src/core/random.ts'
import { connectDatabase } from '../src/database/connection.ts'
import { embeddedOptions } from '../src/database/embedded/mongod.testkit.ts'
import { ensureMongod, stopMongod } from '../src/database/embedded/server.ts'
import { runAggregate, runFind } from '../src/database/queryPath.ts'
import { queryPaths } from '../src/database/queryPaths.ts'
import { makeIo } from '../src/io.ts'
import { makeIndexes, seedMedium } from './seeded.ts'

const run = promisify(execFile)
const orx = fileURLToPath(new URL('../../../bin/orx.js', import.meta.url))
const signal = new AbortController().signal

if (process.argv[2] === 'answer') {
  // The plainest server there is, in a process of its own.
  const server = createServer((_request, response) => response.end('ok'))
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.once('disconnect', () => process.exit(0))
  await new Promise(() => undefined)
}

const out: string[] = []
const say = (line: string): void => {
  out.push(line)
  process.stdout.write(`${line}\n`)
}
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
const spread = (values: readonly number[], digits = 2): string =>
  `${quantile(values, 0.5).toFixed(digits)} (${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)})`

interface Served {
  readonly url: string
  ask(): Promise<{ readonly percentiles: Percentiles }>
  stop(): void
}

async function served(script: string, words: readonly string[]): Promise<Served> {
  const child: ChildProcess = fork(script, words, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const next = (): Promise<unknown> => new Promise((resolve) => child.once('message', resolve))
  const { port } = (await next()) as { readonly port: number }
  return {
    url: `http://127.0.0.1:${port}/`,
    ask: async () => {
      const told = next()
      child.send({ type: 'tell' })
      return (await told) as { readonly percentiles: Percentiles }
    },
    stop: () => child.disconnect(),
  }
}

type Row = readonly [p50: number, p95: number | null, p99: number]
const seconds = 20
const perSecond = 200

async function byOrx(url: string, rate: number, lengthSeconds: number, warmup: string): Promise<BenchReport['scenarios'][number]> {
  const words = [
    'bench',
    'http',
    '--url',
    url,
    '--rate',
    String(rate),
    '--duration',
    `${lengthSeconds}s`,
    '--warmup',
    warmup,
    '--ui',
    'none',
    '--json',
  ]
  // A verdict other than pass is an exit code other than 0; the figures are there all the same.
  const { stdout } = await run(process.execPath, [orx, ...words], { maxBuffer: 1e8 }).catch((error: { readonly stdout: string }) => error)
  const [series] = (JSON.parse(stdout) as { readonly data: BenchReport }).data.scenarios
  if (series === undefined) throw new Error('orx measured nothing')
  return series
}

const generators: Readonly<Record<string, (url: string) => Promise<Row>>> = {
  'orx bench': async (url) => {
    const { response } = await byOrx(url, perSecond, seconds, '0ms')
    return [response.p50, response.p95, response.p99]
  },
  'wrk, 10 connections': async (url) => {
    const { stdout } = await run('wrk', ['-t1', '-c10', `-d${seconds}s`, '--latency', url])
    const at = (percent: number): number => {
      const [, value, unit] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? []
      return Number(value) * (unit === 's' ? 1_000 : unit === 'us' ? 0.001 : 1)
    }
    return [at(50), null, at(99)]
  },
  'autocannon, 10 connections at that rate': async (url) => {
    const { latency } = await autocannon({ url, connections: 10, duration: seconds, overallRate: perSecond })
    return [latency.p50, latency.p97_5, latency.p99]
  },
}

say('# The load generator beside others\n')
say(`Node ${process.version}, ${cpus().length} shared cores (${cpus()[0]?.model ?? 'unknown'}). Run it again with \`npm run bench:load\`.`)
say(`\n## What they say of one server: ${perSecond}/s for ${seconds} s, P50 / P95 / P99 in ms\n`)
say(
  'The truth is what the server itself recorded under that very load, and differs between rows. wrk has no rate and no P95; autocannon has a P97.5 instead.\n',
)
for (const [kind, what] of [
  ['known', 'exponential, 20 ms at the mean'],
  ['stall', 'stands still for 1.5 s in 10'],
] as const) {
  say(`\n| a server that is ${kind}: ${what} | says | truth |\n|---|---|---|`)
  for (const [name, measure] of Object.entries(generators)) {
    const server = await served(orx, ['bench:known', '--kind', kind])
    try {
      const row = await measure(server.url).catch((error: { readonly code?: string }) => {
        if (error.code === 'ENOENT') return null
        throw error
      })
      const { p50, p95, p99 } = (await server.ask()).percentiles
      const told = (values: readonly (number | null)[]): string =>
        values.map((value) => (value === null ? '-' : value.toFixed(1))).join(' / ')
      say(row === null ? `| ${name} | is not on this machine | |` : `| ${name} | ${told(row)} | ${told([p50, p95, p99])} |`)
    } finally {
      server.stop()
    }
  }
}

say('\n## What one generator sends at most, to the plainest server in a process of its own\n')
say('| | requests/s | lateness P99, ms | busy |\n|---|---|---|---|')
const plain = await served(fileURLToPath(import.meta.url), ['answer'])
try {
  for (const rate of [1_000, 2_000, 5_000, 8_000]) {
    const { achievedPerSecond, lateness, generator, invalid } = await byOrx(plain.url, rate, 5, '1s')
    const note = invalid.length === 0 ? '' : `, invalid: ${invalid.join('; ')}`
    say(
      `| orx bench, open loop at ${rate}/s${note} | ${achievedPerSecond.toFixed(0)} | ${lateness.p99.toFixed(2)} | ${(100 * generator.eventLoopUtilization).toFixed(0)} % |`,
    )
  }
  const closed = await autocannon({ url: plain.url, connections: 64, duration: 5 })
  say(`| autocannon, closed loop of 64 | ${(closed.requests.total / closed.duration).toFixed(0)} | - | - |`)
} finally {
  plain.stop()
}

say('\n## The mix of query paths at 500/s, beside the same calls of the bare driver\n')
const { runtime, yieldNow, yieldUntil, loopProbe } = makeIo(process, '')
const { clock } = runtime
const pacer = makePacer()
const home = await mkdtemp(join(tmpdir(), 'orx-bench-load-'))
const options = await embeddedOptions(home)
const { uri } = await ensureMongod(options, signal)
const database = await connectDatabase({ uri, dbName: 'mix', appName: 'orx-bench', maxPoolSize: 20, clock }, signal)
try {
  const { db } = database
  await seedMedium(database, clock, signal)
  await makeIndexes(database, clock, signal)
  const sampled = async (collection: string, field: string): Promise<readonly unknown[]> =>
    (
      await db
        .collection(collection)
        .aggregate([{ $sample: { size: 500 } }])
        .toArray()
    ).map((row) => row[field] as unknown)
  const [users, sessions] = [await sampled('user_sessions', 'user_id'), await sampled('conversation_threads', 'session_id')]
  const random = seededRandom('mix')
  const any = (values: readonly unknown[]): never => values[Math.floor(random() * values.length)] as never
  const ours = (index: number): Promise<unknown> => {
    if (index % 5 < 2) return runFind(db, queryPaths.sessionsOfUser, { userId: any(users) })
    if (index % 5 < 4) return runFind(db, queryPaths.threadsOfSession, { sessionId: any(sessions) })
    return runAggregate(db, queryPaths.sessionAnalytics, { sessionId: any(sessions) })
  }
  const bare = (index: number): Promise<unknown> => {
    if (index % 5 < 2) {
      const { filter, projection = {} } = queryPaths.sessionsOfUser.build({ userId: any(users) })
      return db
        .collection('user_sessions')
        .find(filter, { projection, sort: { created_at: -1 }, limit: 20 })
        .toArray()
    }
    const sessionId = any(sessions)
    if (index % 5 < 4)
      return db
        .collection('conversation_threads')
        .find(queryPaths.threadsOfSession.build({ sessionId }).filter, { sort: { created_at: -1 }, limit: 20 })
        .toArray()
    return db.collection('model_responses').aggregate(queryPaths.sessionAnalytics.build({ sessionId })).toArray()
  }
  const block = async (send: (index: number) => Promise<unknown>, seed: number): Promise<Percentiles> => {
    const loop = loopProbe()
    const series = makeSeries({ name: 'mix', model: 'open', unit: 'ms', limits: [], clock, loop, onProgress: () => undefined })
    const schedule = poissonSchedule([{ durationMs: 5_000, perSecond: 500 }], seed)
    const pacing = { clock, yieldNow, yieldUntil, pause: (ms: number) => pacer.pause(ms) }
    await runOpenLoop(pacing, { schedule, warmupMs: 1_000, timeoutMs: 5_000, series, unitPerMs: 1, send }, signal)
    loop.stop()
    return series.finish({ offeredPerSecond: 500, concurrency: null }).response
  }
  await block(ours, 0)
  await block(bare, 0)
  const pairs: (readonly [Percentiles, Percentiles])[] = []
  for (let round = 1; round <= 4; round += 1) {
    const first = await block(ours, round)
    const others = [await block(bare, round), await block(bare, -round)] as const
    pairs.push([first, others[0]], [await block(ours, -round), others[1]])
  }
  say('| | orx, ms | bare driver, ms | ratio |\n|---|---|---|---|')
  for (const name of ['p50', 'p95', 'p99'] as const) {
    const of = (side: 0 | 1): readonly number[] => pairs.map((pair) => pair[side][name])
    say(`| ${name.toUpperCase()} | ${spread(of(0))} | ${spread(of(1))} | ${spread(pairs.map(([one, other]) => one[name] / other[name]))} |`)
  }
} finally {
  pacer.stop()
  await database.close()
  await stopMongod(options, signal)
  await rm(home, { recursive: true, force: true, maxRetries: 3 })
}
await writeFile(new URL('../../../benchmarks/LOAD.md', import.meta.url), `${out.join('\n')}\n`)
