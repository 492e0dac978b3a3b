// `orx bench:generator`: runs one scenario in a process of its own, so that no display delays it. Started by `orx bench`, and ends with it.
import { batch } from '../../bench/scenarios/batch.ts'
import { cache } from '../../bench/scenarios/cache.ts'
import { http } from '../../bench/scenarios/http.ts'
import { indexes } from '../../bench/scenarios/indexes.ts'
import { orchestrationsWith } from '../../bench/scenarios/orchestrations.ts'
import { limiter } from '../../bench/scenarios/limiter.ts'
import { metrics } from '../../bench/scenarios/metrics.ts'
import { pool } from '../../bench/scenarios/pool.ts'
import { queries } from '../../bench/scenarios/queries.ts'
import { queue } from '../../bench/scenarios/queue.ts'
import { resources } from '../../bench/scenarios/resources.ts'
import { sessions } from '../../bench/scenarios/sessions.ts'
import type { SeriesReport } from '../../bench/report.ts'
import type { ScenarioHost, ScenarioPlaces, ScenarioSettings, ScenarioSpec, SeriesProgress } from '../../bench/scenario.ts'
import { makePacer } from '../../bench/pacer.ts'
import { makeSeries } from '../../bench/series.ts'
import { exitCodes, messageOf, OrxError } from '../../core/errors.ts'
import { benchSystemOf } from './system.ts'
import { command, type CommandContext } from '../command.ts'

/** Every scenario, in the order in which they run. */
export function scenariosOf(context: Pick<CommandContext, 'io' | 'version'>): readonly ScenarioSpec[] {
  return [
    cache,
    limiter,
    queue,
    batch,
    pool,
    metrics,
    queries,
    sessions,
    http,
    orchestrationsWith(benchSystemOf(context)),
    indexes,
    resources,
  ]
}

/** What the parent asks for. */
export interface BenchJob {
  readonly type: 'job'
  readonly scenario: string
  readonly settings: ScenarioSettings
  readonly places: ScenarioPlaces
  /** By series, in its unit. */
  readonly limits: Readonly<Record<string, readonly number[]>>
}

export type GeneratorMessage =
  | { readonly type: 'up' }
  | ({ readonly type: 'progress' } & SeriesProgress)
  | { readonly type: 'preparing'; readonly text: string; readonly done: number | null; readonly total: number | null }
  | { readonly type: 'done'; readonly series: readonly SeriesReport[] }
  | { readonly type: 'failed'; readonly message: string }

export const benchGenerator = command({
  description: 'Runs one scenario of the bench. Started by orx bench.',
  examples: ['orx bench cache'],
  options: {},
  run: async (context) => {
    const { io } = context
    const { parent } = io
    if (parent === null) throw new OrxError('usage', 'this command is started by orx bench', { hint: 'Run orx bench.' })
    const tell = (message: GeneratorMessage): void => parent.report(message)
    const gone = new AbortController()
    parent.onGone(() => gone.abort(new OrxError('aborted', 'the bench has ended')))
    const asked = new Promise<BenchJob>((resolve) => {
      parent.onMessage((message) => {
        const { type } = message as { readonly type: string }
        if (type === 'job') resolve(message as BenchJob)
        if (type === 'stop') gone.abort(new OrxError('aborted', 'the bench was stopped'))
      })
    })
    tell({ type: 'up' })
    const { scenario, settings, places, limits } = await asked
    const spec = scenariosOf(context).find(({ name }) => name === scenario)
    const loop = io.loopProbe()
    const pacer = makePacer()
    const limitsOfSeries = (name: string): readonly number[] => limits[name] ?? []
    const host: ScenarioHost = {
      limits: limitsOfSeries,
      runtime: io.runtime,
      places,
      loop,
      cores: io.samples.cpus,
      pacing: {
        clock: io.runtime.clock,
        yieldNow: () => io.yieldNow(),
        yieldUntil: (isOver) => io.yieldUntil(isOver),
        pause: (ms) => pacer.pause(ms),
      },
      onPreparing: (text, done, total) => tell({ type: 'preparing', text, done: done ?? null, total: total ?? null }),
      series: (name, model, unit, gauges) =>
        makeSeries({
          name,
          model,
          unit,
          limits: limitsOfSeries(name),
          clock: io.runtime.clock,
          loop,
          ...(gauges && { gauges }),
          onProgress: (progress) => tell({ type: 'progress', ...progress }),
        }),
    }
    try {
      if (spec === undefined) throw new Error(`there is no scenario ${scenario}`)
      tell({ type: 'done', series: await spec.run(host, settings, gone.signal) })
    } catch (error) {
      tell({ type: 'failed', message: messageOf(error) })
    } finally {
      loop.stop()
      pacer.stop()
    }
    // The last message is on its way; the parent closes the channel when it has it.
    await new Promise<void>((resolve) => {
      if (gone.signal.aborted) resolve()
      else parent.onGone(resolve)
    })
    return { exitCode: exitCodes.done, data: null }
  },
})
