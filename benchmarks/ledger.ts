// The ledger's intents, committed in groups, beside one majority write each: interleaved blocks on a MongoDB of its own. npm run bench:ledger
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ObjectId } from 'mongodb'
import { connectDatabase } from '../src/database/connection.ts'
import { embeddedOptions } from '../src/database/embedded/mongod.testkit.ts'
import { ensureMongod, stopMongod } from '../src/database/embedded/server.ts'
import { makeLedger } from '../src/database/record/ledger.ts'
import { makeIo } from '../src/io.ts'
import { stepKey, type Attempt } from '../src/models/call.ts'
import { gatherWith } from '../src/system.ts'

const { runtime } = makeIo(process, '')
const { clock } = runtime
const signal = new AbortController().signal
const print = (text: string): void => void process.stdout.write(`${text}\n`)

function attemptOf(number: number): Attempt {
  return {
    id: runtime.newId(),
    runId: 'bench',
    step: { threadId: '0'.repeat(24), iteration: 1, role: 'primary', model: 'simulated/atlas', sample: number },
    tryNumber: 1,
    provider: 'simulated',
    request: { model: 'atlas', messages: [{ role: 'user', content: 'x'.repeat(1_000) }], maxTokens: 2_048, stream: false },
    simulated: true,
    price: null,
    inputTokensAtMost: 1_010,
    costAtMostUsd: null,
    createdAtMs: clock.now(),
  }
}

/** Runs `count` writes with `inFlight` of them under way; writes a second. */
async function throughput(inFlight: number, count: number, write: (number: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const fromMs = performance.now()
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1
      await write(next)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return (count * 1_000) / (performance.now() - fromMs)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const spread = (values: readonly number[], digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)})`

const home = await mkdtemp(join(tmpdir(), 'orx-bench-ledger-'))
const options = await embeddedOptions(home)
const server = await ensureMongod(options, signal)
const database = await connectDatabase({ uri: server.uri, appName: 'orx-bench', maxPoolSize: 100, clock }, signal)
try {
  const { db } = database
  const ledger = makeLedger({ db, clock, gather: gatherWith(clock), stepKey, degrade: false, onLost: () => undefined })
  const grouped = async (number: number): Promise<void> => void (await ledger.enter(attemptOf(number), signal))
  const single = (number: number): Promise<unknown> => {
    const { id, request, ...rest } = attemptOf(number)
    const document = { ...rest, _id: new ObjectId(id), step: stepKey(rest.step), request, state: 'intended' }
    return db.collection('single_attempts').insertOne(document, { writeConcern: { w: 'majority' } })
  }
  await throughput(32, 1_000, grouped)
  await throughput(32, 1_000, single)
  print('in flight | single writes/s | grouped intents/s | ratio, median (min-max) of 8 pairs')
  for (const inFlight of [1, 32, 100]) {
    const count = inFlight === 1 ? 400 : 4_000
    const pairs: { single: number; grouped: number }[] = []
    for (let pair = 0; pair < 8; pair += 1) {
      const singleFirst = pair % 2 === 0
      const first = await throughput(inFlight, count, singleFirst ? single : grouped)
      const second = await throughput(inFlight, count, singleFirst ? grouped : single)
      pairs.push(singleFirst ? { single: first, grouped: second } : { single: second, grouped: first })
    }
    const ratios = pairs.map((pair) => pair.grouped / pair.single)
    print(
      `${inFlight} | ${spread(
        pairs.map((pair) => pair.single),
        0,
      )} | ${spread(
        pairs.map((pair) => pair.grouped),
        0,
      )} | ${spread(ratios, 2)}`,
    )
  }
  const added: number[] = []
  for (let number = 0; number < 500; number += 1) {
    const fromMs = performance.now()
    await grouped(number)
    added.push(performance.now() - fromMs)
  }
  const ordered = added.toSorted((a, b) => a - b)
  print(
    `one at a time, an intent adds: P50 ${median(added).toFixed(2)} ms, P95 ${(ordered[475] ?? 0).toFixed(2)} ms, P99 ${(ordered[495] ?? 0).toFixed(2)} ms`,
  )
} finally {
  await database.close()
  await stopMongod(options, signal)
  await rm(home, { recursive: true, force: true, maxRetries: 3 })
}
