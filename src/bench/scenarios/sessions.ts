// A thousand people at once, each with a session of its own, who think between two requests.
import { formatDuration } from '../../core/units.ts'
import { runClosedLoop } from '../closedLoop.ts'
import { leavingWith } from '../leaving.ts'
import { timesOf, type ScenarioSettings, type ScenarioSpec } from '../scenario.ts'
import { warmUp, warmUpMs, type OpenLoad } from './openSeries.ts'
import { idOf, makeServiceClient, serviceConnections } from './serviceClient.ts'

const sessionTimes = { durationMs: 20_000, quickMs: 6_000 }
const users = 1_000
/** With a thousand users these are the documented 500 requests a second. */
const ownThinkMs = 2_000

function loadOf(settings: ScenarioSettings) {
  const count = settings.concurrency ?? users
  const thinkMs = settings.ratePerSecond === null ? ownThinkMs : (1_000 * count) / settings.ratePerSecond
  // They come over one such pause: all are there before anything is measured.
  return { count, thinkMs, ...timesOf(settings, { ...sessionTimes, warmupMs: 1.25 * thinkMs }) }
}

export const sessions: ScenarioSpec = {
  name: 'sessions',
  summary: '1,000 users at once, each with a session of its own: creating, reading, listing, ending',
  needs: { database: true, service: true },
  plannedMs: (settings) => {
    const { durationMs, warmupMs } = loadOf(settings)
    return warmUpMs(settings) + durationMs + warmupMs
  },
  run: async (host, settings, signal) => {
    const { service } = host.places
    const { clock } = host.runtime
    if (service === null) throw new Error('sessions needs a service')
    const client = makeServiceClient(new URL(service).origin, serviceConnections)
    const { count, thinkMs, durationMs, warmupMs } = loadOf(settings)
    try {
      const first = idOf(await client.request('POST', '/api/sessions', { userId: 'session-user-0' }, leavingWith(signal)))
      const warm: OpenLoad['send'] = (index, leaving) =>
        index % 3 === 0
          ? client.request('POST', '/api/sessions', { userId: `session-user-${index % 100}` }, leaving)
          : client.request('GET', index % 3 === 1 ? `/api/sessions/${first}` : '/api/users/session-user-0/sessions', null, leaving)
      await warmUp(host, settings, warm, signal)
      const open = new Map<number, string>()
      let most = 0
      const series = host.series('sessions', 'closed', 'ms', () => ({ openSessions: open.size }))
      const act = async (user: number, round: number, abort: AbortSignal): Promise<void> => {
        const leaving = leavingWith(abort)
        const sessionId = open.get(user)
        const userId = `session-user-${user % 100}`
        if (sessionId === undefined) {
          open.set(user, idOf(await client.request('POST', '/api/sessions', { userId }, leaving)))
          most = Math.max(most, open.size)
          return
        }
        if (round % 20 === 19) {
          await client.request('PATCH', `/api/sessions/${sessionId}/status`, { status: 'completed' }, leaving)
          open.set(user, idOf(await client.request('POST', '/api/sessions', { userId }, leaving)))
        } else if (round % 3 === 0) await client.request('GET', `/api/users/${userId}/sessions`, null, leaving)
        else await client.request('GET', `/api/sessions/${sessionId}`, null, leaving)
      }
      const { peak } = await runClosedLoop(
        clock,
        {
          users: count,
          warmupMs,
          durationMs,
          thinkMs,
          spreadMs: thinkMs,
          timeoutMs: 10_000,
          series,
          unitPerMs: 1,
          act,
        },
        signal,
      )
      const report = series.finish({
        offeredPerSecond: null,
        concurrency: count,
        figures: { concurrentSessions: most, mostRequestsAtOnce: peak },
        notes: [`each user thinks for ${formatDuration(thinkMs)} between two requests`],
      })
      return [report]
    } finally {
      await client.close()
    }
  },
}
