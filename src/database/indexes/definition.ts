// What an index is, and when two are the same. Invariant: a definition is compared in the form in which the server stores it, so that what was
// just applied is never told as a difference.
import { BSON, type Document } from 'mongodb'

/** A field and its direction (1, -1, text, hashed, 2dsphere, 2d), in the order of the key. */
export type KeyPart = readonly [field: string, direction: string | number]

export interface IndexDefinition {
  readonly collection: string
  readonly name: string
  readonly key: readonly KeyPart[]
  /** As `createIndexes` takes them: unique, sparse, hidden, expireAfterSeconds, partialFilterExpression, collation, weights ... */
  readonly options: Readonly<Document>
}

/** One definition as the server stores it: every option with its value, and text keys taken apart. */
export interface Stored {
  readonly key: readonly KeyPart[]
  readonly unique: boolean
  readonly prepareUnique: boolean
  readonly sparse: boolean
  readonly hidden: boolean
  readonly expireAfterSeconds: number | null
  readonly partialFilterExpression: Readonly<Document> | null
  readonly collation: Readonly<Document> | null
  /** weights, default_language, language_override of a text index; wildcardProjection; bits, min and max of a 2d index. */
  readonly special: Readonly<Record<string, unknown>>
}

/** A difference of one option, or of the key. */
export interface FieldDifference {
  readonly field: string
  readonly want: unknown
  readonly have: unknown
}

/** Source: the MongoDB manual, Collation Document. */
const collationDefaults: Readonly<Document> = {
  caseLevel: false,
  caseFirst: 'off',
  strength: 3,
  numericOrdering: false,
  alternate: 'non-ignorable',
  maxVariable: 'punct',
  normalization: false,
  backwards: false,
}

/** What ICU sets for a language by itself; the server stores it with the index. */
const collationOfLocale: Readonly<Record<string, Readonly<Document>>> = {
  fr_CA: { backwards: true },
  da: { caseFirst: 'upper' },
  da_DK: { caseFirst: 'upper' },
  mt: { caseFirst: 'upper' },
  mt_MT: { caseFirst: 'upper' },
  th: { alternate: 'shifted' },
  th_TH: { alternate: 'shifted' },
}

const specialDefaults = {
  'text': { default_language: 'english', language_override: 'language' },
  '2d': { bits: 26, min: -180, max: 180 },
} as const

/** Made by the server, or of no meaning for what the index serves. */
const untold: ReadonlySet<string> = new Set([
  'v',
  'ns',
  'key',
  'name',
  'background',
  'textIndexVersion',
  '2dsphereIndexVersion',
  'storageEngine',
  'clustered',
])
const plain: ReadonlySet<string> = new Set([
  'unique',
  'prepareUnique',
  'sparse',
  'hidden',
  'expireAfterSeconds',
  'partialFilterExpression',
  'collation',
])

/** The name that MongoDB would give it: `user_id_1_created_at_-1`. */
export function defaultName(key: readonly KeyPart[]): string {
  return key.map(([field, direction]) => `${field}_${String(direction)}`).join('_')
}

/** A key of a document, of a list of pairs, or of a Map. */
export function keyOf(value: unknown): readonly KeyPart[] {
  const pairs = value instanceof Map ? [...value.entries()] : Array.isArray(value) ? value : Object.entries(value as object)
  return pairs.map((pair) => {
    const [field, direction] = pair as [unknown, unknown]
    return [String(field), typeof direction === 'string' ? direction : Number(direction)] as const
  })
}

/** As JSON shows it and the server takes it. Fields that look like numbers would lose their place: then pairs. */
export function keyDocument(key: readonly KeyPart[]): Readonly<Record<string, string | number>> | readonly KeyPart[] {
  return key.some(([field]) => /^\d+$/.test(field)) ? key : Object.fromEntries(key)
}

export function isText(key: readonly KeyPart[]): boolean {
  return key.some(([field, direction]) => direction === 'text' || field === '_fts')
}

/** @param defaultCollation of the collection, which an index without one of its own takes over; null: none */
export function stored({ key, options }: Pick<IndexDefinition, 'key' | 'options'>, defaultCollation: Readonly<Document> | null): Stored {
  const collation = (options['collation'] as Document | undefined) ?? defaultCollation
  const seconds: unknown = options['expireAfterSeconds']
  return {
    key: storedKey(key),
    unique: Boolean(options['unique']),
    prepareUnique: Boolean(options['prepareUnique']),
    sparse: Boolean(options['sparse']),
    hidden: Boolean(options['hidden']),
    expireAfterSeconds: seconds === undefined || seconds === null ? null : Number(seconds),
    partialFilterExpression: (options['partialFilterExpression'] as Document | undefined) ?? null,
    collation: collation === null || collation['locale'] === 'simple' ? null : storedCollation(collation),
    special: specialOf(key, options),
  }
}

function storedKey(key: readonly KeyPart[]): readonly KeyPart[] {
  const isStored = key.some(([field]) => field === '_fts')
  const first = isStored ? -1 : key.findIndex(([, direction]) => direction === 'text')
  if (first === -1) return key.map(([field, direction]) => [field, typeof direction === 'number' ? Math.sign(direction) : direction])
  const rest = (parts: readonly KeyPart[]): readonly KeyPart[] => parts.filter(([, direction]) => direction !== 'text')
  return [...rest(key.slice(0, first)), ['_fts', 'text'], ['_ftsx', 1], ...rest(key.slice(first))]
}

function storedCollation(collation: Readonly<Document>): Readonly<Document> {
  const { version: _version, ...stated } = collation
  return { ...collationDefaults, ...collationOfLocale[String(collation['locale'])], ...stated }
}

function specialOf(key: readonly KeyPart[], options: Readonly<Document>): Readonly<Record<string, unknown>> {
  const stated = Object.fromEntries(Object.entries(options).filter(([name]) => !plain.has(name) && !untold.has(name)))
  if (isText(key)) {
    const fields = key.filter(([, direction]) => direction === 'text').map(([field]) => [field, 1] as const)
    const ofKey = Object.fromEntries(fields.filter(([field]) => field !== '_fts'))
    const weights = Object.entries({ ...ofKey, ...(stated['weights'] as Document | undefined) })
    return { ...specialDefaults.text, ...stated, weights: Object.fromEntries(weights.map(([field, weight]) => [field, Number(weight)])) }
  }
  return key.some(([, direction]) => direction === '2d') ? { ...specialDefaults['2d'], ...stated } : stated
}

/** Text by which values are compared: the order of fields does not count, BSON types do. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(JSON.parse(BSON.EJSON.stringify(value ?? null, { relaxed: true }))))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([name, inner]) => [name, sorted(inner)] as const)
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The order of a key counts. */
export function sameKey(a: readonly KeyPart[], b: readonly KeyPart[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Every field in which two differ, each with both values. */
export function differences(want: Stored, have: Stored): readonly FieldDifference[] {
  const found: FieldDifference[] = []
  if (!sameKey(want.key, have.key)) found.push({ field: 'key', want: keyDocument(want.key), have: keyDocument(have.key) })
  for (const field of [
    'unique',
    'sparse',
    'hidden',
    'expireAfterSeconds',
    'partialFilterExpression',
    'collation',
  ] as const satisfies readonly (keyof Stored)[]) {
    if (canonical(want[field]) !== canonical(have[field])) found.push({ field, want: want[field], have: have[field] })
  }
  for (const name of new Set([...Object.keys(want.special), ...Object.keys(have.special)])) {
    const both = { field: name, want: want.special[name] ?? null, have: have.special[name] ?? null }
    if (canonical(both.want) !== canonical(both.have)) found.push(both)
  }
  return found
}

/**
 * What decides whether the server lets two indexes of one key stand beside each other. A unique or sparse index counts as another one since
 * MongoDB 5.0. Source: the MongoDB manual, createIndex, and its error codes 85 and 86.
 */
export function signature(index: Stored): string {
  return canonical([index.key, index.unique, index.sparse, index.partialFilterExpression, index.collation])
}
