// What the way to a server on this machine and back takes, which neither of its ends can see of itself.
import { Pool } from 'undici'
import { sleep, type Clock } from '../core/runtime.ts'
import { makeHistogram } from './histogram.ts'

const trips = 300
const warmupTrips = 100
/** Apart as requests under load are: right after one another they would find both processes awake. */
const gapMs = 5

/** Median ms of one request at a time to a server that answers at once, by undici alone. Rejects as undici does. */
export async function emptyRoundTripMs(clock: Clock, origin: string, signal: AbortSignal): Promise<number> {
  const pool = new Pool(origin, { connections: 1 })
  const times = makeHistogram('ms')
  try {
    for (let trip = 0; trip < warmupTrips + trips; trip += 1) {
      await sleep(clock, gapMs, signal)
      const sentMs = clock.monotonicMs()
      const { body } = await pool.request({ method: 'GET', path: '/', signal })
      await body.text()
      if (trip >= warmupTrips) times.record(clock.monotonicMs() - sentMs)
    }
  } finally {
    await pool.destroy()
  }
  return times.percentiles().p50
}
