// The limiter: that no sliding minute ever has more than the documented requests, by a strict oracle, and what a permit costs.
import { seededRandom } from '../../core/random.ts'
import { sleep } from '../../core/runtime.ts'
import { makeLimiter } from '../../traffic/limiter.ts'
import { runInProcess } from '../inProcess.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, never, plannedSeries } from './inProcessTimes.ts'
import { makeVirtualClock } from './virtualTime.ts'

const windowMs = 60_000
const documentedLimits = { openai: 60, anthropic: 40, xai: 100 } as const

/** The most in any sliding window of a minute. */
function mostInWindow(times: readonly number[]): number {
  let most = 0
  let first = 0
  for (let last = 0; last < times.length; last += 1) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= windowMs) first += 1
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** Sends as much as it may for some minutes of virtual time, each request some time after its permit. Times of leaving, ascending. */
async function leavingTimes(requestsPerMinute: number, minutes: number, seed: number): Promise<readonly number[]> {
  const clock = makeVirtualClock(seed)
  const random = seededRandom(`sends/${seed}`)
  const limiter = makeLimiter({ requestsPerMinute, unitsPerMinute: null, atOnce: null }, clock)
  const left: number[] = []
  const count = Math.ceil(requestsPerMinute * (minutes + 1))
  const requests = Array.from({ length: count }, async () => {
    const permit = await limiter.enter({ units: 1 }, never)
    // What is durable is written between the permit and the sending.
    await sleep(clock, random() * 40, never)
    left.push(clock.monotonicMs())
    permit.sent()
    await sleep(clock, 200 + random() * 2_000, never)
    permit.settle('ok', 1)
  })
  await clock.runUntil(minutes * windowMs)
  void requests
  return left.toSorted((a, b) => a - b)
}

export const limiter: ScenarioSpec = {
  name: 'limiter',
  summary: 'documented requests a minute in every sliding window, by a strict oracle over minutes of virtual time; what a permit costs',
  needs: {},
  plannedMs: plannedSeries(1),
  run: async (host, settings, signal) => {
    host.onPreparing('sending as much as the limiter lets through, five virtual minutes of each provider')
    let violations = 0
    let leastUse = 1
    for (const limit of Object.values(documentedLimits)) {
      const times = await leavingTimes(limit, 5, settings.seed)
      if (mostInWindow(times) > limit) violations += 1
      leastUse = Math.min(leastUse, times.length / (limit * 5))
    }
    const { clock } = host.runtime
    const open = makeLimiter({ requestsPerMinute: 100_000_000, unitsPerMinute: 100_000_000_000, atOnce: 1_000 }, clock)
    const series = host.series('limiter', 'closed', 'us', () => ({ limiterUse: open.stats().utilization }))
    const act = async (): Promise<void> => {
      const permit = await open.enter({ units: 4_000 }, never)
      permit.sent()
      permit.settle('ok', 1_650)
    }
    await runInProcess(host, { series, ...inProcessTimes(settings), act }, signal)
    const figures = { windowViolations: violations, leastUsePercent: 100 * leastUse }
    return [
      series.finish({
        offeredPerSecond: null,
        concurrency: 1,
        figures,
        notes: ['the limits were checked in virtual time, the cost in real time'],
      }),
    ]
  },
}
