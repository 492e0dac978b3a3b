// Which models have failed in this run. Invariant: a model that failed after all its tries is not asked again in the run.
import type { ErrorCode } from '../core/errors.ts'
import { failsWith } from '../models/caller.ts'

export interface Failures {
  add(model: string, code: ErrorCode): void
  /** Whether the model, or its provider as a whole, has failed. */
  has(model: string): boolean
}

export function makeFailures(): Failures {
  const failed: { readonly model: string; readonly code: ErrorCode }[] = []
  return {
    add: (model, code) => void failed.push({ model, code }),
    has: (model) => failed.some((failure) => failsWith(model, failure.model, failure.code)),
  }
}
