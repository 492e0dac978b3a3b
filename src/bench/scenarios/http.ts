// The service's routes under an open load, and the rates at which it holds; or one route of any other server.
import autocannon from 'autocannon'
import { leavingWith } from '../leaving.ts'
import type { SeriesReport } from '../report.ts'
import { timesOf, type ScenarioHost, type ScenarioSettings, type ScenarioSpec } from '../scenario.ts'
import { latenessBound, openSeries, warmUp, warmUpMs, type OpenLoad } from './openSeries.ts'
import { idOf, makeServiceClient, serviceConnections, type ServiceClient } from './serviceClient.ts'

export const httpTimes = { durationMs: 20_000, quickMs: 5_000, warmupMs: 1_000 }
/** The documented 500+; what is offered is made to 99 %. */
const perSecond = 520
const seededSessions = 200
const serviceAndMongod = { busyBeside: 2 }
/** A stranger's server may stall: what is planned meanwhile needs connections of its own, or the generator would wait instead of it. */
const mostConnections = 1_024

export const http: ScenarioSpec = {
  name: 'http',
  summary: "the service's routes at 520 requests a second: sessions, threads, lists, analytics, health; or GET of --url",
  needs: { database: true, service: true },
  plannedMs: (settings) => {
    const { durationMs, warmupMs } = timesOf(settings, httpTimes)
    const climbing = climbs(settings) ? staircase.length * (staircaseTimes.durationMs + staircaseTimes.warmupMs) + kneeSeconds * 1_000 : 0
    return warmUpMs(settings) + durationMs + warmupMs + climbing
  },
  run: (host, settings, signal) => runMix(host, settings, { name: 'http' }, signal),
}

export async function runMix(
  host: ScenarioHost,
  settings: ScenarioSettings,
  more: Pick<OpenLoad, 'name' | 'mostLatenessMs'>,
  signal: AbortSignal,
): Promise<readonly SeriesReport[]> {
  const { service, isForeign } = host.places
  if (service === null) throw new Error('http needs a service')
  const { origin, pathname, search } = new URL(service)
  const client = makeServiceClient(origin, isForeign ? mostConnections : serviceConnections)
  const rate = settings.ratePerSecond ?? perSecond
  try {
    const load = { perSecond: rate, times: timesOf(settings, httpTimes), ...more }
    if (isForeign) {
      const send: OpenLoad['send'] = (_index, leaving) => client.request('GET', `${pathname}${search}`, null, leaving)
      return [await openSeries(host, settings, { ...load, send, busyBeside: 1 }, signal)]
    }
    const made = await prepare(host, client, signal)
    const send = mixOf(client, made)
    await warmUp(host, settings, send, signal)
    const measured = await openSeries(host, settings, { ...load, ...serviceAndMongod, send }, signal)
    if (more.name !== 'http' || !climbs(settings) || signal.aborted) return [measured]
    const steps: SeriesReport[] = []
    let heldPerSecond = holds(measured) ? rate : 0
    for (const step of staircase) {
      if (signal.aborted || heldPerSecond === 0) break
      const stair = {
        ...serviceAndMongod,
        name: `http:${step}`,
        perSecond: step,
        times: staircaseTimes,
        send,
        mostLatenessMs: latenessBound([heldLimitMs]),
      }
      const climbed = await openSeries(host, settings, stair, signal)
      steps.push(climbed)
      if (!holds(climbed)) break
      heldPerSecond = step
    }
    host.onPreparing('looking for the most that the service answers')
    const most = await mostPerSecond(`${origin}/api/sessions/${made[0]?.sessionId ?? ''}`)
    return [{ ...measured, figures: { ...measured.figures, heldPerSecond, mostPerSecond: most } }, ...steps]
  } finally {
    await client.close()
  }
}

/** Ten routes in turn: two of them write. */
function mixOf(client: ServiceClient, made: readonly Made[]): OpenLoad['send'] {
  return (index, leaving) => {
    const { sessionId, threadId, userId } = made[index % made.length] as Made
    switch (index % 10) {
      case 0:
        return client.request('POST', '/api/sessions', { userId }, leaving)
      case 1:
        return client.request('POST', '/api/threads', { sessionId, prompt: `prompt ${index}` }, leaving)
      case 2:
      case 3:
        return client.request('GET', `/api/sessions/${sessionId}`, null, leaving)
      case 4:
        return client.request('GET', `/api/threads/${threadId}`, null, leaving)
      case 5:
      case 6:
        return client.request('GET', `/api/users/${userId}/sessions`, null, leaving)
      case 7:
        return client.request('GET', `/api/sessions/${sessionId}/threads`, null, leaving)
      case 8:
        return client.request('GET', `/api/analytics/sessions/${sessionId}`, null, leaving)
      default:
        return client.request('GET', '/livez', null, leaving)
    }
  }
}

/** From rate to rate, until the service no longer holds one. */
const staircase = [1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000] as const
const staircaseTimes = { durationMs: 4_000, warmupMs: 500 }
/** Documented for operations of a session. */
const heldLimitMs = 100

/** Not in a short look, and not where a rate was asked for. */
const climbs = ({ quick, ratePerSecond }: ScenarioSettings): boolean => !quick && ratePerSecond === null

const holds = ({ invalid, errors, response }: SeriesReport): boolean => invalid.length === 0 && errors === 0 && response.p99 <= heldLimitMs

const kneeSeconds = 4

/**
 * What a closed load of one route reaches, by autocannon. Without a rate it corrects no latency for omissions; its latencies, of whole
 * milliseconds, are not used at all. NaN when its own counts do not add up.
 */
async function mostPerSecond(url: string): Promise<number> {
  const result = await autocannon({ url, connections: serviceConnections, duration: kneeSeconds })
  const isWhole = result.requests.total === result['2xx'] + result.non2xx && result.errors === 0 && result.non2xx === 0
  return isWhole ? result.requests.total / result.duration : Number.NaN
}

interface Made {
  readonly userId: string
  readonly sessionId: string
  readonly threadId: string
}

/** Sessions and threads to ask for. */
async function prepare(host: ScenarioHost, client: ServiceClient, signal: AbortSignal): Promise<readonly Made[]> {
  const made: Made[] = []
  const leaving = leavingWith(signal)
  for (let index = 0; index < seededSessions; index += 1) {
    const userId = `bench-user-${index % 20}`
    const sessionId = idOf(await client.request('POST', '/api/sessions', { userId }, leaving))
    const threadId = idOf(await client.request('POST', '/api/threads', { sessionId, prompt: `prompt ${index}` }, leaving))
    made.push({ userId, sessionId, threadId })
    if (index % 20 === 0) host.onPreparing('creating sessions to ask for', index, seededSessions)
  }
  return made
}
