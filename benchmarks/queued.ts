// What 10,000 queued orchestrations hold: real orders through the system, to a provider that never answers.
import { makeIo } from '../src/io.ts'
import type { Provider } from '../src/models/provider.ts'
import type { RunSettings } from '../src/orchestration/events.ts'
import type { ModelOption } from '../src/orchestration/select.ts'
import { openSystem } from '../src/system.ts'

export interface QueuedMemory {
  readonly queued: number
  readonly promptBytes: number
  /** Resident memory before the first order and with all of them queued. */
  readonly beforeMb: number
  readonly residentMb: number
  /** The most that the process ever held. */
  readonly peakMb: number
}

const settings: RunSettings = {
  strategy: 'critique',
  critics: 2,
  iterations: 5,
  threshold: 8,
  patience: 1,
  maxCostUsd: null,
  maxTokens: 2_048,
  deadlineMs: 3_600_000,
  stream: true,
  useCache: true,
  priority: 5,
}

const models: readonly ModelOption[] = ['one', 'two', 'three'].map((name) => ({
  model: `silent/${name}`,
  price: null,
  family: name,
  specialties: ['general'],
  quality: 0.8,
  latencyMs: 1_000,
  available: true,
}))

const silent: Provider = {
  name: 'silent',
  identity: 'silent',
  baseUrl: 'http://127.0.0.1',
  chat: (_, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })),
  listModels: () => Promise.resolve([]),
  close: () => Promise.resolve(),
}

const bytesPerMb = 1_048_576

export async function measureQueued(): Promise<QueuedMemory> {
  const [queued, running, promptBytes] = [10_000, 20, 4_096]
  const system = openSystem({
    runtime: makeIo(process, '').runtime,
    providers: new Map([['silent', silent]]),
    models,
    limitsOf: () => ({ requestsPerMinute: null, unitsPerMinute: null, atOnce: null }),
    db: null,
    simulated: false,
    learns: false,
    concurrency: running,
    maxWaiting: queued,
    resumedSessionId: null,
    userId: 'bench',
    settings,
    onDatabaseLost: () => undefined,
    residentBytes: () => 0,
    onMemoryAlert: () => undefined,
  })
  const beforeMb = process.memoryUsage.rss() / bytesPerMb
  const orders = Array.from({ length: queued + running }, (_, index) => {
    const controller = new AbortController()
    // A string of its own, not a rope over a common one.
    const prompt = Buffer.from(`${index}: `.padEnd(promptBytes, 'what is a quorum? ')).toString('latin1')
    const order = { prompt, id: null, threadId: null, domain: null, author: null, settings: { ...settings, priority: 1 + (index % 10) } }
    const outcome = system.run(order, () => undefined, controller.signal).catch(() => undefined)
    return { controller, outcome }
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { waiting } = system.stats().queue
  const residentMb = process.memoryUsage.rss() / bytesPerMb
  for (const { controller } of orders.toReversed()) controller.abort(new Error('the measurement is over'))
  await Promise.all(orders.map(({ outcome }) => outcome))
  await system.close('terminated')
  return { queued: waiting, promptBytes, beforeMb, residentMb, peakMb: process.resourceUsage().maxRSS / 1_024 }
}
