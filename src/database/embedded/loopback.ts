// Ports of 127.0.0.1. Invariant: a probe leaves nothing open.
import { connect, createServer } from 'node:net'

const host = '127.0.0.1'

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const end = (listening: boolean): void => {
      socket.destroy()
      resolve(listening)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** Below what systems hand out for outgoing connections: those would hold the port of a server that is down, or even connect to themselves. */
const ports = { from: 20_000, to: 32_768 }

/** A port that nobody listens on now. */
export async function freePort(random: () => number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = ports.from + Math.floor(random() * (ports.to - ports.from))
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${ports.from} and ${ports.to} in 100 attempts`)
}
