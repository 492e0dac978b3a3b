// Memory, processor and database connections of the processes of a bench, as the system and the server count them.
import type { ResourceSample } from '../../bench/report.ts'
import type { Io } from '../../io.ts'
import type { OpenedDatabase } from '../openDatabase.ts'

const bytesPerMb = 1_048_576

export interface Processes {
  /** All of the bench. */
  readonly all: readonly number[]
  /** Those whose processor time counts: a generator that only waits for the right moment to send is no part of what it measures. */
  readonly measured: readonly number[]
}

export interface Sampler {
  sample(): Promise<Omit<ResourceSample, 'atMs' | 'scenario'>>
  stop(): void
}

export function makeSampler(
  { samples, loopProbe, runtime: { clock } }: Pick<Io, 'samples' | 'loopProbe' | 'runtime'>,
  processesNow: () => Processes,
  database: OpenedDatabase | null,
): Sampler {
  const loop = loopProbe()
  let lastMs = clock.monotonicMs()
  let usedBefore = new Map<number, number>()
  let stolenBefore = samples.stolenMs()
  return {
    sample: async () => {
      const { all, measured } = processesNow()
      const nowMs = clock.monotonicMs()
      const used = new Map(measured.map((pid) => [pid, samples.processorMs(pid) ?? 0]))
      // A process that is new, or gone, is counted from the next sample on.
      const usedMs = [...used].reduce((sum, [pid, ms]) => sum + Math.max(0, ms - (usedBefore.get(pid) ?? ms)), 0)
      const machineMs = (nowMs - lastMs) * samples.cpus
      const stolen = samples.stolenMs()
      const stolenMs = stolen === null || stolenBefore === null ? null : stolen - stolenBefore
      usedBefore = used
      stolenBefore = stolen
      lastMs = nowMs
      const resident = all.map((pid) => samples.residentBytes(pid) ?? 0)
      const { lagP99Ms } = loop.read()
      loop.reset()
      return {
        rssMb: resident.reduce((sum, bytes) => sum + bytes, 0) / bytesPerMb,
        cpuPercent: machineMs <= 0 ? 0 : (100 * usedMs) / machineMs,
        stolenPercent: stolenMs === null || machineMs <= 0 ? null : Math.min(100, (100 * stolenMs) / machineMs),
        dbConnections: database === null ? null : await connectionsOf(database),
        eventLoopLagMs: lagP99Ms,
      }
    },
    stop: () => loop.stop(),
  }
}

/** Connections of orx in all its processes, by the name that each gives itself; null where the user may not see them. */
async function connectionsOf({ client }: OpenedDatabase): Promise<number | null> {
  try {
    const [row] = await client
      .db('admin')
      .aggregate([
        { $currentOp: { allUsers: true, idleConnections: true } },
        { $match: { appName: /^orx/ } },
        { $group: { _id: '$connectionId' } },
        { $count: 'connections' },
      ])
      .toArray()
    return Number(row?.['connections'] ?? 0)
  } catch {
    return null
  }
}
