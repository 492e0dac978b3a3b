// Waits to a tenth of a millisecond, without keeping a processor from what is measured.
import { Worker } from 'node:worker_threads'

export interface Pacer {
  /** Resolves after so long; one wait at a time. */
  pause(ms: number): Promise<void>
  stop(): void
}

/**
 * A timer of the event loop is late by half a millisecond and more, and has whole milliseconds. A thread that waits at a futex is woken within
 * some microseconds; it shares two numbers with this one: how often it was asked, and for how long.
 */
const pacerThread = `
const { parentPort, workerData: { turn, ms } } = require('node:worker_threads')
for (let seen = 0; ; ) {
  Atomics.wait(turn, 0, seen)
  seen = Atomics.load(turn, 0)
  if (seen < 0) break
  Atomics.wait(turn, 0, seen, ms[0])
  parentPort.postMessage(seen)
}
`

export function makePacer(): Pacer {
  const turn = new Int32Array(new SharedArrayBuffer(4))
  const ms = new Float64Array(new SharedArrayBuffer(8))
  const thread = new Worker(pacerThread, { eval: true, workerData: { turn, ms } })
  thread.unref()
  let waiting: (() => void) | null = null
  thread.on('message', (asked: number) => {
    if (asked === Atomics.load(turn, 0)) waiting?.()
  })
  const ask = (change: () => void): void => {
    change()
    Atomics.notify(turn, 0)
  }
  return {
    pause: (pauseMs) =>
      new Promise((resolve) => {
        waiting = resolve
        ms[0] = pauseMs
        ask(() => void Atomics.add(turn, 0, 1))
      }),
    stop: () => ask(() => void Atomics.store(turn, 0, -1)),
  }
}
