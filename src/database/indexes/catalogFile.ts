// A user's own catalog, read from a JSON file. Invariant: every problem of the file is told at once; what is read is a catalog like ours.
import { BSON, type Document } from 'mongodb'
import { z } from 'zod'
import { OrxError } from '../../core/errors.ts'
import type { Catalog, CatalogIndex, CatalogPath, ParamSource } from './catalog.ts'
import { defaultName, keyDocument, keyOf } from './definition.ts'

const schemaVersion = 1

const direction = z.union([z.literal(1), z.literal(-1), z.enum(['text', 'hashed', '2dsphere', '2d'])])
const document = z.record(z.string(), z.unknown())
const name = z.string().min(1)
const collection = name.refine((value) => !value.startsWith('system.') && !value.includes('$') && !value.includes('\0'), {
  error: 'expected the name of a collection',
})
const keyExpected = {
  error: 'expected at least one field with 1, -1, "text", "hashed", "2dsphere" or "2d", as an object or as pairs',
}
const key = z.union(
  [
    z.record(name, direction).refine((value) => Object.keys(value).length > 0, keyExpected),
    z.array(z.tuple([name, direction])).min(1, keyExpected),
  ],
  keyExpected,
)

const knownOptions = [
  'unique',
  'sparse',
  'hidden',
  'expireAfterSeconds',
  'partialFilterExpression',
  'collation',
  'weights',
  'default_language',
  'language_override',
  'textIndexVersion',
  'wildcardProjection',
  '2dsphereIndexVersion',
  'bits',
  'min',
  'max',
] as const
const options = z
  .object({
    'unique': z.boolean().optional(),
    'sparse': z.boolean().optional(),
    'hidden': z.boolean().optional(),
    'expireAfterSeconds': z.number().int().min(0).max(2_147_483_647).optional(),
    'partialFilterExpression': document.optional(),
    'collation': z.looseObject({ locale: name }).optional(),
    'weights': z.record(z.string(), z.number().positive()).optional(),
    'default_language': name.optional(),
    'language_override': name.optional(),
    'textIndexVersion': z.number().int().optional(),
    'wildcardProjection': document.optional(),
    '2dsphereIndexVersion': z.number().int().optional(),
    'bits': z.number().int().optional(),
    'min': z.number().optional(),
    'max': z.number().optional(),
  })
  .strict()

const find = z.object({
  filter: document.default({}),
  projection: document.optional(),
  sort: document.optional(),
  limit: z.number().int().positive().optional(),
})
const limitMs = z.object({ p99: z.number().positive() }).strict()

const index = z
  .object({
    collection,
    name: name.max(127).optional(),
    key,
    options: options.default({}),
    why: name,
    serves: z.array(name).default([]),
  })
  .strict()

const path = z
  .object({
    name,
    collection,
    find: find.strict().optional(),
    aggregate: z.array(document).optional(),
    params: document.default({}),
    index: name,
    covered: z.boolean().optional(),
    gain: z.boolean().optional(),
    limitMs: limitMs.optional(),
  })
  .strict()
  .refine((given) => (given.find === undefined) !== (given.aggregate === undefined), {
    error: 'expected either "find" or "aggregate"',
  })
  .refine((given) => !given.aggregate?.some((stage) => '$out' in stage || '$merge' in stage), {
    error: 'expected a path that only reads: no $out and no $merge',
  })

const file = z.object({ schemaVersion: z.literal(schemaVersion), indexes: z.array(index), paths: z.array(path).default([]) }).strict()

type IndexOfFile = z.infer<typeof index>
type PathOfFile = z.infer<typeof path>

/** @param where the file's name, for errors. Throws `settings` with every problem. */
export function parseCatalog(text: string, where: string): Catalog {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw unusable(where, [`it is no JSON: ${(cause as Error).message}`])
  }
  const parsed = file.safeParse(json)
  // What is wrong between the entries is told beside what is wrong within one.
  const entries = (json ?? {}) as { readonly indexes?: unknown; readonly paths?: unknown }
  const between = [...twice(fitting(entries.indexes, index)), ...pathProblems(fitting(entries.paths, path))]
  if (!parsed.success) throw unusable(where, [...parsed.error.issues.map(problemOf), ...between])
  if (between.length > 0) throw unusable(where, between)
  const indexes = parsed.data.indexes.map((entry): CatalogIndex => {
    const parts = keyOf(entry.key)
    return {
      collection: entry.collection,
      name: entry.name ?? defaultName(parts),
      key: parts,
      options: BSON.EJSON.deserialize(entry.options),
      why: entry.why,
      serves: entry.serves,
    }
  })
  return { indexes, paths: parsed.data.paths.map(pathOf) }
}

interface Placed<T> {
  readonly position: number
  readonly entry: T
}

/** The entries of a list that are well-formed, each with its place. */
function fitting<T>(list: unknown, schema: z.ZodType<T>): readonly Placed<T>[] {
  return (Array.isArray(list) ? list : []).flatMap((given: unknown, position) => {
    const parsed = schema.safeParse(given)
    return parsed.success ? [{ position, entry: parsed.data }] : []
  })
}

/** The catalog as such a file. */
export function writeCatalog({ indexes }: Pick<Catalog, 'indexes'>): string {
  const entries = indexes.map(({ collection: owner, name: title, key: parts, options: given, why, serves }) => ({
    collection: owner,
    name: title,
    key: keyDocument(parts),
    ...(Object.keys(given).length > 0 && { options: known(given) }),
    why,
    serves,
  }))
  return `${JSON.stringify({ schemaVersion, indexes: entries, paths: [] }, null, 2)}\n`
}

function known(given: Readonly<Document>): Document {
  const kept = Object.entries(given).filter(([option]) => (knownOptions as readonly string[]).includes(option))
  return BSON.EJSON.serialize(Object.fromEntries(kept), { relaxed: true })
}

function unusable(where: string, problems: readonly string[]): OrxError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return new OrxError('settings', `${where} has ${count}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, {
    hint: 'A catalog is { "schemaVersion": 1, "indexes": [{ "collection", "key", "why", "serves" }], "paths": [...] }; orx db:index pull writes one.',
  })
}

function problemOf({ path: place, message }: z.core.$ZodIssue): string {
  const told = place
    .map((step, position) => (typeof step === 'number' ? `[${step}]` : `${position === 0 ? '' : '.'}${String(step)}`))
    .join('')
  return told === '' ? message : `${told}: ${message}`
}

function twice(indexes: readonly Placed<IndexOfFile>[]): readonly string[] {
  const named = indexes.map(({ position, entry }) => {
    const title = entry.name ?? defaultName(keyOf(entry.key))
    return { position, full: `${entry.collection}.${title}` }
  })
  return named.flatMap(({ position, full }) => {
    const first = named.find((other) => other.full === full)?.position
    return first === position ? [] : [`indexes[${position}]: ${full} stands in indexes[${first}] already`]
  })
}

function pathProblems(paths: readonly Placed<PathOfFile>[]): readonly string[] {
  return paths.flatMap(({ position, entry }) => {
    const first = paths.find((other) => other.entry.name === entry.name)?.position
    const double = first === position ? [] : [`paths[${position}]: the name "${entry.name}" stands in paths[${first}] already`]
    return [...unknownParams(entry, position), ...double]
  })
}

/** `"$$name"`, or `{ "$param": "name" }`, stands for a parameter. */
function paramNamed(value: unknown): string | null {
  if (typeof value === 'string') return /^(?:\$\$|:)([a-z_]\w*)$/i.exec(value)?.[1] ?? /^\{\{(\w+)\}\}$/.exec(value)?.[1] ?? null
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const [entry, ...more] = Object.entries(value)
  return entry?.[0] === '$param' && more.length === 0 && typeof entry[1] === 'string' ? entry[1] : null
}

/** Variables of the aggregation language. */
const variables = new Set([
  'NOW',
  'ROOT',
  'CURRENT',
  'REMOVE',
  'DESCEND',
  'PRUNE',
  'KEEP',
  'CLUSTER_TIME',
  'this',
  'value',
  'SEARCH_META',
  'USER_ROLES',
])

function unknownParams(given: PathOfFile, position: number): readonly string[] {
  const used = new Set<string>()
  const walk = (value: unknown): void => {
    const param = paramNamed(value)
    if (param !== null) used.add(param)
    else if (value !== null && typeof value === 'object') for (const inner of Object.values(value)) walk(inner)
  }
  // An aggregation has variables of its own, which look the same.
  walk(given.find ?? given.aggregate?.filter((stage) => '$match' in stage))
  return [...used]
    .filter((param) => !(param in given.params) && !variables.has(param))
    .map((param) => `paths[${position}] ("${given.name}"): params has no "${param}"`)
}

function pathOf(given: PathOfFile): CatalogPath {
  const params = Object.fromEntries(Object.entries(given.params).map(([param, value]) => [param, sourceOf(value)]))
  const fill = (value: unknown, values: Readonly<Record<string, unknown>>): unknown => {
    const param = paramNamed(value)
    if (param !== null && param in values) return values[param]
    if (Array.isArray(value)) return value.map((inner) => fill(inner, values))
    if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value
    return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, fill(inner, values)]))
  }
  const common = {
    name: given.name,
    collection: given.collection,
    index: given.index,
    params,
    ...(given.covered && { covered: true as const }),
    ...(given.gain === false && { gain: false as const }),
    ...(given.limitMs && { limitMs: given.limitMs }),
  }
  if (given.find !== undefined) {
    const plan = BSON.EJSON.deserialize(given.find)
    return { ...common, query: { kind: 'find', build: (values) => fill(plan, values) as { readonly filter: Document } } }
  }
  const stages = (given.aggregate ?? []).map((stage) => BSON.EJSON.deserialize(stage) as Document)
  return { ...common, query: { kind: 'aggregate', build: (values) => fill(stages, values) as Document[] } }
}

/** `"$field"` or `{ "field": "user_id" }` is sampled; everything else is the value itself. */
function sourceOf(value: unknown): ParamSource {
  const field =
    typeof value === 'string' && /^\$[^$]/.test(value)
      ? value.slice(1)
      : value !== null && typeof value === 'object' && 'field' in value && typeof value.field === 'string'
        ? value.field
        : null
  if (field === null) return { value: typeof value === 'object' && value !== null ? BSON.EJSON.deserialize(value) : value }
  return { field, fallback: 'none' }
}
