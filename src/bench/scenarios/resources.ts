// What all processes use while the service's routes are under load. The samples are taken beside it, by the parent.
import type { ScenarioSettings, ScenarioSpec } from '../scenario.ts'
import { httpTimes, runMix } from './http.ts'
import { warmUpMs } from './openSeries.ts'

/** Thirty samples at four a second take seven and a half seconds. */
const resourcesMs = ({ durationMs, quick }: ScenarioSettings): number => durationMs ?? (quick ? 7_500 : 10_000)

export const resources: ScenarioSpec = {
  name: 'resources',
  summary: 'memory, processor and database connections of all processes of the bench, under the mix of http',
  needs: { database: true, service: true },
  plannedMs: (settings) => warmUpMs(settings) + resourcesMs(settings) + httpTimes.warmupMs,
  run: (host, settings, signal) => {
    const longEnough = { ...settings, durationMs: resourcesMs(settings) }
    // Memory and connections are no less true when a request left late.
    return runMix(host, longEnough, { name: 'resources', mostLatenessMs: null }, signal)
  },
}
