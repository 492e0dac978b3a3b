// What samples of memory, processor and connections come to. Pure.
import type { ResourceReport, ResourceSample } from './report.ts'

export function resourcesOf(samples: readonly ResourceSample[]): ResourceReport {
  const known = samples.flatMap(({ dbConnections }) => (dbConnections === null ? [] : [dbConnections]))
  return {
    rssPeakMb: Math.max(0, ...samples.map(({ rssMb }) => rssMb)),
    cpuMeanPercent: samples.length === 0 ? null : samples.reduce((sum, { cpuPercent }) => sum + cpuPercent, 0) / samples.length,
    dbConnectionsPeak: known.length === 0 ? null : Math.max(...known),
    samples,
  }
}
