// The object pool: what taking and giving back costs, and that never more are out than may be.
import { makePool } from '../../traffic/pool.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, never, plannedSeries } from './inProcessTimes.ts'

const poolMaximum = 50
const poolUsers = 100

export const pool: ScenarioSpec = {
  name: 'pool',
  summary: '100 users of 50 objects: what it costs to take one and give it back, and how many are ever out',
  needs: {},
  plannedMs: plannedSeries(1),
  run: async (host, settings, signal) => {
    const { clock } = host.runtime
    let made = 0
    let out = 0
    let peak = 0
    const objects = makePool<number>({
      clock,
      maxSize: poolMaximum,
      create: () => {
        made += 1
        return Promise.resolve(made)
      },
    })
    const series = host.series('pool', 'closed', 'us', () => ({ poolInUse: out }))
    const { durationMs, warmupMs } = inProcessTimes(settings)
    const fromMs = clock.monotonicMs()
    const user = async (): Promise<void> => {
      while (clock.monotonicMs() - fromMs < warmupMs + durationMs && !signal.aborted) {
        if (!series.isMeasuring() && clock.monotonicMs() - fromMs >= warmupMs) series.begin()
        const startMs = clock.monotonicMs()
        await objects.use(async () => {
          out += 1
          peak = Math.max(peak, out)
          await host.pacing.yieldNow()
          out -= 1
        }, never)
        const tookUs = (clock.monotonicMs() - startMs) * 1_000
        if (series.isMeasuring()) series.sample({ response: tookUs, service: tookUs, lateness: 0, error: null })
      }
    }
    await Promise.all(Array.from({ length: poolUsers }, user))
    objects.close()
    return [series.finish({ offeredPerSecond: null, concurrency: poolUsers, figures: { mostOut: peak, created: made } })]
  },
}
