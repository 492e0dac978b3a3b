// `orx simulator`: the simulated provider in a process of its own. `orx run` starts it, and it ends with who started it.
import { exitCodes, OrxError } from '../core/errors.ts'
import { noFaults, parseFaults } from '../models/simulator/faults.ts'
import { startSimulator } from '../models/simulator/server.ts'
import { decimal, integer, words } from '../settings/option.ts'
import { command } from './command.ts'

export const simulator = command({
  description: 'Serves the simulated provider on loopback: OpenAI chat completions with invented answers, until it is stopped.',
  examples: ['orx simulator --port 4500 --sim-scale 0', 'ORX_BASE_URL=http://127.0.0.1:4500/v1 orx run "Hello"'],
  options: {
    port: { flags: '--port <n>', description: '0 takes a free one', parse: integer(0, 65_535), fallback: 0 },
    seed: {
      flags: '--seed <n>',
      description: 'the same seed and request give the same answer',
      parse: integer(0, Number.MAX_SAFE_INTEGER),
      fallback: 1,
    },
    simScale: {
      flags: '--sim-scale <factor>',
      description: 'of the simulated latencies; 0 answers at once',
      parse: decimal(0, 1_000),
      fallback: 1,
    },
    simFaults: { flags: '--sim-faults <list>', description: 'faults and their shares: 429:0.1,cut:0.05', parse: words, fallback: null },
  },
  run: async ({ io, out, signal }, _words, { port, seed, simScale, simFaults }) => {
    const faults = simFaults === null ? noFaults : parseFaults(simFaults, '--sim-faults')
    const server = await startSimulator({ clock: io.runtime.clock, seed: String(seed), scale: simScale, faults, port }).catch(
      (error: unknown) => {
        throw new OrxError('port_taken', `cannot listen on 127.0.0.1:${port}`, {
          hint: 'Choose another --port, or 0 for a free one.',
          cause: error,
        })
      },
    )
    const ended = new Promise<void>((resolve) => {
      // A child hears Ctrl-C like its parent, which still wants its answers: it ends when the parent is gone.
      if (io.parent === null) signal.addEventListener('abort', () => resolve(), { once: true })
      else io.parent.onGone(resolve)
    })
    io.parent?.report({ baseUrl: server.baseUrl })
    if (io.parent === null) out.note(`the simulated provider listens on ${server.baseUrl} (Ctrl-C stops it)`)
    await ended
    await server.close()
    return { exitCode: exitCodes.done, data: { port: server.port } }
  },
})
