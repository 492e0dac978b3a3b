import { describe, expect, test } from 'vitest'
import type { Document } from 'mongodb'
import type { Catalog, CatalogIndex, CatalogPath } from './catalog.ts'
import { defaultName, keyOf } from './definition.ts'
import { isRedundant, lintCatalog } from './lint.ts'
import { ownCatalog } from './ownCatalog.ts'

const index = (key: Document, options: Document = {}, serves: readonly string[] = ['p']): CatalogIndex => ({
  collection: 'c',
  name: defaultName(keyOf(key)),
  key: keyOf(key),
  options,
  why: 'a test',
  serves,
})
const path = (of: CatalogIndex, filter: Document, sort: Document = {}): CatalogPath => ({
  name: 'p',
  collection: 'c',
  index: of.name,
  params: {},
  query: { kind: 'find', build: () => ({ filter, sort }) },
})
const rulesOf = (catalog: Catalog): readonly string[] => lintCatalog(catalog).map(({ rule }) => rule)

describe('the catalog of OrchestrateX', () => {
  test('has nothing to find fault with', () => {
    expect(lintCatalog(ownCatalog)).toEqual([])
  })

  test('has the six documented indexes, letter for letter, and more than fifteen beside them', () => {
    const documented = ownCatalog.indexes.filter((entry) => entry.documented)
    expect(documented.map(({ collection, key }) => `${collection} ${JSON.stringify(Object.fromEntries(key))}`)).toEqual([
      'user_sessions {"user_id":1,"created_at":-1}',
      'user_sessions {"status":1,"session_start":-1}',
      'conversation_threads {"session_id":1,"created_at":-1}',
      'conversation_threads {"domain":1,"created_at":-1}',
      'model_responses {"thread_id":1,"iteration":1}',
      'model_responses {"model_name":1,"created_at":-1}',
    ])
    expect(ownCatalog.indexes.length - documented.length).toBeGreaterThan(15)
  })

  test('names for each path an index that says that it serves it', () => {
    for (const { name, collection, index: served } of ownCatalog.paths) {
      if (served === '_id_') continue
      expect(ownCatalog.indexes.find((entry) => entry.collection === collection && entry.name === served)?.serves, name).toContain(name)
    }
  })
})

describe('lint', () => {
  const good = index({ a: 1, s: -1, r: 1 })

  test('passes equality, sort, range, forwards and backwards', () => {
    expect(rulesOf({ indexes: [good], paths: [path(good, { a: 1, r: { $gt: 2 } }, { s: -1 })] })).toEqual([])
    expect(rulesOf({ indexes: [good], paths: [path(good, { a: 1 }, { s: 1 })] })).toEqual([])
  })

  test.each<readonly [string, Document, Document, Document]>([
    ['a range before equality', { r: 1, a: 1 }, { a: 1, r: { $gt: 2 } }, {}],
    ['a range before the sort', { a: 1, r: 1, s: -1 }, { a: 1, r: { $gt: 2 } }, { s: -1 }],
    ['a first field that nothing asks for', { z: 1, a: 1 }, { a: 1 }, {}],
    ['directions that no scan gives', { a: 1, s: 1, t: 1 }, { a: 1 }, { s: 1, t: -1 }],
  ])('finds %s', (_, key, filter, sort) => {
    const wrong = index(key)
    expect(rulesOf({ indexes: [wrong], paths: [path(wrong, filter, sort)] })).toContain('equality-sort-range')
  })

  test('finds an index that serves no path, unless it expires documents or keeps them unique', () => {
    expect(rulesOf({ indexes: [index({ a: 1 }, {}, [])], paths: [] })).toEqual(['serves-nothing'])
    expect(
      rulesOf({ indexes: [index({ a: 1 }, { expireAfterSeconds: 1 }, []), index({ b: 1 }, { unique: true }, [])], paths: [] }),
    ).toEqual([])
  })

  test('finds an index whose path uses another one', () => {
    const other = index({ b: 1 })
    expect(lintCatalog({ indexes: [good, other], paths: [path(good, { a: 1 }, { s: -1 })] })).toMatchObject([
      { rule: 'serves-nothing', name: 'b_1', message: expect.stringContaining('"p" uses a_1_s_-1_r_1') as string },
    ])
  })

  test('finds a path without an index, an index of an unknown path, a twin and a 65th index', () => {
    expect(rulesOf({ indexes: [], paths: [path(good, { a: 1 })] })).toEqual(['no-index'])
    expect(rulesOf({ indexes: [index({ a: 1 }, {}, ['q'])], paths: [] })).toEqual(['unknown-path'])
    const twin = { ...good, name: 'other' }
    expect(rulesOf({ indexes: [good, twin], paths: [path(good, { a: 1 }, { s: -1 })] })).toEqual(['serves-nothing', 'duplicate'])
    const many = Array.from({ length: 64 }, (_, position) => index({ [`f${position}`]: 1 }, { unique: true }, []))
    expect(rulesOf({ indexes: many, paths: [] })).toEqual(['too-many'])
  })

  test.each<readonly [string, Document, Document, Document, Document, boolean]>([
    ['a prefix', { a: 1 }, {}, { a: 1, b: 1 }, {}, true],
    ['a prefix, read backwards', { a: 1, b: -1 }, {}, { a: -1, b: 1, c: 1 }, {}, true],
    ['a prefix in another direction', { a: 1, b: 1 }, {}, { a: 1, b: -1, c: 1 }, {}, false],
    ['the same letters, another field', { a: 1, b: 1 }, {}, { a: 1, bc: 1, d: 1 }, {}, false],
    ['a unique prefix', { a: 1 }, { unique: true }, { a: 1, b: 1 }, {}, false],
    ['a prefix that expires documents', { a: 1 }, { expireAfterSeconds: 1 }, { a: 1, b: 1 }, {}, false],
    ['a prefix of a partial index', { a: 1 }, {}, { a: 1, b: 1 }, { partialFilterExpression: { x: 1 } }, false],
    ['a partial prefix of a whole index', { a: 1 }, { partialFilterExpression: { x: 1 } }, { a: 1, b: 1 }, {}, true],
    ['a prefix of a sparse index', { a: 1 }, {}, { a: 1, b: 1 }, { sparse: true }, false],
    ['a prefix in another collation', { a: 1 }, {}, { a: 1, b: 1 }, { collation: { locale: 'de' } }, false],
    ['a prefix of a text index', { a: 1 }, {}, { a: 1, t: 'text' }, {}, false],
    ['a hashed prefix', { a: 'hashed' }, {}, { a: 1, b: 1 }, {}, false],
    ['a longer hidden one', { a: 1 }, {}, { a: 1, b: 1 }, { hidden: true }, false],
    ['itself', { a: 1 }, {}, { a: 1 }, {}, false],
  ])('says of %s whether it is redundant', (_, shortKey, shortOptions, longKey, longOptions, expected) => {
    expect(isRedundant(index(shortKey, shortOptions), index(longKey, longOptions))).toBe(expected)
  })
})
