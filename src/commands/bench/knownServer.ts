// `orx bench:known`: a server of known latencies for `orx bench --self-test`, in a process of its own.
import { knownKinds, startKnownServer } from '../../bench/knownServer.ts'
import { exitCodes, OrxError } from '../../core/errors.ts'
import { choice, duration, integer } from '../../settings/option.ts'
import { command } from '../command.ts'

export const benchKnown = command({
  description: 'Serves known latencies. Started by orx bench --self-test.',
  examples: ['orx bench --self-test'],
  options: {
    kind: { flags: '--kind <kind>', description: knownKinds.join(', '), parse: choice(knownKinds), fallback: 'known' as const },
    seed: { flags: '--seed <n>', description: 'of the latencies', parse: integer(0, Number.MAX_SAFE_INTEGER), fallback: 1 },
    warmup: { flags: '--warmup <duration>', description: 'what came within it is not told', parse: duration(0), fallback: 0 },
  },
  run: async ({ io }, _words, { kind, seed, warmup }) => {
    const { parent } = io
    if (parent === null)
      throw new OrxError('usage', 'this command is started by orx bench --self-test', { hint: 'Run orx bench --self-test.' })
    const server = await startKnownServer(kind, { clock: io.runtime.clock, seed, warmupMs: warmup })
    parent.onMessage(() => parent.report({ type: 'told', ...server.told() }))
    parent.report({ type: 'up', port: server.port })
    await new Promise<void>((resolve) => parent.onGone(resolve))
    server.close()
    return { exitCode: exitCodes.done, data: null }
  },
})
