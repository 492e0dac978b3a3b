// The metrics: what a record costs, and that the percentiles are right.
import { makeMetrics } from '../../monitor/metrics.ts'
import { runInProcess } from '../inProcess.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, plannedSeries } from './inProcessTimes.ts'

export const metrics: ScenarioSpec = {
  name: 'metrics',
  summary: 'what recording a call costs, and whether its percentiles are right',
  needs: {},
  plannedMs: plannedSeries(1),
  run: async (host, settings, signal) => {
    const { clock } = host.runtime
    const recorded = makeMetrics(clock)
    for (let ms = 1; ms <= 1_000; ms += 1) recorded.record('known', ms, true)
    const known = recorded.endpoints().find(({ endpoint }) => endpoint === 'known')
    const off = Math.max(
      ...(
        [
          [known?.p50Ms, 500],
          [known?.p95Ms, 950],
          [known?.p99Ms, 990],
        ] as const
      ).map(([is, wanted]) => (100 * Math.abs((is ?? 0) - wanted)) / wanted),
    )
    const series = host.series('metrics', 'closed', 'us')
    const act = (index: number): void => recorded.record('bench', index % 500, index % 50 !== 0)
    await runInProcess(host, { series, ...inProcessTimes(settings), act, callsPerSample: 100 }, signal)
    return [
      series.finish({
        offeredPerSecond: null,
        concurrency: 1,
        figures: { percentileErrorPercent: off },
        notes: ['a sample is the mean of 100 records'],
      }),
    ]
  },
}
