// What is told of a query path and of the indexes of a database. Invariant: no value of any document.

export type PathVerdict = 'ok' | 'wrong-index' | 'collscan' | 'sort' | 'low-gain' | 'slow' | 'not-checked'
export type IndexState = 'ready' | 'missing' | 'building' | 'hidden' | 'different' | 'renamed'

export interface Proof {
  readonly name: string
  readonly collection: string
  /** By its name in the database. */
  readonly index: string
  readonly stages: readonly string[]
  readonly keysExamined: number | null
  readonly docsExamined: number | null
  readonly returned: number | null
  readonly inMemorySort: boolean | null
  /** Client time; null when it was not run. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly samples: number } | null
  readonly limitMs: number | null
  readonly baseline: { readonly docsExamined: number; readonly latencyMs: number } | null
  /** Of what is examined: exact. */
  readonly gainPercent: number | null
  /** Of client time: medians of interleaved runs with and without the index. */
  readonly latencyGainPercent: number | null
  readonly verdict: PathVerdict
  readonly reason: string
}

export interface Verification {
  readonly database: string
  readonly indexes: readonly { readonly collection: string; readonly name: string; readonly state: IndexState }[]
  readonly paths: readonly Proof[]
  /** Indexes that nothing can be said of, and why. */
  readonly notChecked: readonly string[]
  readonly ok: boolean
}
