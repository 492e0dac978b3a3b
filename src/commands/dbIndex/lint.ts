// `orx db:index lint`: what is wrong with a catalog, without a database.
import { exitCodes } from '../../core/errors.ts'
import { parseCatalog } from '../../database/indexes/catalogFile.ts'
import { lintCatalog } from '../../database/indexes/lint.ts'
import { ownCatalog } from '../../database/indexes/ownCatalog.ts'
import { sanitise } from '../../ui/sanitise.ts'
import { command } from '../command.ts'
import { indexOptions, readText } from './indexCommand.ts'

export const lint = command({
  description:
    'Finds indexes that serve no query path, paths without an index, prefixes that another index covers, and keys in the wrong order. Needs no database.',
  examples: ['orx db:index lint --catalog catalog.json'],
  options: { catalog: indexOptions.catalog },
  run: async (context, _words, { catalog: file }) => {
    const catalog = file === null ? ownCatalog : parseCatalog(await readText(context, file), file)
    const findings = lintCatalog(catalog)
    if (!context.out.json) {
      for (const { rule, collection, name, message } of findings) context.out.result(sanitise(`${rule} ${collection}.${name}: ${message}`))
      if (findings.length === 0)
        context.out.result(`${catalog.indexes.length} indexes, ${catalog.paths.length} paths: nothing to find fault with`)
    }
    return { exitCode: findings.length > 0 ? exitCodes.drift : exitCodes.done, data: { findings } }
  },
})
