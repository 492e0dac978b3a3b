// The batcher: what a batch costs, and that a bad item fails alone.
import { makeBatcher } from '../../traffic/batcher.ts'
import { runInProcess } from '../inProcess.ts'
import type { ScenarioSpec } from '../scenario.ts'
import { inProcessTimes, plannedSeries } from './inProcessTimes.ts'

export const batch: ScenarioSpec = {
  name: 'batch',
  summary: 'batches of five by key: what an item costs, and whether a bad one fails alone',
  needs: {},
  plannedMs: plannedSeries(1),
  run: async (host, settings, signal) => {
    const { clock } = host.runtime
    let batches = 0
    let items = 0
    let wrong = 0
    const made = makeBatcher<number, number>({
      clock,
      leaves: 'full-or-late',
      maxSize: 5,
      run: async (numbers) => {
        batches += 1
        items += numbers.length
        await Promise.resolve()
        return numbers.map((number) => (number % 5 === 3 ? { ok: false, error: new Error('bad') } : { ok: true, value: number * 2 }))
      },
    })
    const series = host.series('batch', 'closed', 'us')
    const act = async (index: number): Promise<void> => {
      const settled = await Promise.allSettled(Array.from({ length: 5 }, (_, offset) => made.add(index * 5 + offset)))
      for (const [offset, result] of settled.entries()) {
        const number = index * 5 + offset
        const isRight = number % 5 === 3 ? result.status === 'rejected' : result.status === 'fulfilled' && result.value === number * 2
        if (!isRight) wrong += 1
      }
    }
    await runInProcess(host, { series, ...inProcessTimes(settings), act }, signal)
    const figures = { wrongResults: wrong, meanBatchSize: batches === 0 ? 0 : items / batches }
    return [series.finish({ offeredPerSecond: null, concurrency: 5, figures, notes: ['a sample is a batch of five'] })]
  },
}
