// `orx serve`: the HTTP service on this machine, until it is told to stop.
import { exitCodes, OrxError } from '../core/errors.ts'
import { connectDatabase, type Database } from '../database/connection.ts'
import { checkHealth } from '../monitor/health.ts'
import { alertText, watchMemory } from '../monitor/memory.ts'
import { makeMetrics } from '../monitor/metrics.ts'
import { prometheusText } from '../monitor/prometheus.ts'
import { makeApp } from '../server/app.ts'
import { listen } from '../server/listen.ts'
import { makeStore } from '../server/store.ts'
import { integer, words } from '../settings/option.ts'
import { command, type CommandContext } from './command.ts'
import { openDatabase } from './openDatabase.ts'

const drainMs = 10_000
/** The bench's other processes have connections too; together they stay below the documented 50. */
const pooledForBench = 16
const bytesPerMb = 1_048_576

/** As a child of the bench it is told by its parent which database it serves; a password does not belong among the words. */
async function databaseOf(context: CommandContext): Promise<Database> {
  const { io, version, signal } = context
  const { parent } = io
  if (parent === null) return openDatabase(context)
  const told = await new Promise<{ readonly uri: string; readonly database: string }>((resolve) => {
    parent.onMessage((message) => resolve(message as { readonly uri: string; readonly database: string }))
  })
  const options = { uri: told.uri, dbName: told.database, appName: `orx/${version}`, maxPoolSize: pooledForBench, clock: io.runtime.clock }
  return connectDatabase(options, signal)
}

export const serve = command({
  description:
    'Serves sessions, threads and analytics over HTTP on this machine, with /health, /livez, /readyz and /metrics. SIGTERM drains it.',
  examples: ['orx serve', 'orx serve --port 4500', 'curl -s http://127.0.0.1:4400/health'],
  options: {
    host: { flags: '--host <address>', description: 'to listen on', parse: words, fallback: '127.0.0.1' },
    port: { flags: '--port <n>', description: '0 takes a free one', parse: integer(0, 65_535), fallback: 4_400 },
  },
  run: async (context, _words, { host, port }) => {
    const { io, out, signal } = context
    const { clock } = io.runtime
    if (host !== '127.0.0.1' && host !== 'localhost' && host !== '::1') {
      throw new OrxError('usage', `--host ${host}: the service listens on this machine alone`, {
        hint: 'Leave --host out; to reach it from elsewhere, put a proxy that asks for credentials in front.',
      })
    }
    const database = await databaseOf(context)
    const metrics = makeMetrics(clock)
    const loop = io.loopProbe()
    const memory = watchMemory({
      clock,
      residentBytes: () => io.samples.residentBytes(io.pid) ?? 0,
      onAlert: (alert) => out.complain(alertText(alert)),
    })
    let isReady = true
    const app = makeApp({
      store: makeStore({ db: database.db, reads: database.reads, clock, newId: () => io.runtime.newId() }),
      clock,
      metrics,
      isReady: () => isReady,
      health: () =>
        checkHealth(
          {
            clock,
            ping: (soon) => database.ping(soon),
            memoryPercent: () => io.samples.memoryPercent(),
            endpoints: () => metrics.endpoints(),
          },
          AbortSignal.timeout(3_000),
        ),
      metricsText: () =>
        prometheusText(metrics.endpoints(), [
          { name: 'orx_resident_memory_bytes', help: 'Memory of this process.', value: (memory.latest()?.residentMb ?? 0) * bytesPerMb },
          {
            name: 'orx_memory_usage_percent',
            help: 'Memory of the machine or of the control group that is in use.',
            value: io.samples.memoryPercent(),
          },
          {
            name: 'nodejs_eventloop_lag_seconds',
            help: 'How late the event loop came round, P99 since the start.',
            value: loop.read().lagP99Ms / 1_000,
          },
          { name: 'orx_ready', help: 'Whether it takes requests.', value: isReady ? 1 : 0 },
        ]),
    })
    try {
      const listening = await listen(app, { clock, host, port })
      const ended = new Promise<void>((resolve) => {
        // A child hears Ctrl-C like its parent, which still measures: it ends when the parent is gone.
        if (io.parent === null) signal.addEventListener('abort', () => resolve(), { once: true })
        else io.parent.onGone(resolve)
      })
      io.parent?.report({ port: listening.port })
      if (io.parent === null)
        out.note(`orx listens on http://${host}:${listening.port} with the database ${database.name} (SIGTERM or Ctrl-C drains it)`)
      await ended
      isReady = false
      if (io.parent === null) out.note('draining')
      await listening.drain(io.parent === null ? drainMs : 500)
      return { exitCode: exitCodes.done, data: { port: listening.port, endpoints: metrics.endpoints() }, drained: true as const }
    } finally {
      memory.stop()
      loop.stop()
      await database.close()
    }
  },
})
