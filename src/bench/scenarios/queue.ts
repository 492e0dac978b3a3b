// The queue of orchestrations: what a job costs, and that none is overtaken by one of lower priority.
import { seededRandom } from '../../core/random.ts'
import { makeQueue } from '../../traffic/queue.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, never, plannedSeries } from './inProcessTimes.ts'

const jobsPerRound = 2_000

export const queue: ScenarioSpec = {
  name: 'queue',
  summary: '2,000 jobs of mixed priority at once, ten running: what a job costs, and whether one was overtaken',
  needs: {},
  plannedMs: plannedSeries(1),
  run: async (host, settings, signal) => {
    const { clock } = host.runtime
    const random = seededRandom(`queue/${settings.seed}`)
    let depth = 0
    let overtaken = 0
    let longestWaitMs = 0
    const series = host.series('queue', 'closed', 'us', () => ({ queueDepth: depth }))
    const round = async (): Promise<void> => {
      const waiting = makeQueue({ clock, concurrency: 10, maxWaiting: jobsPerRound })
      const started: { readonly priority: number; readonly order: number }[] = []
      const jobs = Array.from({ length: jobsPerRound }, (_, order) => {
        const priority = 1 + Math.floor(random() * 10)
        return waiting.run(
          async (waitedMs) => {
            longestWaitMs = Math.max(longestWaitMs, waitedMs)
            started.push({ priority, order })
            depth = waiting.stats().waiting
            await Promise.resolve()
          },
          { priority, sizeBytes: 100 },
          never,
        )
      })
      await Promise.all(jobs)
      // The first ten start as they come. Of the others none has started before one of a higher priority, or an older one of its own.
      for (let index = 11; index < started.length; index += 1) {
        const [before, after] = [started[index - 1], started[index]]
        if (before === undefined || after === undefined) continue
        if (after.priority > before.priority || (after.priority === before.priority && after.order < before.order)) overtaken += 1
      }
    }
    const { durationMs, warmupMs } = inProcessTimes(settings)
    const fromMs = clock.monotonicMs()
    while (clock.monotonicMs() - fromMs < warmupMs + durationMs && !signal.aborted) {
      if (!series.isMeasuring() && clock.monotonicMs() - fromMs >= warmupMs) series.begin()
      const startMs = clock.monotonicMs()
      await round()
      const perJob = ((clock.monotonicMs() - startMs) * 1_000) / jobsPerRound
      if (series.isMeasuring()) series.sample({ response: perJob, service: perJob, lateness: 0, error: null })
      await host.pacing.yieldNow()
    }
    const notes = [`a sample is the mean of a round of ${jobsPerRound} jobs`]
    return [series.finish({ offeredPerSecond: null, concurrency: 10, figures: { overtaken, longestWaitMs }, notes })]
  },
}
