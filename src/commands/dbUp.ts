// `orx db:up`: starts the embedded MongoDB of this home, or says that it runs.
import { exitCodes } from '../core/errors.ts'
import { command } from './command.ts'
import { openDatabase } from './openDatabase.ts'

export const dbUp = command({
  description: 'Starts the embedded MongoDB of this home, or connects to ORX_MONGODB_URI where it is set, and pings it.',
  examples: ['orx db:up', 'orx db:up --json', 'ORX_HOME=/data/orx orx db:up'],
  options: {},
  run: async (context) => {
    const database = await openDatabase(context)
    try {
      const pingMs = await database.ping(context.signal)
      const { embedded } = database
      const data = {
        source: embedded === null ? 'uri' : 'embedded',
        started: embedded?.started ?? false,
        pid: embedded?.pid ?? null,
        port: embedded?.port ?? null,
        version: embedded?.version ?? null,
        uri: embedded?.uri ?? null,
        database: database.name,
        pingMs,
      }
      if (!context.out.json) {
        const what =
          embedded === null
            ? 'the server of ORX_MONGODB_URI answers'
            : `MongoDB ${embedded.version} runs at ${embedded.uri} (process ${embedded.pid})`
        context.out.result(`${what}, ping ${pingMs.toFixed(1)} ms`)
      }
      return { exitCode: exitCodes.done, data }
    } finally {
      await database.close()
    }
  },
})
