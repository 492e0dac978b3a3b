// `orx db:index pull`: a catalog out of what a database has. Reads only.
import { exitCodes } from '../../core/errors.ts'
import { parseCatalog, writeCatalog } from '../../database/indexes/catalogFile.ts'
import { catalogOf } from '../../database/indexes/pull.ts'
import { words } from '../../settings/option.ts'
import { command } from '../command.ts'
import { indexOptions, requireWritable, withIndexes, withOutput, writeText } from './indexCommand.ts'

export const pull = command({
  description: 'Writes the indexes of the database as a catalog file, for --catalog. Reads only.',
  examples: ['orx db:index pull --out catalog.json', 'orx db:index pull --db-name shop > catalog.json'],
  options: {
    dbName: indexOptions.dbName,
    catalogFile: { flags: '--out <file>', description: 'write it there', parse: words, fallback: null as string | null, flagOnly: true },
  },
  run: async (context, _words, { dbName, catalogFile }) => {
    await requireWritable(context, catalogFile)
    return withIndexes(context, { dbName, catalog: null }, async ({ live }) => {
      if (!live.exists) context.warn(`there is no database ${live.name} on this server`)
      const text = writeCatalog(catalogOf(live))
      // What is written can be read.
      parseCatalog(text, 'the catalog')
      if (catalogFile === null && !context.out.json) context.out.result(text.trimEnd())
      for (const why of live.unseen.values()) context.warn(`left out: ${why}`)
      if (live.isPartial) context.warn(`left out: what this user may not see, as it may not list the collections of ${live.name}`)
      return withOutput({ exitCode: exitCodes.done, data: JSON.parse(text) as unknown }, () => writeText(context, catalogFile, text))
    })
  },
})
