// What would have to be done so that a database has the indexes of a catalog. Invariant: pure; it decides, and apply.ts does.
import { createHash } from 'node:crypto'
import { BSON, type Document } from 'mongodb'
import { OrxError } from '../../core/errors.ts'
import type { Catalog, CatalogIndex } from './catalog.ts'
import {
  canonical,
  differences,
  isText,
  keyDocument,
  keyOf,
  sameKey,
  signature,
  stored,
  type FieldDifference,
  type IndexDefinition,
  type Stored,
} from './definition.ts'
import { whyUnseen, type LiveCollection, type LiveDatabase, type LiveIndex } from './live.ts'

export type ActionKind = 'create' | 'modify' | 'rebuild' | 'hide' | 'drop'
export type IndexVerdict = 'ok' | 'missing' | 'extra' | 'renamed' | 'in-place' | 'rebuild' | 'building' | 'hidden'

export interface Action {
  readonly kind: ActionKind
  readonly collection: string
  /** The index that is made, or changed, or goes. */
  readonly name: string
  readonly key: Readonly<Document> | readonly unknown[]
  /** Key and options as the catalog has them, in relaxed extended JSON. */
  readonly want?: Readonly<Document>
  readonly have?: Readonly<Document>
  readonly differences: readonly FieldDifference[]
  /** For `rebuild`: the index that goes. */
  readonly replaces?: string
  /** Documents that a TTL index would remove at once; null: it could not be counted. */
  readonly expires?: number | null
  readonly reason: string
}

export interface PlannedIndex {
  readonly collection: string
  readonly name: string
  readonly verdict: IndexVerdict
  /** The name it has in the database, where that is another. */
  readonly liveName: string | null
  readonly differences: readonly FieldDifference[]
}

export interface ExtraIndex {
  readonly collection: string
  readonly name: string
  readonly key: Readonly<Document> | readonly unknown[]
  readonly have: Readonly<Document>
}

export interface Plan {
  readonly database: string
  readonly actions: readonly Action[]
  readonly extra: readonly ExtraIndex[]
  readonly renamed: readonly { readonly collection: string; readonly name: string; readonly liveName: string }[]
  readonly indexes: readonly PlannedIndex[]
  /** What nothing can be said of, and why. */
  readonly notChecked: readonly string[]
  readonly inSync: boolean
  /** Of all indexes of the database. */
  readonly fingerprint: string
}

/** Indexes, and the collections that are spoken of without having any. */
export type WantedIndexes = Pick<Catalog, 'indexes'> & { readonly collections?: readonly string[] }

/** What stands in while an index is rebuilt whose name or options the server keeps it from having twice. */
export const bridgePrefix = 'orx_bridge_'

export function planIndexes(catalog: WantedIndexes, live: LiveDatabase, { prune }: { readonly prune: boolean }): Plan {
  const actions: Action[] = []
  const extra: ExtraIndex[] = []
  const indexes: PlannedIndex[] = []
  const notChecked: string[] = []
  const inCatalog = new Set([...catalog.indexes.map(({ collection }) => collection), ...(catalog.collections ?? [])])
  const names = new Set([...inCatalog, ...live.collections.keys()])
  for (const name of [...names].toSorted()) {
    const unseen = inCatalog.has(name) ? whyUnseen(live, name) : null
    if (unseen !== null) {
      notChecked.push(`the indexes of ${name}: ${unseen}`)
      continue
    }
    const collection = live.collections.get(name) ?? { name, indexes: [], defaultCollation: null }
    const wanted = catalog.indexes.filter((index) => index.collection === name)
    const matched = matchIndexes(wanted, collection)
    for (const pair of matched.pairs) decide(pair, collection, indexes, actions)
    for (const index of matched.rest) {
      const described = { collection: name, name: index.name, key: keyDocument(index.key) }
      if (index.name.startsWith(bridgePrefix)) {
        actions.push({
          kind: 'drop',
          ...described,
          have: shown(index),
          differences: [],
          reason: 'it only stood in while another was rebuilt',
        })
        continue
      }
      // A whole collection that the catalog does not speak of is none of its business.
      if (!inCatalog.has(name)) continue
      extra.push({ ...described, have: shown(index) })
      indexes.push({ collection: name, name: index.name, verdict: 'extra', liveName: null, differences: [] })
      if (prune) actions.push({ kind: 'drop', ...described, have: shown(index), differences: [], reason: 'the catalog does not have it' })
    }
  }
  return {
    database: live.name,
    actions,
    extra,
    renamed: indexes.flatMap(({ collection, name, verdict, liveName }) =>
      verdict === 'renamed' && liveName !== null ? [{ collection, name, liveName }] : [],
    ),
    indexes,
    notChecked,
    inSync: actions.length === 0 && notChecked.length === 0,
    fingerprint: fingerprintOf(live),
  }
}

/** Changes when any index of the database does. */
export function fingerprintOf({ name, collections }: LiveDatabase): string {
  const parts = [...collections.values()].map((collection) => {
    const forms = collection.indexes.map((index) => [index.name, stored(index, null), index.building])
    return [collection.name, forms.map(canonical).toSorted()]
  })
  return createHash('sha256')
    .update(canonical([name, parts.map(canonical).toSorted()]))
    .digest('hex')
}

/** Key and options of an index as JSON can hold them. */
export function shown({ key, options }: Pick<IndexDefinition, 'key' | 'options'>): Document {
  return BSON.EJSON.serialize({ key: keyDocument(key), ...options }, { relaxed: true })
}

/** The index that an action makes. */
export function definitionOf({ collection, name, want }: Action): IndexDefinition {
  if (want === undefined) throw new OrxError('internal', `the action on ${collection}.${name} says nothing of what is wanted`)
  const { key, ...options } = BSON.EJSON.deserialize(want) as Document
  return { collection, name, key: keyOf(key), options }
}

/** A wanted index takes over the collation of its collection where it states none; one that is there says all it has. */
function formOf(index: CatalogIndex | LiveIndex, defaultCollation: LiveCollection['defaultCollation']): Stored {
  return stored(index, 'building' in index ? null : defaultCollation)
}

interface Pair {
  readonly want: CatalogIndex
  readonly have: LiveIndex | null
}

/** Which live index each wanted one is: the same in everything first, then by name, then what can become it in place. */
function matchIndexes(
  wanted: readonly CatalogIndex[],
  { indexes, defaultCollation }: LiveCollection,
): { readonly pairs: readonly Pair[]; readonly rest: readonly LiveIndex[] } {
  const free = new Set(indexes)
  const found = new Map<CatalogIndex, LiveIndex>()
  const form = (index: CatalogIndex | LiveIndex): Stored => formOf(index, defaultCollation)
  const take = (fits: (want: CatalogIndex, have: LiveIndex) => boolean): void => {
    for (const want of wanted) {
      if (found.has(want)) continue
      const have = [...free].find((candidate) => fits(want, candidate))
      if (have === undefined) continue
      free.delete(have)
      found.set(want, have)
    }
  }
  const same = (want: CatalogIndex, have: LiveIndex): boolean => differences(form(want), form(have)).length === 0
  take((want, have) => want.name === have.name && same(want, have))
  take(same)
  take((want, have) => want.name === have.name && sameKey(form(want).key, form(have).key))
  take((want, have) => signature(form(want)) === signature(form(have)))
  take((want, have) => isInPlace(form(want), form(have)))
  // A collection has one text index at most.
  take((want, have) => isText(want.key) && isText(have.key))
  take((want, have) => want.name === have.name)
  return { pairs: wanted.map((want) => ({ want, have: found.get(want) ?? null })), rest: [...free] }
}

/** Whether collMod alone makes one of the other. Source: the MongoDB 6.0 manual, collMod. */
function isInPlace(want: Stored, have: Stored): boolean {
  return differences(want, have).every(({ field }) => {
    if (field === 'hidden') return true
    if (field === 'unique') return want.unique
    if (field === 'expireAfterSeconds') return want.expireAfterSeconds !== null && want.key.length === 1
    return false
  })
}

function decide(
  { want, have }: Pair,
  { indexes: all, defaultCollation }: LiveCollection,
  indexes: PlannedIndex[],
  actions: Action[],
): void {
  const { collection, name } = want
  const described = { collection, key: keyDocument(want.key), want: shown(want) }
  if (have === null) {
    indexes.push({ collection, name, verdict: 'missing', liveName: null, differences: [] })
    // Whoever has the name is another index of the catalog, and stays.
    const isTaken = all.some((index) => index.name === name)
    const reason = isTaken ? `it is missing, and its name is taken by an index that is needed: ${want.why}` : `it is missing: ${want.why}`
    actions.push({ kind: 'create', name: isTaken ? `${name}_orx` : name, ...described, differences: [], reason })
    return
  }
  const wantForm = formOf(want, defaultCollation)
  const haveForm = formOf(have, defaultCollation)
  const found = differences(wantForm, haveForm)
  const liveName = have.name === name ? null : have.name
  const planned = { collection, name, liveName, differences: found }
  if (have.building) {
    indexes.push({ ...planned, verdict: 'building' })
    actions.push({ kind: 'create', ...described, name: have.name, differences: [], reason: 'it is being built; apply waits for it' })
    return
  }
  if (found.length === 0) {
    indexes.push({ ...planned, verdict: liveName === null ? 'ok' : 'renamed' })
    return
  }
  const what = found.map(({ field }) => field).join(', ')
  if (isInPlace(wantForm, haveForm)) {
    indexes.push({ ...planned, verdict: haveForm.hidden && !wantForm.hidden ? 'hidden' : 'in-place' })
    const reason = `${what} ${found.length === 1 ? 'differs' : 'differ'}; collMod changes it in place`
    actions.push({ kind: 'modify', ...described, name: have.name, have: shown(have), differences: found, reason })
    return
  }
  indexes.push({ ...planned, verdict: 'rebuild' })
  const reason = sameKey(wantForm.key, haveForm.key)
    ? `${what} ${found.length === 1 ? 'differs' : 'differ'}, which no index changes in place`
    : `${have.name} has another key`
  actions.push({ kind: 'rebuild', ...described, name, have: shown(have), replaces: have.name, differences: found, reason })
}
