// The service on a port of this machine. Invariant: it stops without cutting off an answer that is under way, but within its bound.
import { serve, type ServerType } from '@hono/node-server'
import type { Hono } from 'hono'
import { messageOf, OrxError } from '../core/errors.ts'
import { bounded } from '../database/connection.ts'
import type { Clock } from '../core/runtime.ts'

export interface Listening {
  readonly port: number
  /** Takes no more connections, waits for what is under way, then cuts the rest. */
  drain(withinMs: number): Promise<void>
}

/** Throws `port_taken`. */
export async function listen(
  app: Hono,
  { clock, host, port }: { readonly clock: Clock; readonly host: string; readonly port: number },
): Promise<Listening> {
  const server = await new Promise<ServerType>((resolve, reject) => {
    const made = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(made))
    made.once('error', (cause) => {
      reject(
        new OrxError('port_taken', `cannot listen on ${host}:${port}: ${messageOf(cause)}`, {
          hint: 'Choose another --port, or 0 for a free one.',
          cause,
        }),
      )
    })
  })
  const address = server.address()
  const idle = (): void => void ('closeIdleConnections' in server && server.closeIdleConnections())
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    drain: async (withinMs) => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      idle()
      await bounded(clock, withinMs, () => closed).catch(() => {
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
    },
  }
}
