// What is wrong with a catalog before any database is asked. Invariant: pure; every finding names an index or a path and says what to do.
import type { Document } from 'mongodb'
import { idIndex, type Catalog, type CatalogIndex, type CatalogPath } from './catalog.ts'
import { canonical, isText, stored, type KeyPart, type Stored } from './definition.ts'
import { mostIndexes } from './hazards.ts'

export interface Finding {
  readonly rule: 'serves-nothing' | 'no-index' | 'unknown-path' | 'redundant-prefix' | 'duplicate' | 'equality-sort-range' | 'too-many'
  readonly collection: string
  /** An index, or a path. */
  readonly name: string
  readonly message: string
}

export function lintCatalog({ indexes, paths }: Catalog): readonly Finding[] {
  return [...lintServes(indexes, paths), ...lintPaths(indexes, paths), ...lintTwins(indexes), ...lintCounts(indexes)]
}

function lintServes(indexes: readonly CatalogIndex[], paths: readonly CatalogPath[]): readonly Finding[] {
  return indexes.flatMap(({ collection, name, serves, options }): Finding[] => {
    const unknown = serves.filter((served) => !paths.some((path) => path.name === served))
    const found: Finding[] = unknown.map((served) => ({
      rule: 'unknown-path',
      collection,
      name,
      message: `it says that it serves "${served}", which is no path of the catalog`,
    }))
    // These have a use of their own beside any query.
    const isConstraint = options['unique'] === true || options['expireAfterSeconds'] !== undefined
    if (serves.length === 0 && !isConstraint) {
      found.push({ rule: 'serves-nothing', collection, name, message: 'it serves no query path: every write pays for it, no read gains' })
    }
    // A path of another collection may join this one; one of this collection names the index that it uses.
    const claimed = paths.filter((path) => serves.includes(path.name))
    if (claimed.length > 0 && !isConstraint && claimed.every((path) => path.collection === collection && path.index !== name)) {
      const users = claimed.map((path) => `"${path.name}" uses ${path.index}`).join(', ')
      found.push({ rule: 'serves-nothing', collection, name, message: `no path that it says it serves uses it: ${users}` })
    }
    return found
  })
}

function lintPaths(indexes: readonly CatalogIndex[], paths: readonly CatalogPath[]): readonly Finding[] {
  return paths.flatMap((path): Finding[] => {
    if (path.index === idIndex) return []
    const { collection, name } = path
    const index = indexes.find((candidate) => candidate.collection === collection && candidate.name === path.index)
    if (index === undefined) {
      return [{ rule: 'no-index', collection, name, message: `its index ${path.index} is not in the catalog for ${collection}` }]
    }
    const order = orderProblem(index, path)
    return order === null ? [] : [{ rule: 'equality-sort-range', collection, name, message: `${path.index}: ${order}` }]
  })
}

interface Demand {
  readonly equality: ReadonlySet<string>
  readonly range: ReadonlySet<string>
  readonly sort: readonly KeyPart[]
}

/** Equality first, then the order that is asked for, then ranges. Source: the MongoDB manual, The ESR Rule. */
function orderProblem({ key, options }: CatalogIndex, path: CatalogPath): string | null {
  if (isText(key) || key.some(([field, direction]) => typeof direction === 'string' || field.includes('$**'))) return null
  const demand = demandOf(path)
  if (demand === null) return null
  const { equality, range, sort } = demand
  const fields = key.map(([field]) => field)
  const first = fields[0] ?? ''
  // A partial index narrows by its filter already.
  const partial = Object.keys((options['partialFilterExpression'] as Document | undefined) ?? {})
  const sortFields = sort.map(([field]) => field)
  if (!equality.has(first) && !range.has(first) && !sortFields.includes(first) && !partial.includes(first)) {
    return `its first field ${first} is neither filtered nor sorted by "${path.name}"`
  }
  let position = 0
  const rest = new Set([...equality].filter((field) => fields.includes(field)))
  while (rest.size > 0 && position < fields.length) {
    const field = fields[position] ?? ''
    if (!rest.delete(field)) return `${field} stands before ${[...rest].join(', ')}, which "${path.name}" asks for by equality`
    position += 1
  }
  const wanted = sort.filter(([field]) => !equality.has(field))
  const directions = wanted.map(([field, direction], offset) => {
    const part = key[position + offset]
    return part?.[0] === field ? Number(part[1]) * Number(direction) : null
  })
  if (wanted.length > 0 && directions.includes(null)) {
    const asked = wanted.map(([field]) => field).join(', ')
    return `behind what is asked for by equality it has to go on with ${asked}, in which "${path.name}" is sorted`
  }
  if (new Set(directions).size > 1) return `its directions are neither those of the order of "${path.name}" nor their reverse`
  return null
}

function isRange(condition: unknown): boolean {
  return (
    condition !== null &&
    typeof condition === 'object' &&
    Object.keys(condition).some((operator) => ['$gt', '$gte', '$lt', '$lte', '$ne', '$nin', '$regex', '$exists', '$not'].includes(operator))
  )
}

/** What a path asks of an index; null where its first stage says nothing that an index could know. */
function demandOf(path: CatalogPath): Demand | null {
  const values = Object.fromEntries(
    Object.entries(path.params).map(([name, source]) => [name, 'value' in source ? source.value : source.fallback]),
  )
  const built = path.query.kind === 'find' ? path.query.build(values) : null
  const stages = path.query.kind === 'aggregate' ? path.query.build(values) : []
  const filter = built?.filter ?? (stages[0]?.['$match'] as Document | undefined) ?? {}
  const sort = built?.sort ?? (stages[1]?.['$sort'] as Document | undefined) ?? (stages[0]?.['$sort'] as Document | undefined) ?? {}
  if (Object.keys(filter).some((field) => field.startsWith('$'))) return null
  const fields = Object.entries(filter)
  return {
    equality: new Set(fields.filter(([, condition]) => !isRange(condition)).map(([field]) => field)),
    range: new Set(fields.filter(([, condition]) => isRange(condition)).map(([field]) => field)),
    sort: Object.entries(sort).filter(([, direction]) => typeof direction === 'number') as KeyPart[],
  }
}

function lintTwins(indexes: readonly CatalogIndex[]): readonly Finding[] {
  return indexes.flatMap((index, position): Finding[] => {
    const { collection, name } = index
    const here = indexes.filter((other) => other !== index && other.collection === collection)
    const twin = indexes
      .slice(0, position)
      .find(
        (other) =>
          other.collection === collection && (other.name === name || canonical(stored(other, null)) === canonical(stored(index, null))),
      )
    if (twin !== undefined) {
      const what = twin.name === name ? 'the catalog has this name twice' : `it is the same index as ${twin.name}`
      return [{ rule: 'duplicate', collection, name, message: what }]
    }
    const longer = here.find((other) => isRedundant(index, other))
    return longer === undefined
      ? []
      : [{ rule: 'redundant-prefix', collection, name, message: `${longer.name} begins with its whole key and does all that it does` }]
  })
}

/** Whether every query that `short` serves is served by `long`, and nothing else hangs on `short`. */
export function isRedundant(short: Pick<CatalogIndex, 'key' | 'options'>, long: Pick<CatalogIndex, 'key' | 'options'>): boolean {
  const a = stored(short, null)
  const b = stored(long, null)
  if (a.key.length >= b.key.length || !isPlain(a) || !isPlain(b)) return false
  // It keeps values unique, expires documents, or is hidden to be tried out: a longer one does none of that.
  if (a.unique || a.prepareUnique || a.expireAfterSeconds !== null || a.hidden || b.hidden) return false
  const narrows = (index: Stored): string => canonical([index.sparse, index.partialFilterExpression])
  if (narrows(b) !== narrows(a) && (b.sparse || b.partialFilterExpression !== null)) return false
  if (canonical(a.collation) !== canonical(b.collation)) return false
  const signs = a.key.map(([field, direction], position) => {
    const other = b.key[position]
    return other?.[0] === field ? Number(direction) * Number(other[1]) : 0
  })
  // A scan goes both ways: all directions as they are, or all reversed.
  return signs.every((sign) => sign === 1) || signs.every((sign) => sign === -1)
}

function isPlain({ key }: Stored): boolean {
  return key.every(([field, direction]) => typeof direction === 'number' && !field.includes('$**'))
}

function lintCounts(indexes: readonly CatalogIndex[]): readonly Finding[] {
  const collections = [...new Set(indexes.map(({ collection }) => collection))]
  return collections.flatMap((collection): Finding[] => {
    const count = indexes.filter((index) => index.collection === collection).length + 1
    if (count <= mostIndexes) return []
    const message = `it would have ${count} indexes with _id_; MongoDB allows ${mostIndexes}`
    return [{ rule: 'too-many', collection, name: collection, message }]
  })
}
