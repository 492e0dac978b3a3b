// The way out for an index: hidden first, soaked until nobody misses it, then dropped. Invariant: what a catalog needs is not retired; the soak
// is read from the servers' own counts, which begin anew when an index is hidden.
import { OrxError } from '../../core/errors.ts'
import { formatDuration } from '../../core/units.ts'
import type { Catalog } from './catalog.ts'
import { keyDocument } from './definition.ts'
import type { LiveIndex } from './live.ts'
import { shown, type Action } from './plan.ts'
import type { IndexUse, Usage } from './usage.ts'

export type Retirement =
  | { readonly step: 'hide'; readonly action: Action }
  | { readonly step: 'soaking'; readonly sinceMs: number; readonly leftMs: number }
  /** Used while it was hidden is not possible; used by what hints at it is an error. So the soak alone decides. */
  | { readonly step: 'drop'; readonly action: Action; readonly soakedMs: number }

export interface RetireRequest {
  readonly index: LiveIndex
  readonly use: IndexUse | null
  readonly usage: Usage
  readonly catalog: Catalog
  readonly soakMs: number
  readonly nowMs: number
}

/** What the next step is. Throws `usage` for an index that the catalog has, or whose soak cannot be read. */
export function nextStep({ index, use, usage, catalog, soakMs, nowMs }: RetireRequest): Retirement {
  const { collection, name } = index
  const owner = catalog.indexes.find((entry) => entry.collection === collection && entry.name === name)
  if (owner !== undefined) {
    throw new OrxError('usage', `${collection}.${name} is in the catalog: ${owner.why}`, {
      hint: 'Take it out of the catalog first (--catalog FILE names yours); otherwise the next apply would bring it back.',
    })
  }
  const action = (kind: 'hide' | 'drop', reason: string): Action => ({
    kind,
    collection,
    name,
    key: keyDocument(index.key),
    have: shown(index),
    differences: [],
    reason,
  })
  if (index.options['hidden'] !== true)
    return { step: 'hide', action: action('hide', 'no query uses it while it is hidden; it is kept up to date') }
  if (use?.since === null || use === null || usage.notChecked.some((text) => text.startsWith('the use of indexes'))) {
    throw new OrxError('not_authorized', `since when ${collection}.${name} has been hidden cannot be read from every member`, {
      hint: `${usage.notChecked[0] ?? 'No member told of it'}. Grant clusterMonitor, or the action indexStats, and run it again.`,
    })
  }
  const sinceMs = Date.parse(use.since)
  const soakedMs = nowMs - sinceMs
  if (soakedMs < soakMs) return { step: 'soaking', sinceMs, leftMs: soakMs - soakedMs }
  return { step: 'drop', soakedMs, action: action('drop', `it has been hidden for ${formatDuration(soakedMs)}`) }
}
