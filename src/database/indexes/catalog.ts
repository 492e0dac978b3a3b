// A catalog: the indexes that a database is to have, each with why, and the query paths that they serve.
// Invariant: plain data and pure builders; the catalog of this program and one of a user's file are the same thing.
import type { Document } from 'mongodb'
import type { FindPlan } from '../queryPath.ts'
import type { IndexDefinition } from './definition.ts'

export interface CatalogIndex extends IndexDefinition {
  readonly why: string
  /** The names of the query paths it serves; none for one that expires documents or keeps them unique. */
  readonly serves: readonly string[]
  /** Named letter for letter by the performance guide. */
  readonly documented?: true
}

/** Where a parameter's value comes from: a field of a sampled document, or the catalog itself. */
export type ParamSource =
  /** `fallback` stands in where there is no document: then only the plan can be looked at. */
  | { readonly field: string; readonly fallback: unknown; readonly many?: number; readonly map?: (value: unknown) => unknown }
  | { readonly value: unknown }

export interface CatalogPath {
  readonly name: string
  readonly collection: string
  /** The name of the index that serves it. */
  readonly index: string
  readonly params: Readonly<Record<string, ParamSource>>
  readonly query:
    | {
        readonly kind: 'find'
        readonly build: (params: Readonly<Record<string, unknown>>) => Omit<FindPlan, 'limit'> & { readonly limit?: number }
      }
    | { readonly kind: 'aggregate'; readonly build: (params: Readonly<Record<string, unknown>>) => readonly Document[] }
  /** Of its nature it reads much of its collection: only its plan is proven. @default true */
  readonly gain?: false
  /** Answered from the index alone. */
  readonly covered?: true
  readonly limitMs?: { readonly p99: number }
}

export interface Catalog {
  readonly indexes: readonly CatalogIndex[]
  readonly paths: readonly CatalogPath[]
}

/** The index that every collection has. */
export const idIndex = '_id_'
