// `orx db:down`: stops the embedded MongoDB of this home; its data stays.
import { exitCodes } from '../core/errors.ts'
import { stopMongod } from '../database/embedded/server.ts'
import { command } from './command.ts'
import { embeddedOptions } from './openDatabase.ts'

export const dbDown = command({
  description: 'Stops the embedded MongoDB of this home. Its data stays for the next start. A server of ORX_MONGODB_URI is never touched.',
  examples: ['orx db:down', 'ORX_HOME=/data/orx orx db:down --json'],
  options: {},
  run: async (context) => {
    const pid = await stopMongod(embeddedOptions(context), context.signal)
    if (!context.out.json)
      context.out.result(pid === null ? 'the embedded MongoDB does not run' : `stopped the embedded MongoDB (process ${pid})`)
    return { exitCode: exitCodes.done, data: { stopped: pid !== null, pid } }
  },
})
