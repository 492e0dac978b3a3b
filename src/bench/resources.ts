// What samples of memory, processor and connections come to. Pure.
import { meanOf } from '../core/mean.ts'
import type { ResourceReport, ResourceSample } from './report.ts'

/** Below this the host's other machines are not worth a word, % of the processors. */
const leastStolenPercent = 1

/** What is to be said of a measurement during which the host gave processors to other machines. */
export function stolenNotes(samples: readonly Pick<ResourceSample, 'stolenPercent'>[]): readonly string[] {
  const stolen = meanOf(samples.flatMap(({ stolenPercent }) => (stolenPercent === null ? [] : [stolenPercent])))
  if (stolen === null || stolen < leastStolenPercent) return []
  return [`the host of this machine gave ${stolen.toFixed(1)} % of its processors to other machines meanwhile`]
}

export function resourcesOf(samples: readonly ResourceSample[]): ResourceReport {
  const known = samples.flatMap(({ dbConnections }) => (dbConnections === null ? [] : [dbConnections]))
  return {
    rssPeakMb: Math.max(0, ...samples.map(({ rssMb }) => rssMb)),
    cpuMeanPercent: meanOf(samples.map(({ cpuPercent }) => cpuPercent)),
    dbConnectionsPeak: known.length === 0 ? null : Math.max(...known),
    samples,
  }
}
