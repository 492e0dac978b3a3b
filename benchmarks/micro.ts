// Each traffic primitive beside the libraries that a user would take instead, and beside the plain design of the performance guide.
// One run, rounds interleaved, ratios to a floor that is taken in the same round. npm run bench:micro writes benchmarks/RESULTS.md.
import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createHistogram } from 'node:perf_hooks'
import { priorityQueue } from 'async'
import Bottleneck from 'bottleneck'
import DataLoader from 'dataloader'
import genericPool from 'generic-pool'
import { build } from 'hdr-histogram-js'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import { Histogram } from 'prom-client'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { Pool as TarnPool } from 'tarn'
import { seededRandom } from '../src/core/random.ts'
import { makeIo } from '../src/io.ts'
import { cacheKeyOf } from '../src/models/cacheKey.ts'
import { makeMetrics } from '../src/monitor/metrics.ts'
import { makeBatcher } from '../src/traffic/batcher.ts'
import { makeCache } from '../src/traffic/cache.ts'
import { makeLimiter } from '../src/traffic/limiter.ts'
import { makePool } from '../src/traffic/pool.ts'
import { makeQueue } from '../src/traffic/queue.ts'
import { compare } from './compare.ts'
import { guideBatcher, guideCache, guideKey, guideLimiter, guideMetrics, guidePool, guideQueue } from './guideDesigns.ts'
import { limiterInVirtualTime } from './virtualLimiter.ts'

const { clock } = makeIo(process, '').runtime
const signal = new AbortController().signal
const out: string[] = []
const say = (...lines: readonly string[]): void => {
  out.push(...lines)
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** Keys by Zipf's law, exponent 0.99, as indices of 100,000 keys. */
function zipfTrace(length: number): Uint32Array {
  const keys = 100_000
  const random = seededRandom('zipf')
  const cumulative = new Float64Array(keys)
  let sum = 0
  for (let rank = 0; rank < keys; rank += 1) {
    sum += 1 / (rank + 1) ** 0.99
    cumulative[rank] = sum
  }
  return Uint32Array.from({ length }, () => {
    const target = random() * sum
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? 0) < target) low = middle + 1
      else high = middle
    }
    return low
  })
}

const names = Array.from({ length: 100_000 }, (_, index) => `key-${index}`)
const nameOf = (index: number): string => names[index] ?? ''
const ttlMs = 3_600_000

interface TinyCache {
  get(key: string): unknown
  set(key: string, value: number): void
}

function ownCache(maxEntries: number): TinyCache {
  const cache = makeCache<number>({ clock, maxEntries, sizeOf: () => 8 })
  return { get: (key) => cache.get(key), set: (key, value) => cache.set(key, value, ttlMs) }
}

const lruCache = (max: number): TinyCache => new LRUCache<string, number>({ max, ttl: ttlMs })

function replay(cache: TinyCache, trace: Uint32Array): number {
  let hits = 0
  for (const index of trace) {
    const key = nameOf(index)
    if (cache.get(key) !== undefined) hits += 1
    else cache.set(key, index + 1)
  }
  return hits
}

async function measureCache(): Promise<void> {
  const long = zipfTrace(3_000_000)
  say(
    '',
    '### Cache: hit ratio, Zipf 0.99, 100,000 keys, 3,000,000 requests',
    '',
    '| entries | lru-cache | SIEVE (ours) | more |',
    '|---|---|---|---|',
  )
  for (const entries of [1_000, 10_000]) {
    const lru = (100 * replay(lruCache(entries), long)) / long.length
    const own = (100 * replay(ownCache(entries), long)) / long.length
    say(`| ${entries} | ${lru.toFixed(1)} % | ${own.toFixed(1)} % | ${(own - lru).toFixed(1)} points |`)
  }
  const trace = long.slice(0, 200_000)
  const warmMap = new Map(names.map((name, index) => [name, index]))
  const [own, lru] = [ownCache(10_000), lruCache(10_000)]
  say('', '### Cache: get or set on that trace, 10,000 entries', '')
  say(
    ...(await compare(trace.length, [
      ['a warm plain Map (floor)', () => replay(warmMap, trace)],
      ['ours', () => replay(own, trace)],
      ['lru-cache', () => replay(lru, trace)],
    ])),
  )
  const short = long.slice(0, 10_000)
  const [own1k, lru1k, guide1k] = [ownCache(1_000), lruCache(1_000), guideCache(1_000)]
  say('', '### Cache: the guide’s design, 1,000 entries', '')
  say(
    ...(await compare(short.length, [
      ['a warm plain Map (floor)', () => replay(warmMap, short)],
      ['ours', () => replay(own1k, short)],
      ['lru-cache', () => replay(lru1k, short)],
      ['the guide’s design', () => replay(guide1k, short)],
    ])),
  )
}

async function measureKey(): Promise<void> {
  const keys = 500
  const provider = { identity: 'openai', baseUrl: 'https://api.openai.com/v1' }
  for (const [size, bytes] of [
    ['2 KB', 2_048],
    ['50 KB', 51_200],
  ] as const) {
    const prompt = 'What is a "quorum"?\n'.repeat(bytes / 20).padEnd(bytes, '.')
    const order = {
      scope: 'someone',
      promptVersion: '3',
      step: { threadId: '0'.repeat(24), iteration: 1, role: 'primary', sample: 0 } as const,
      request: { messages: [{ role: 'user', content: prompt }] as const, maxTokens: 2_048, temperature: 0.7, stream: true },
    }
    const settings = { maxTokens: 2_048, temperature: 0.7 }
    const repeat = (key: () => string) => (): void => {
      for (let index = 0; index < keys; index += 1) key()
    }
    say('', `### Cache: a whole key of a prompt of ${size}`, '')
    say(
      ...(await compare(keys, [
        ['sha256 of the prompt alone (floor)', repeat(() => hash('sha256', prompt, 'base64url'))],
        ['ours: sha256 of everything an answer hangs on', repeat(() => cacheKeyOf(provider, order, 'openai/one'))],
        ['the guide’s md5 of prompt, model and settings', repeat(() => guideKey(prompt, 'openai/one', settings))],
      ])),
    )
  }
}

async function measureSingleFlight(): Promise<void> {
  const callers = 1_000
  const signals = Array.from({ length: callers }, () => new AbortController().signal)
  const flight = (): Promise<number> => new Promise((resolve) => setImmediate(resolve, 1))
  const through = async (signalOf: (index: number) => AbortSignal): Promise<void> => {
    const cache = makeCache<number>({ clock, sizeOf: () => 8 })
    const how = { ttlMs, keep: () => true }
    await Promise.all(signals.map((_, index) => cache.getOrLoad('k', flight, how, signalOf(index))))
  }
  say('', '### Single flight: 1,000 callers of one key', '')
  say(
    ...(await compare(callers, [
      [
        'a Map of promises, nobody may leave (floor)',
        async () => {
          const flights = new Map<string, Promise<number>>()
          const load = (): Promise<number> => {
            const flying = flights.get('k') ?? flight()
            flights.set('k', flying)
            return flying
          }
          await Promise.all(Array.from({ length: callers }, load))
        },
      ],
      ['ours, the callers of one run: one signal', () => through(() => signal)],
      [
        'a promise and a native abort listener a caller, by hand: the floor of the next row',
        async () => {
          const flying = flight()
          const join = (own: AbortSignal): Promise<number> =>
            new Promise((resolve, reject) => {
              const leave = (): void => reject(own.reason as Error)
              own.addEventListener('abort', leave, { once: true })
              void flying.then((value) => {
                own.removeEventListener('abort', leave)
                resolve(value)
              })
            })
          await Promise.all(signals.map(join))
        },
      ],
      ['ours, each caller with a signal of its own', () => through((index) => signals[index] ?? signal)],
    ])),
  )
}

interface BareJob {
  readonly job: () => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What any queue that bounds what runs and gives a promise a job must do, and nothing else: first in, first out, no priority, no abort. */
function bareQueue(concurrency: number): (job: () => Promise<void>) => Promise<void> {
  const waiting: BareJob[] = []
  let nextWaiting = 0
  let running = 0
  const start = ({ job, resolve, reject }: BareJob): void => {
    running += 1
    job().then(
      () => {
        resolve()
        startNext()
      },
      (error: unknown) => {
        reject(error)
        startNext()
      },
    )
  }
  const startNext = (): void => {
    running -= 1
    const entry = waiting[nextWaiting]
    if (entry === undefined) return
    nextWaiting += 1
    start(entry)
  }
  return (job) =>
    new Promise((resolve, reject) => {
      const entry = { job, resolve, reject }
      if (running < concurrency) start(entry)
      else waiting.push(entry)
    })
}

async function measureQueue(): Promise<void> {
  const jobs = 100_000
  say('', '### Queue: 100,000 jobs, priorities 1-10, 20 at once', '')
  say(
    ...(await compare(
      jobs,
      [
        [
          'a list with a bound and a promise a job, no priority, no abort (floor)',
          async () => {
            const run = bareQueue(20)
            let last = Promise.resolve()
            for (let job = 0; job < jobs; job += 1) last = run(() => Promise.resolve())
            await last
          },
        ],
        [
          'ours',
          async () => {
            const queue = makeQueue({ clock, concurrency: 20, maxWaiting: jobs })
            for (let job = 0; job < jobs; job += 1) void queue.run(() => Promise.resolve(), { priority: 1 + (job % 10) }, signal)
            await queue.drain()
          },
        ],
        [
          'async.priorityQueue',
          async () => {
            const queue = priorityQueue<number>(async () => undefined, 20)
            for (let job = 0; job < jobs; job += 1) void queue.push(job, 10 - (job % 10))
            await queue.drain()
          },
        ],
        [
          'p-queue',
          async () => {
            const queue = new PQueue({ concurrency: 20 })
            for (let job = 0; job < jobs; job += 1) void queue.add(() => Promise.resolve(), { priority: 1 + (job % 10) })
            await queue.onIdle()
          },
        ],
        [
          'the guide’s design (its order is that of coming)',
          async () => {
            const queue = guideQueue(20)
            for (let job = 0; job < jobs; job += 1) queue.add(1 + (job % 10), () => Promise.resolve())
            await queue.idle()
          },
        ],
        [
          'twenty loops over a counter: no queue, no promise a job',
          async () => {
            let next = 0
            const worker = async (): Promise<void> => {
              while (next < jobs) {
                next += 1
                await Promise.resolve()
              }
            }
            await Promise.all(Array.from({ length: 20 }, worker))
          },
        ],
      ],
      { rounds: 2, iterations: 2 },
    )),
  )
}

/** What any limiter that grants by a promise, counts from what left and takes back what was held must do: no units, no waiting, no abort. */
function bareLimiter(requestsPerMinute: number, atOnce: number) {
  const times: number[] = []
  let oldest = 0
  let running = 0
  return (): Promise<{ sent(): void; settle(): void }> => {
    const nowMs = performance.now()
    while ((times[oldest] ?? nowMs) < nowMs - 60_000) oldest += 1
    if (running >= atOnce || times.length - oldest >= requestsPerMinute) return Promise.reject(new Error('full'))
    running += 1
    return Promise.resolve({
      sent: () => void times.push(performance.now()),
      settle: () => {
        running -= 1
      },
    })
  }
}

async function measureLimiter(): Promise<void> {
  const grants = 20_000
  const bare = bareLimiter(1e9, 1e6)
  const own = makeLimiter({ requestsPerMinute: 1e9, unitsPerMinute: 1e12, atOnce: 1e6 }, clock)
  const guide = guideLimiter(1e9)
  const flexible = new RateLimiterMemory({ points: 1e9, duration: 60 })
  say('', '### Limiter: 20,000 grants that need not wait', '')
  say(
    ...(await compare(grants, [
      [
        'a log of times and a count: a promise a grant, sent, settled (floor)',
        async () => {
          for (let grant = 0; grant < grants; grant += 1) {
            const permit = await bare()
            permit.sent()
            permit.settle()
          }
        },
      ],
      [
        'ours: requests, tokens and requests at once, sent, settled',
        async () => {
          for (let grant = 0; grant < grants; grant += 1) {
            const permit = await own.enter({ units: 1_000 }, signal)
            permit.sent()
            permit.settle('ok', 500)
          }
        },
      ],
      [
        'the guide’s design: requests alone, nothing is given back',
        async () => {
          for (let grant = 0; grant < grants; grant += 1) await guide()
        },
      ],
      [
        'rate-limiter-flexible, in memory: a fixed window of points, nothing is given back',
        async () => {
          for (let grant = 0; grant < grants; grant += 1) await flexible.consume('key', 1)
        },
      ],
    ])),
  )
  const together = 1_000
  const bottleneck = new Bottleneck({ maxConcurrent: 1e6, reservoir: 1e9 })
  say('', '### Limiter: 1,000 grants that are asked for at once (bottleneck takes a timer a grant)', '')
  say(
    ...(await compare(together, [
      [
        'a log of times and a count (floor)',
        async () => {
          await Promise.all(
            Array.from({ length: together }, async () => {
              const permit = await bare()
              permit.sent()
              permit.settle()
            }),
          )
        },
      ],
      [
        'ours: requests, tokens and requests at once',
        async () => {
          await Promise.all(
            Array.from({ length: together }, async () => {
              const permit = await own.enter({ units: 1_000 }, signal)
              permit.sent()
              permit.settle('ok', 500)
            }),
          )
        },
      ],
      [
        'bottleneck: a reservoir and requests at once',
        async () => {
          await Promise.all(Array.from({ length: together }, () => bottleneck.schedule(() => Promise.resolve())))
        },
      ],
    ])),
  )
  await bottleneck.disconnect()
  say(...(await limiterInVirtualTime()))
}

async function measureBatcher(): Promise<void> {
  const items = 20_000
  say('', '### Batcher: 20,000 items in batches of at most 1,000', '')
  say(
    ...(await compare(items, [
      [
        'a list and a promise an item, no key, no failures, nobody leaves (floor)',
        async () => {
          let waiting: { readonly item: number; readonly resolve: (value: number) => void }[] = []
          const send = async (batch: typeof waiting): Promise<void> => {
            await Promise.resolve()
            const values = await Promise.resolve(batch.map(({ item }) => item))
            for (const [index, { resolve }] of batch.entries()) resolve(values[index] ?? 0)
          }
          const add = (item: number): Promise<number> =>
            new Promise((resolve) => {
              if (waiting.push({ item, resolve }) === 1) void send(waiting)
              if (waiting.length === 1_000) waiting = []
            })
          await Promise.all(Array.from({ length: items }, (_, item) => add(item)))
        },
      ],
      [
        'ours, when the last is back',
        async () => {
          const batcher = makeBatcher<number, number>({
            clock,
            leaves: 'when-back',
            maxSize: 1_000,
            run: async (batch) => batch.map((value) => ({ ok: true, value })),
          })
          await Promise.all(Array.from({ length: items }, (_, item) => batcher.add(item)))
        },
      ],
      [
        'ours, full or late',
        async () => {
          const batcher = makeBatcher<number, number>({
            clock,
            leaves: 'full-or-late',
            maxSize: 1_000,
            run: async (batch) => batch.map((value) => ({ ok: true, value })),
          })
          await Promise.all(Array.from({ length: items }, (_, item) => batcher.add(item)))
        },
      ],
      [
        'dataloader, no cache',
        async () => {
          const loader = new DataLoader<number, number>(async (batch) => batch, { cache: false, maxBatchSize: 1_000 })
          await Promise.all(Array.from({ length: items }, (_, item) => loader.load(item)))
        },
      ],
      [
        'the guide’s design',
        async () => {
          const add = guideBatcher<number, number>(1_000, async (batch) => batch)
          await Promise.all(Array.from({ length: items }, (_, item) => add('model', item)))
        },
      ],
      [
        'an async function an item: settled promises, nothing gathered',
        async () => {
          await Promise.all(Array.from({ length: items }, async (_, item) => item))
        },
      ],
    ])),
  )
}

async function measurePool(): Promise<void> {
  const uses = 20_000
  const own = makePool<object>({ clock, maxSize: 50, create: () => ({}), idleMs: null })
  const evicting = makePool<object>({ clock, maxSize: 50, create: () => ({}) })
  const generic = genericPool.createPool({ create: async () => ({}), destroy: async () => undefined }, { max: 50 })
  const tarn = new TarnPool<object>({ create: async () => ({}), destroy: () => undefined, min: 0, max: 50 })
  const guide = guidePool(async () => ({}), 50)
  say('', '### Pool: 20,000 acquire and release', '')
  say(
    ...(await compare(uses, [
      [
        'one await (floor)',
        async () => {
          for (let use = 0; use < uses; use += 1) await Promise.resolve()
        },
      ],
      [
        'ours, without idle eviction, as generic-pool by default',
        async () => {
          for (let use = 0; use < uses; use += 1) own.release(await own.acquire())
        },
      ],
      [
        'ours, with idle eviction: two looks at the clock more',
        async () => {
          for (let use = 0; use < uses; use += 1) evicting.release(await evicting.acquire())
        },
      ],
      [
        'generic-pool',
        async () => {
          for (let use = 0; use < uses; use += 1) await generic.release(await generic.acquire())
        },
      ],
      [
        'tarn',
        async () => {
          for (let use = 0; use < uses; use += 1) tarn.release(await tarn.acquire().promise)
        },
      ],
      [
        'the guide’s design: no bound on what is out',
        async () => {
          for (let use = 0; use < uses; use += 1) await guide.release(await guide.acquire())
        },
      ],
    ])),
  )
  await generic.drain()
  await tarn.destroy()
}

async function measureMetrics(): Promise<void> {
  const records = 200_000
  const own = makeMetrics(clock)
  const hdr = build({ bitBucketSize: 32, lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 })
  const native = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
  const prom = new Histogram({ name: 'ms', help: 'ms', labelNames: ['endpoint'], registers: [] })
  const guide = guideMetrics()
  const repeat = (record: (ms: number) => void) => (): void => {
    for (let index = 0; index < records; index += 1) record((index % 997) + 0.5)
  }
  say('', '### Metrics: 200,000 records of one endpoint', '')
  say(
    ...(await compare(records, [
      ['the guide’s count, sum, least and greatest (floor)', repeat((ms) => guide('GET /x', ms, false))],
      ['ours: an endpoint’s hdr-histogram-js, P99 within 0.1 %', repeat((ms) => own.record('GET /x', ms, true))],
      ['hdr-histogram-js alone', repeat((ms) => hdr.recordValue(Math.round(ms * 1_000)))],
      ['perf_hooks createHistogram', repeat((ms) => native.record(Math.round(ms * 1_000)))],
      ['prom-client Histogram, 11 buckets', repeat((ms) => prom.observe({ endpoint: 'GET /x' }, ms / 1_000))],
    ])),
  )
}

/** Bytes of heap that each of many things holds; needs --expose-gc. */
function bytesEach(count: number, hold: (index: number) => unknown): string {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined)
  const held: unknown[] = Array.from({ length: count }, () => null)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < count; index += 1) held[index] = hold(index)
  collect()
  return ((process.memoryUsage().heapUsed - before) / held.length).toFixed(0)
}

function measureMemory(): void {
  const many = 100_000
  const end = new AbortController()
  const limiter = (): ReturnType<typeof makeLimiter> => {
    const full = makeLimiter({ requestsPerMinute: 1, unitsPerMinute: null, atOnce: null }, clock)
    void full.enter({ units: 1 }, signal)
    return full
  }
  const queue = (): ReturnType<typeof makeQueue> => {
    const paused = makeQueue({ clock, concurrency: 1, maxWaiting: many })
    paused.pause()
    return paused
  }
  const job = (): Promise<void> => Promise.resolve()
  const [bareFull, full, bareRoom, room] = [limiter(), limiter(), queue(), queue()]
  say('', '### What waiting costs', '', '| | bytes each, 100,000 of them |', '|---|---|')
  const settles: unknown[] = Array.from({ length: many }, () => null)
  say(
    `| a promise and the function that settles it: the floor | ${bytesEach(many, (index) => new Promise((resolve) => void (settles[index] = resolve)))} |`,
  )
  say(
    `| a waiter at the limiter, the promise that it gives included | ${bytesEach(many, () => bareFull.enter({ units: 1 }, end.signal))} |`,
  )
  say(
    `| the same, with what its caller hangs on the promise (a catch and its closure) | ${bytesEach(many, () => full.enter({ units: 1 }, end.signal).catch(() => undefined))} |`,
  )
  say(`| a job in the queue, the promise that it gives included | ${bytesEach(many, () => bareRoom.run(job, {}, end.signal))} |`)
  say(
    `| the same, with a closure as its job and a catch | ${bytesEach(many, () => room.run(() => Promise.resolve(), {}, end.signal).catch(() => undefined))} |`,
  )
}

say('# Traffic primitives beside their peers', '')
say(
  `Node ${process.version}, ${cpus().length} shared cores (${cpus()[0]?.model ?? 'unknown'}). Processor time of the whole process, medians of seven rounds (two for the queue) with`,
  'their least and greatest; each round runs every case, and a ratio is taken to the floor of the same round. A floor is what anything that keeps the',
  'same promise must do, written by hand with nothing else. Run it again with `npm run bench:micro`.',
)
await measureCache()
await measureKey()
await measureSingleFlight()
await measureQueue()
await measureLimiter()
await measureBatcher()
await measurePool()
await measureMetrics()
measureMemory()
// Who still waits here has nobody to tell.
writeFileSync(new URL('../../../benchmarks/RESULTS.md', import.meta.url), `${out.join('\n')}\n`)
process.exit(0)
