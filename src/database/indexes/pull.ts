// A catalog out of what a database has. Invariant: what it writes is in sync with the database it came from.
import type { CatalogIndex } from './catalog.ts'
import { defaultName, type KeyPart } from './definition.ts'
import type { LiveDatabase, LiveIndex } from './live.ts'
import type { WantedIndexes } from './plan.ts'

export function catalogOf(live: LiveDatabase): Required<WantedIndexes> {
  const indexes = [...live.collections.values()].flatMap(({ indexes: found, defaultCollation }) =>
    found.map((index): CatalogIndex => {
      const key = statedKey(index)
      const options = { ...index.options }
      delete options['prepareUnique']
      // Without a word of its own it would take over the collection's.
      if (options['collation'] === undefined && defaultCollation !== null) options['collation'] = { locale: 'simple' }
      const why = `found in ${live.name}${index.name === defaultName(key) ? '' : ` as ${index.name}`}: say here what it is for`
      return { collection: index.collection, name: index.name, key, options, why, serves: [] }
    }),
  )
  return {
    indexes: indexes.toSorted((a, b) => (`${a.collection} ${a.name}` < `${b.collection} ${b.name}` ? -1 : 1)),
    collections: [...live.collections.keys()],
  }
}

/** A text key as it was asked for: the server keeps its fields among the weights. */
export function statedKey({ key, options }: Pick<LiveIndex, 'key' | 'options'>): readonly KeyPart[] {
  const weights = Object.keys((options['weights'] as object | undefined) ?? {})
  return key.flatMap((part): readonly KeyPart[] => {
    if (part[0] === '_fts') return weights.map((field) => [field, 'text'] as const)
    return part[0] === '_ftsx' ? [] : [part]
  })
}
