import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Document } from 'mongodb'
import type { CatalogIndex } from './catalog.ts'
import { defaultName, keyOf } from './definition.ts'
import type { LiveDatabase, LiveIndex } from './live.ts'
import { fingerprintOf, planIndexes } from './plan.ts'

const key = { a: 1, b: -1 }
const want = (given: Document, options: Document = {}, name = defaultName(keyOf(given))): CatalogIndex => ({
  collection: 'c',
  name,
  key: keyOf(given),
  options,
  why: 'a test',
  serves: [],
})
const have = (given: Document, options: Document = {}, more: Partial<LiveIndex> = {}): LiveIndex => ({
  collection: 'c',
  name: defaultName(keyOf(given)),
  key: keyOf(given),
  options,
  building: false,
  ...more,
})
const live = (indexes: readonly LiveIndex[], defaultCollation: Document | null = null): LiveDatabase => ({
  name: 'd',
  exists: true,
  collections: new Map([['c', { name: 'c', indexes, defaultCollation }]]),
  others: new Map(),
  unseen: new Map(),
  isPartial: false,
})
const planOf = (wanted: readonly CatalogIndex[], indexes: readonly LiveIndex[], prune = false) =>
  planIndexes({ indexes: wanted }, live(indexes), { prune })
const storedText = { weights: { t: 1, u: 1 }, default_language: 'english', language_override: 'language', textIndexVersion: 3 }

describe('a plan', () => {
  test.each<readonly [string, CatalogIndex, LiveIndex]>([
    ['a plain index', want(key), have(key)],
    ['false for absent', want(key, { unique: false, sparse: false }), have(key)],
    [
      'a text index, as the server stores it',
      want({ t: 'text', u: 'text' }),
      have({ _fts: 'text', _ftsx: 1 }, storedText, { name: 't_text_u_text' }),
    ],
    [
      'a text index with a prefix and weights',
      want({ a: 1, t: 'text', u: 'text' }, { weights: { u: 5 } }),
      have({ a: 1, _fts: 'text', _ftsx: 1 }, { ...storedText, weights: { u: 5, t: 1 } }, { name: 'a_1_t_text_u_text' }),
    ],
    [
      'a collation, expanded and with its version',
      want(key, { collation: { locale: 'fr_CA' } }),
      have(key, {
        collation: {
          locale: 'fr_CA',
          caseLevel: false,
          caseFirst: 'off',
          strength: 3,
          numericOrdering: false,
          alternate: 'non-ignorable',
          maxVariable: 'punct',
          normalization: false,
          backwards: true,
          version: '57.1',
        },
      }),
    ],
    [
      'a partial filter, its fields in any order',
      want(key, { partialFilterExpression: { x: 1, y: { $gt: 2 } } }),
      have(key, { partialFilterExpression: { y: { $gt: 2 }, x: 1 } }),
    ],
    ['a TTL', want({ e: 1 }, { expireAfterSeconds: 0 }), have({ e: 1 }, { expireAfterSeconds: 0 })],
    ['a 2dsphere index', want({ g: '2dsphere' }), have({ g: '2dsphere' }, { '2dsphereIndexVersion': 3 })],
    ['a hashed index', want({ h: 'hashed' }), have({ h: 'hashed' })],
    ['a wildcard index', want({ '$**': 1 }, { wildcardProjection: { a: 1 } }), have({ '$**': 1 }, { wildcardProjection: { a: 1 } })],
  ])('has nothing to do for %s', (_, wanted, found) => {
    expect(planOf([wanted], [found])).toMatchObject({ actions: [], extra: [], renamed: [], inSync: true })
  })

  test.each<readonly [string, CatalogIndex, readonly LiveIndex[], string, string]>([
    ['makes what is missing', want(key), [], 'create', 'missing'],
    ['waits for what is being built', want(key), [have(key, {}, { building: true })], 'create', 'building'],
    ['unhides in place', want(key), [have(key, { hidden: true })], 'modify', 'hidden'],
    [
      'changes a TTL in place',
      want({ e: 1 }, { expireAfterSeconds: 60 }),
      [have({ e: 1 }, { expireAfterSeconds: 10 })],
      'modify',
      'in-place',
    ],
    ['gives a TTL in place', want({ e: 1 }, { expireAfterSeconds: 60 }), [have({ e: 1 })], 'modify', 'in-place'],
    ['takes a TTL by a rebuild', want({ e: 1 }), [have({ e: 1 }, { expireAfterSeconds: 10 })], 'rebuild', 'rebuild'],
    ['makes unique in place', want(key, { unique: true }), [have(key)], 'modify', 'in-place'],
    ['takes uniqueness by a rebuild', want(key), [have(key, { unique: true })], 'rebuild', 'rebuild'],
    ['rebuilds for a partial filter', want(key, { partialFilterExpression: { x: 1 } }), [have(key)], 'rebuild', 'rebuild'],
    ['rebuilds for sparse', want(key, { sparse: true }), [have(key)], 'rebuild', 'rebuild'],
    ['rebuilds for a collation', want(key, { collation: { locale: 'de' } }), [have(key)], 'rebuild', 'rebuild'],
    ['rebuilds when the name belongs to another key', want(key, {}, 'n'), [have({ z: 1 }, {}, { name: 'n' })], 'rebuild', 'rebuild'],
    [
      'rebuilds a text index of other fields',
      want({ t: 'text' }),
      [have({ _fts: 'text', _ftsx: 1 }, storedText, { name: 'x' })],
      'rebuild',
      'rebuild',
    ],
    ['rebuilds for another direction', want({ a: 1, b: 1 }, {}, 'n'), [have(key, {}, { name: 'n' })], 'rebuild', 'rebuild'],
  ])('%s', (_, wanted, found, kind, verdict) => {
    const plan = planOf([wanted], found)
    expect(plan.actions).toMatchObject([{ kind, collection: 'c' }])
    expect(plan.indexes[0]).toMatchObject({ name: wanted.name, verdict })
    expect(plan.inSync).toBe(false)
  })

  test('the same index under another name is in sync', () => {
    const plan = planOf([want(key)], [have(key, {}, { name: 'mine' })])
    expect(plan).toMatchObject({ actions: [], inSync: true, renamed: [{ collection: 'c', name: 'a_1_b_-1', liveName: 'mine' }] })
  })

  test('an index that the catalog does not have is listed, and no drift; with prune it is dropped', () => {
    const extra = have({ z: 1 })
    expect(planOf([want(key)], [have(key), extra])).toMatchObject({ actions: [], inSync: true, extra: [{ collection: 'c', name: 'z_1' }] })
    expect(planOf([want(key)], [have(key), extra], true).actions).toMatchObject([{ kind: 'drop', name: 'z_1' }])
  })

  test('a collection that the catalog does not speak of is left alone, also with prune', () => {
    const other = { name: 'other', indexes: [{ ...have({ z: 1 }), collection: 'other' }], defaultCollation: null }
    const both = { ...live([have(key)]), collections: new Map([...live([have(key)]).collections, ['other', other]]) }
    expect(planIndexes({ indexes: [want(key)] }, both, { prune: true })).toMatchObject({ actions: [], extra: [] })
  })

  test('an index takes over the collation of its collection, unless it says simple', () => {
    const collation = { locale: 'de', strength: 2 }
    const database = live([have(key, { collation: { ...collation, version: '57.1' } })], collation)
    expect(planIndexes({ indexes: [want(key)] }, database, { prune: false }).inSync).toBe(true)
    const simple = planIndexes({ indexes: [want(key, { collation: { locale: 'simple' } })] }, database, { prune: false })
    expect(simple.actions).toMatchObject([{ kind: 'rebuild', differences: [{ field: 'collation', want: null }] }])
  })

  test('a name that another index of the catalog holds is not taken from it', () => {
    const plan = planOf([want({ a: 1 }, {}, 'x'), want({ b: 1 }, {}, 'y')], [have({ a: 1 }, {}, { name: 'y' })])
    expect(plan.actions).toMatchObject([{ kind: 'create', name: 'y_orx', key: { b: 1 } }])
    expect(plan.renamed).toMatchObject([{ name: 'x', liveName: 'y' }])
  })

  test('a bridge that was left over goes', () => {
    expect(planOf([want(key)], [have(key), have({ a: 1, b: -1, _id: 1 }, {}, { name: 'orx_bridge_x' })]).actions).toMatchObject([
      { kind: 'drop', name: 'orx_bridge_x' },
    ])
  })

  test('its fingerprint changes with any index, and not with their order', () => {
    const [one, two] = [have({ a: 1 }), have({ b: 1 })]
    expect(fingerprintOf(live([one, two]))).toBe(fingerprintOf(live([two, one])))
    expect(fingerprintOf(live([one]))).not.toBe(fingerprintOf(live([one, two])))
    expect(fingerprintOf(live([one]))).not.toBe(fingerprintOf(live([have({ a: 1 }, { hidden: true })])))
  })

  test('whatever is there, the plan never removes without being asked, and never plans twice for one index', () => {
    const options = fc.record({ unique: fc.boolean(), sparse: fc.boolean(), hidden: fc.boolean() })
    const field = fc.constantFrom('a', 'b', 'c')
    const index = fc.tuple(
      fc.uniqueArray(field, { minLength: 1 }),
      fc.constantFrom(1, -1),
      options,
      fc.constantFrom('n1', 'n2', 'n3', 'n4'),
    )
    const distinct = fc.uniqueArray(index, { maxLength: 4, selector: ([, , , name]) => name, size: 'max' })
    fc.assert(
      fc.property(distinct, distinct, (wanted, found) => {
        const keyFrom = (fields: readonly string[], direction: number): Document =>
          Object.fromEntries(fields.map((name) => [name, direction]))
        const plan = planOf(
          wanted.map(([fields, direction, given, name]) => want(keyFrom(fields, direction), given, name)),
          found.map(([fields, direction, given, name]) => have(keyFrom(fields, direction), given, { name })),
        )
        expect(plan.actions.filter(({ kind }) => kind === 'drop' || kind === 'hide')).toEqual([])
        expect(plan.indexes.filter(({ verdict }) => verdict !== 'extra')).toHaveLength(wanted.length)
        const claimed = plan.actions.flatMap(({ replaces }) => replaces ?? [])
        expect(new Set(claimed).size).toBe(claimed.length)
        // What stays as it is, under whichever name, is not replaced by something else.
        const kept = plan.indexes
          .filter(({ verdict }) => verdict === 'ok' || verdict === 'renamed')
          .map(({ name, liveName }) => liveName ?? name)
        expect(claimed.filter((name) => kept.includes(name))).toEqual([])
      }),
    )
  })
})
