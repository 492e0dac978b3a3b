// The memory cache: what a look costs, how often it hits, and that a stampede is one load that no caller's leaving hurts.
import { seededRandom } from '../../core/random.ts'
import { sleep } from '../../core/runtime.ts'
import { makeCache } from '../../traffic/cache.ts'
import { runInProcess } from '../inProcess.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, never, plannedSeries } from './inProcessTimes.ts'

const keyCount = 100_000
const zipfSkew = 0.99

/** Ranks of a Zipf distribution, drawn from its cumulative sums. */
function zipfRanks(count: number, seed: number): () => number {
  const random = seededRandom(`zipf/${seed}`)
  const sums = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank += 1) sums[rank] = sum += 1 / (rank + 1) ** zipfSkew
  return () => {
    const at = random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}

const stampeders = 1_000

export const cache: ScenarioSpec = {
  name: 'cache',
  summary: 'answers from memory: Zipf 0.99 over 100,000 keys, 1,000 entries; and 1,000 callers of one missing key',
  needs: {},
  plannedMs: plannedSeries(2),
  run: async (host, settings, signal) => {
    const { clock } = host.runtime
    const made = makeCache<number>({ clock, sizeOf: () => 100 })
    const rank = zipfRanks(keyCount, settings.seed)
    const keys = Array.from({ length: keyCount }, (_, index) => `key-${index.toString(36)}`)
    const options = { keep: () => true }
    const ratio = (): number => {
      const { hits, misses } = made.stats()
      return hits + misses === 0 ? 0 : hits / (hits + misses)
    }
    const series = host.series('cache', 'closed', 'us', () => ({ cacheHitRatio: ratio() }))
    const times = inProcessTimes(settings)
    await runInProcess(
      host,
      { series, ...times, act: () => made.getOrLoad(keys[rank()] ?? '', () => Promise.resolve(1), options, never) },
      signal,
    )
    const zipf = series.finish({
      offeredPerSecond: null,
      concurrency: 1,
      figures: { hitRatioPercent: 100 * ratio(), evicted: made.stats().evicted },
    })

    const stampede = host.series('cache:stampede', 'closed', 'ms')
    const untilMs = clock.monotonicMs() + times.warmupMs + times.durationMs
    let loads = 0
    let rounds = 0
    let hurt = 0
    for (let round = 0; clock.monotonicMs() < untilMs && !signal.aborted; round += 1) {
      if (!stampede.isMeasuring() && round >= 2) {
        stampede.begin()
        loads = 0
        rounds = 0
      }
      rounds += 1
      const load = async (loadSignal: AbortSignal): Promise<number> => {
        loads += 1
        await sleep(clock, 20, loadSignal)
        return 1
      }
      const fromMs = clock.monotonicMs()
      const leaving = new AbortController()
      const callers = Array.from({ length: stampeders }, async (_, index) => {
        const leaves = index % 10 === 9
        try {
          await made.getOrLoad(`stampede-${round}`, load, options, leaves ? leaving.signal : never)
          if (stampede.isMeasuring()) {
            const took = clock.monotonicMs() - fromMs
            stampede.sample({ response: took, service: took, lateness: 0, error: null })
          }
        } catch {
          if (!leaves) hurt += 1
        }
      })
      leaving.abort(new Error('left'))
      await Promise.all(callers)
    }
    const figures = { loadsPerMiss: rounds === 0 ? Number.NaN : loads / rounds, callersHurt: hurt }
    return [
      zipf,
      stampede.finish({
        offeredPerSecond: null,
        concurrency: stampeders,
        figures,
        notes: ['one caller in ten leaves before the answer is there'],
      }),
    ]
  },
}
