// `orx db:index stats`: how much each index is used, on every member, since when, and how large it is. Reads only.
import { exitCodes } from '../../core/errors.ts'
import { readUsage } from '../../database/indexes/usage.ts'
import { usageText } from '../../ui/indexTables.ts'
import { command } from '../command.ts'
import { indexOptions, withIndexes } from './indexCommand.ts'

export const stats = command({
  description: 'Shows for each index how often it was used on all members, since when that is counted, and its size. Reads only.',
  examples: ['orx db:index stats', 'orx db:index stats --json | jq ".data.indexes[] | select(.ops == 0)"'],
  options: { dbName: indexOptions.dbName },
  run: async (context, _words, { dbName }) =>
    withIndexes(context, { dbName, catalog: null }, async ({ database, live }) => {
      const options = { db: database.db, uri: database.uri, appName: `orx/${context.version}`, clock: context.io.runtime.clock }
      if (!live.exists) context.warn(`there is no database ${live.name} on this server`)
      const usage = await readUsage(options, live, context.signal)
      for (const text of usage.notChecked) context.warn(`not checked: ${text}`)
      if (!context.out.json) context.out.result(usageText(usage, context.out))
      return { exitCode: usage.notChecked.length > 0 ? exitCodes.inconclusive : exitCodes.done, data: usage }
    }),
})
