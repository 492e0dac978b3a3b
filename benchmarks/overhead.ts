// What a call through orx costs beside a bare undici request, against a mock that answers at once from a process of its own: one call at a time,
// then 500 a second from their intended time with the ledger on a MongoDB of its own, then hits of the cache in memory. npm run bench:overhead
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import type { Db } from 'mongodb'
import { deadlineAfter } from '../src/core/runtime.ts'
import { connectDatabase } from '../src/database/connection.ts'
import { embeddedOptions } from '../src/database/embedded/mongod.testkit.ts'
import { ensureMongod, stopMongod } from '../src/database/embedded/server.ts'
import { makeAnswerStore } from '../src/database/record/answerStore.ts'
import { makeLedger, noLedger, type RunLedger } from '../src/database/record/ledger.ts'
import { makeIo } from '../src/io.ts'
import { makeAgent } from '../src/models/agent.ts'
import type { PaidAnswer } from '../src/models/attempt.ts'
import { stepKey } from '../src/models/call.ts'
import type { CallOrder } from '../src/models/caller.ts'
import { openAiProvider } from '../src/models/openai.ts'
import { makeMetrics } from '../src/monitor/metrics.ts'
import { makeBudget } from '../src/orchestration/budget.ts'
import { assembleCaller, gatherWith } from '../src/system.ts'
import { spread } from './compare.ts'
import { measureQueued, type QueuedMemory } from './queued.ts'

const answer = 'A quorum is the least number of members that must agree. '.repeat(8)
const completion = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'one',
  choices: [{ index: 0, message: { role: 'assistant', content: answer }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 260, completion_tokens: 110, total_tokens: 370 },
})

/** The mock, in a process of its own: it reads what it is sent and answers at once. */
function serveMock(): void {
  const server = createServer((incoming, response) => {
    const pieces: Buffer[] = []
    incoming.on('data', (piece: Buffer) => pieces.push(piece))
    incoming.on('end', () => {
      JSON.parse(Buffer.concat(pieces).toString('utf8'))
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(completion) })
      response.end(completion)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit(0))
}

const { runtime } = makeIo(process, '')
const { clock } = runtime
const never = new AbortController().signal
const out: string[] = []
const say = (...lines: readonly string[]): void => {
  out.push(...lines)
  process.stdout.write(`${lines.join('\n')}\n`)
}

const filler = 'Explain it to somebody who has never seen a database. '.repeat(18)
let prompts = 0
/** About a kilobyte, never the same twice. */
function newMessages() {
  prompts += 1
  return [{ role: 'user', content: `${prompts}: what is a quorum? ${filler}` }] as const
}

type Ask = () => Promise<unknown>

interface Peer {
  readonly ask: Ask
  /** What its calls did not wait for. */
  flush(): Promise<void>
  close(): Promise<void>
}

function bareCall(port: number): Peer {
  const dispatcher = new Agent({ connections: 20, pipelining: 1, keepAliveTimeout: 30_000 })
  const url = `http://127.0.0.1:${port}/v1/chat/completions`
  const headers = { 'content-type': 'application/json', 'authorization': 'Bearer none' }
  return {
    ask: async () => {
      const body = JSON.stringify({ model: 'one', messages: newMessages(), max_tokens: 2_048 })
      const reply = await request(url, { dispatcher, method: 'POST', headers, body })
      return JSON.parse(await reply.body.text()) as unknown
    },
    flush: () => Promise.resolve(),
    close: () => dispatcher.close(),
  }
}

/** A bare call that leaves once a document of its own is durable, in groups, one command at a time: what no ledger can be below. */
function flooredCall(port: number, db: Db): Peer {
  const bare = bareCall(port)
  const write = gatherWith(clock)(async (texts: readonly string[]) => {
    const documents = texts.map((text) => ({ text }))
    await db.command({ insert: 'floor', documents, ordered: false, writeConcern: { w: 'majority' } })
    return texts
  })
  return { ...bare, ask: async () => (await write(filler), bare.ask()) }
}

/** A call as the system makes it: cache, retry, budget, breaker, limiter, ledger, and metrics that hear of it. */
function orxCall(port: number, db: Db | null, useCache: boolean): Peer & { readonly again: Ask } {
  const agent = makeAgent({ version: 'bench', clock })
  const peer = {
    provider: 'openai',
    identity: 'openai',
    baseUrl: `http://127.0.0.1:${port}/v1`,
    keyVariable: '',
    key: { reveal: () => 'none' },
    agent,
    clock,
    jsonMode: true,
  }
  const metrics = makeMetrics(clock)
  const ledger: RunLedger =
    db === null ? noLedger : makeLedger({ db, clock, gather: gatherWith(clock), stepKey, degrade: false, onLost: () => undefined })
  const { caller } = assembleCaller({
    runtime,
    providers: new Map([['openai', openAiProvider(peer)]]),
    limitsOf: () => ({ requestsPerMinute: 1_000_000, unitsPerMinute: 10_000_000_000, atOnce: 1_000 }),
    limiters: new Map(),
    ledger: { ...ledger, recall: () => null },
    store: db === null ? null : makeAnswerStore<PaidAnswer>({ db, clock, gather: gatherWith(clock), simulated: false }),
  })
  const budget = makeBudget(1_000_000)
  const threadId = runtime.newId()
  const orderOf = (messages: CallOrder['request']['messages']): CallOrder => ({
    runId: 'bench',
    callId: runtime.newId(),
    step: { threadId, iteration: 1, role: 'primary', sample: 0 },
    targets: [{ model: 'openai/one', price: { inputPerMillion: 1, outputPerMillion: 2 } }],
    request: { messages, maxTokens: 2_048, stream: false },
    simulated: false,
    scope: 'bench',
    promptVersion: '1',
    useCache,
    gates: [budget],
    emit: (event) => {
      if (event.type === 'attempt-finished') metrics.record('openai/one', event.endedMs - event.startedMs, event.outcome === 'ok')
    },
  })
  const known = newMessages()
  // As a run has one.
  const deadline = deadlineAfter(clock, 3_600_000, () => new Error('the bench took too long'))
  return {
    ask: () => caller.call(orderOf(newMessages()), deadline.signal),
    again: () => caller.call(orderOf(known), deadline.signal),
    flush: () => ledger.flush(),
    close: () => {
      deadline.cancel()
      return agent.close()
    },
  }
}

const quantile = (ordered: Float64Array, share: number): number =>
  ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))] ?? 0

/** Times of calls one after another, ms. */
async function oneByOne(ask: Ask, count: number): Promise<Float64Array> {
  const times = new Float64Array(count)
  for (let index = 0; index < count; index += 1) {
    const fromMs = performance.now()
    await ask()
    times[index] = performance.now() - fromMs
  }
  return times.toSorted()
}

interface Block {
  readonly medianMs: number
  readonly cpuMs: number
}

/** What neighbours on the machine take does not show in the processor time. */
async function blockOf(ask: Ask, count: number): Promise<Block> {
  const before = process.cpuUsage()
  const medianMs = quantile(await oneByOne(ask, count), 0.5)
  const { user, system } = process.cpuUsage(before)
  return { medianMs, cpuMs: (user + system) / 1_000 / count }
}

/** Calls that are sent when they are due whatever became of the others; times from when they were due, ms. */
async function openLoop(ask: Ask, perSecond: number, seconds: number): Promise<Float64Array> {
  const count = perSecond * seconds
  const times = new Float64Array(count)
  const calls: Promise<void>[] = []
  const startMs = performance.now() + 20
  for (let index = 0; index < count;) {
    const nowMs = performance.now()
    for (; index < count; index += 1) {
      const dueMs = startMs + (index * 1_000) / perSecond
      if (dueMs > nowMs) break
      const place = index
      calls.push(
        (async (): Promise<void> => {
          await ask()
          times[place] = performance.now() - dueMs
        })(),
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(calls)
  return times.toSorted()
}

async function measureSequential(port: number): Promise<void> {
  const [bare, orx] = [bareCall(port), orxCall(port, null, true)]
  // Until what is compiled is compiled: a service is measured, not its first seconds.
  await oneByOne(bare.ask, 10_000)
  await oneByOne(orx.ask, 10_000)
  const blocks = 16
  const found = { bare: [] as Block[], orx: [] as Block[] }
  for (let block = 0; block < blocks; block += 1) {
    for (const which of block % 2 === 0 ? (['bare', 'orx'] as const) : (['orx', 'bare'] as const)) {
      found[which].push(await blockOf((which === 'bare' ? bare : orx).ask, 250))
    }
  }
  const ratios = (of: (block: Block) => number): readonly number[] =>
    found.orx.map((ours, block) => of(ours) / of(found.bare[block] ?? { medianMs: Number.NaN, cpuMs: Number.NaN }))
  say('', `### One call at a time: medians of ${blocks} interleaved blocks of 250 calls`, '')
  say('| | median ms | x bare | processor time of this process, ms a call | x bare |', '|---|---|---|---|---|')
  const row = (name: string, blocksOf: readonly Block[], x: readonly [string, string]): void =>
    say(
      `| ${name} | ${spread(
        blocksOf.map(({ medianMs }) => medianMs),
        3,
      )} | ${x[0]} | ${spread(
        blocksOf.map(({ cpuMs }) => cpuMs),
        3,
      )} | ${x[1]} |`,
    )
  row('bare undici with JSON.stringify and JSON.parse', found.bare, ['1', '1'])
  row('through cache miss, budget, breaker, limiter and metrics', found.orx, [
    spread(
      ratios(({ medianMs }) => medianMs),
      2,
    ),
    spread(
      ratios(({ cpuMs }) => cpuMs),
      2,
    ),
  ])
  await orx.again()
  await oneByOne(orx.again, 1_000)
  const hits = await oneByOne(orx.again, 5_000)
  say('', '### Hits of the cache in memory', '', '| P50 ms | P99 ms | most ms |', '|---|---|---|')
  say(`| ${quantile(hits, 0.5).toFixed(3)} | ${quantile(hits, 0.99).toFixed(3)} | ${quantile(hits, 1).toFixed(3)} |`)
  await Promise.all([bare.close(), orx.close()])
}

async function measureOpenLoop(port: number): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'orx-bench-overhead-'))
  const options = await embeddedOptions(home)
  const server = await ensureMongod(options, never)
  const database = await connectDatabase({ uri: server.uri, appName: 'orx-bench', clock }, never)
  try {
    const cases = [
      { name: 'bare undici with JSON.stringify and JSON.parse', ...bareCall(port) },
      { name: 'the same behind one durable document a call, by hand: the floor of any ledger', ...flooredCall(port, database.db) },
      { name: 'through budget, breaker, limiter, metrics and the ledger', ...orxCall(port, database.db, false) },
      { name: 'the same through both levels of the cache, missing each time', ...orxCall(port, database.db, true) },
    ] as const
    const found = cases.map(() => ({
      p50: [] as number[],
      p95: [] as number[],
      p99: [] as number[],
      bare: [] as number[],
      floor: [] as number[],
    }))
    // Until what is compiled is compiled, as above.
    for (const { ask } of cases) await openLoop(ask, 500, 10)
    const blocks = 7
    for (let block = 0; block < blocks; block += 1) {
      const p99s: number[] = []
      for (const [index, { ask, flush }] of cases.entries()) {
        const times = await openLoop(ask, 500, 4)
        await flush()
        const into = found[index]
        const p99 = quantile(times, 0.99)
        p99s.push(p99)
        into?.p50.push(quantile(times, 0.5))
        into?.p95.push(quantile(times, 0.95))
        into?.p99.push(p99)
        into?.bare.push(p99 / (p99s[0] ?? Number.NaN))
        into?.floor.push(p99 / (p99s[1] ?? Number.NaN))
      }
    }
    say('', `### 500 calls a second, open loop, from their intended time: medians of ${blocks} interleaved blocks of 2,000 calls`, '')
    say('| | P50 ms | P95 ms | P99 ms | P99 x bare | P99 x floor |', '|---|---|---|---|---|---|')
    for (const [index, { name }] of cases.entries()) {
      const { p50, p95, p99, bare, floor } = found[index] ?? { p50: [], p95: [], p99: [], bare: [], floor: [] }
      say(
        `| ${name} | ${spread(p50, 2)} | ${spread(p95, 2)} | ${spread(p99, 2)} | ${spread(bare, 1)} | ${index === 0 ? '-' : spread(floor, 1)} |`,
      )
    }
    for (const { close } of cases) await close()
  } finally {
    await database.close()
    await stopMongod(options, never)
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** This file once more, in a process of its own. */
function child(role: 'mock' | 'queued') {
  return fork(fileURLToPath(import.meta.url), [role], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
}

async function tellQueued(): Promise<void> {
  const { queued, promptBytes, beforeMb, residentMb, peakMb } = await new Promise<QueuedMemory>((resolve) => {
    child('queued').once('message', (told) => resolve(told as QueuedMemory))
  })
  say('', `### ${queued} queued orchestrations, prompts of ${promptBytes / 1_024} KB, twenty running, an abort signal each`, '')
  say('| resident before, MB | with all of them queued, MB | most ever, MB |', '|---|---|---|')
  say(`| ${beforeMb.toFixed(0)} | ${residentMb.toFixed(0)} | ${peakMb.toFixed(0)} |`)
}

async function main(): Promise<void> {
  const mock = child('mock')
  try {
    const port = await new Promise<number>((resolve) => mock.once('message', (told) => resolve(told as number)))
    say('# What a call through orx costs', '')
    say(
      `Node ${process.version}, ${cpus().length} shared cores (${cpus()[0]?.model ?? 'unknown'}); a mock of 0 ms in its own process, prompts of 1 KB, answers of half one.`,
      'Medians with their least and greatest. Run it again with `npm run bench:overhead`.',
    )
    await measureSequential(port)
    await tellQueued()
    if (!process.argv.includes('--sequential')) await measureOpenLoop(port)
    if (process.argv.length === 2) writeFileSync(new URL('../../../benchmarks/OVERHEAD.md', import.meta.url), `${out.join('\n')}\n`)
  } finally {
    mock.disconnect()
  }
}

if (process.argv[2] === 'mock') serveMock()
else if (process.argv[2] === 'queued') process.send?.(await measureQueued(), () => process.exit(0))
else await main()
