// The limiter in virtual time: how long 600 requests take, and the most that any sliding 60 s hold, with timers off by -1 to +10 ms.
import { seededRandom } from '../src/core/random.ts'
import type { Clock } from '../src/core/runtime.ts'
import { makeLimiter } from '../src/traffic/limiter.ts'

interface Event {
  readonly atMs: number
  readonly run: () => void
  isCancelled: boolean
}

function virtualTime(jitterMs: () => number) {
  let nowMs = 0
  const events: Event[] = []
  const at = (atMs: number, run: () => void) => {
    const event = { atMs: Math.max(nowMs, atMs), run, isCancelled: false }
    events.push(event)
    return {
      cancel: () => {
        event.isCancelled = true
      },
    }
  }
  const clock: Clock = { now: () => nowMs, monotonicMs: () => nowMs, setTimer: (run, delayMs) => at(nowMs + delayMs + jitterMs(), run) }
  const run = async (): Promise<void> => {
    for (;;) {
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve()
      let first: Event | undefined
      for (const event of events) if (!event.isCancelled && (first === undefined || event.atMs < first.atMs)) first = event
      if (first === undefined) return
      first.isCancelled = true
      nowMs = Math.max(nowMs, first.atMs)
      first.run()
    }
  }
  return { clock, at, run, now: () => nowMs }
}

/** The lines of a table. */
export async function limiterInVirtualTime(): Promise<readonly string[]> {
  const lines = [
    '',
    '### Limiter: 600 requests that reserve 4,000 tokens and use 1,650 after 2 s, at 60 requests and 100,000 tokens a minute, in virtual time',
    '',
    '| timers | the last one leaves after | most requests in any 60 s | most tokens in any 60 s |',
    '|---|---|---|---|',
  ]
  const random = seededRandom('jitter')
  const jitters: readonly (readonly [string, () => number])[] = [
    ['exact', () => 0],
    ['-1 to +10 ms off', () => random() * 11 - 1],
  ]
  for (const [name, jitterMs] of jitters) {
    const world = virtualTime(jitterMs)
    const limiter = makeLimiter({ requestsPerMinute: 60, unitsPerMinute: 100_000, atOnce: null }, world.clock)
    const sent: { readonly atMs: number; units: number }[] = []
    for (let index = 0; index < 600; index += 1) {
      void limiter.enter({ units: 4_000 }, new AbortController().signal).then((permit) => {
        permit.sent()
        const entry = { atMs: world.now(), units: 4_000 }
        sent.push(entry)
        world.at(world.now() + 2_000, () => {
          entry.units = 1_650
          permit.settle('ok', 1_650)
        })
      })
    }
    await world.run()
    const inside = sent.map(({ atMs }) => sent.filter((other) => other.atMs >= atMs && other.atMs <= atMs + 60_000))
    const requests = Math.max(...inside.map((window) => window.length))
    const tokens = Math.max(...inside.map((window) => window.reduce((sum, { units }) => sum + units, 0)))
    const lastMs = Math.max(...sent.map(({ atMs }) => atMs))
    lines.push(`| ${name} | ${(lastMs / 1_000).toFixed(0)} s | ${requests} | ${tokens} |`)
  }
  return lines
}
