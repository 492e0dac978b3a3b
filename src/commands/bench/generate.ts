// One scenario in the generator's process: the job goes over, progress and reports come back.
import type { BenchEvent } from '../../bench/live.ts'
import type { SeriesReport } from '../../bench/report.ts'
import type { Target } from '../../bench/targets.ts'
import { OrxError } from '../../core/errors.ts'
import { whenAborted } from '../../core/abort.ts'
import type { Io } from '../../io.ts'
import type { BenchJob, GeneratorMessage } from './generator.ts'

const latencies = new Set(['response', 'service'])

/** The limits that are counted exactly, by series. */
export function limitsOf(targets: readonly Target[]): Readonly<Record<string, readonly number[]>> {
  const limits: Record<string, number[]> = {}
  for (const { scenario, metric, limit } of targets)
    if (latencies.has(metric)) limits[scenario] = [...new Set([...(limits[scenario] ?? []), limit])]
  return limits
}

export interface Generated {
  /** Called with the generator's process while it lives, and with null when it has ended. */
  readonly onPid: (pid: number | null) => void
}

export async function generate(
  { fork }: Pick<Io, 'fork'>,
  job: Omit<BenchJob, 'type'>,
  { onPid }: Generated,
  emit: (event: BenchEvent) => void,
  signal: AbortSignal,
): Promise<readonly SeriesReport[]> {
  signal.throwIfAborted()
  const { scenario } = job
  const child = fork(['bench:generator'])
  onPid(child.pid)
  let release = (): void => undefined
  try {
    return await new Promise<readonly SeriesReport[]>((resolve, reject) => {
      child.onMessage((raw) => {
        const message = raw as GeneratorMessage
        switch (message.type) {
          case 'up':
            child.send({ type: 'job', ...job } satisfies BenchJob)
            break
          case 'progress': {
            const { type: _type, ...progress } = message
            emit({ type: 'interval', ...progress })
            break
          }
          case 'preparing':
            emit({ type: 'preparing', scenario, text: message.text, done: message.done, total: message.total })
            break
          case 'done':
            resolve(message.series)
            break
          case 'failed':
            reject(new OrxError('failed', message.message, { hint: `Run orx bench ${scenario} --verbose to look closer.` }))
        }
      })
      void child.ended.then((code) => reject(new OrxError('failed', `the generator ended with ${code ?? 'a signal'}`)))
      // It gives back what it has, and marks what was under way; a child that does not is stopped below.
      release = whenAborted(signal, () => child.send({ type: 'stop' }))
    })
  } finally {
    release()
    onPid(null)
    await child.stop()
  }
}
