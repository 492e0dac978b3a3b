// A circuit breaker: after failures in a row, or too large a share of them, nothing is asked for a while; then one probe decides.
// Invariant: while it is half open exactly one request is out; a probe that brought no verdict frees its place; what was asked before
// it last opened or closed says nothing any more.
import { OrxError } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { formatDuration } from '../core/units.ts'
import type { Gate, Settlement } from './gate.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerOptions<Result> {
  /** Whom it protects, for its error: `openai`. */
  readonly name: string
  readonly clock: Clock
  /** Failures in a row that open it. Source: Envoy's outlier detection ejects after five. @default 5 */
  readonly threshold?: number
  /** The share of failures that opens it where successes come between. Source: Hystrix and resilience4j open at half. @default 0.5 */
  readonly failureRatio?: number
  /** Over how long the share is taken, ms, by tenths. Hystrix takes 10 s; models answer slowly and 60 times a minute. @default 60_000 */
  readonly ratioWindowMs?: number
  /** With fewer verdicts than this there is no share. Source: Hystrix's request volume threshold. @default 20 */
  readonly ratioVerdicts?: number
  /** How long it stays open, ms. @default 30_000 */
  readonly openMs?: number
  /** What the outcome says of the other side's health: `ok`, `failed`, or null for nothing (it refused us with reason, or we left). */
  judge(settlement: Settlement, result: Result | undefined): 'ok' | 'failed' | null
  readonly onChange?: (state: BreakerState) => void
}

export interface Breaker<Result> extends Gate<unknown, Result> {
  state(): BreakerState
}

const slots = 10

export function makeBreaker<Result>(options: BreakerOptions<Result>): Breaker<Result> {
  const { name, clock, threshold = 5, openMs = 30_000, failureRatio = 0.5, ratioWindowMs = 60_000, ratioVerdicts = 20 } = options
  let state: BreakerState = 'closed'
  let failuresInARow = 0
  let openUntilMs = 0
  let isProbing = false
  /** Counts the openings and closings. */
  let era = 0
  let why = ''
  /** The verdicts of the window by tenths of it, oldest first. */
  let recent: { readonly slot: number; ok: number; failed: number }[] = []

  /** Why a closed breaker opens after this verdict; null when it does not. */
  const count = (verdict: 'ok' | 'failed'): string | null => {
    const slot = Math.floor((clock.monotonicMs() * slots) / ratioWindowMs)
    recent = recent.filter((tenth) => tenth.slot > slot - slots)
    if (recent.at(-1)?.slot !== slot) recent.push({ slot, ok: 0, failed: 0 })
    const last = recent.at(-1)
    if (last !== undefined) last[verdict] += 1
    failuresInARow = verdict === 'ok' ? 0 : failuresInARow + 1
    if (verdict === 'ok') return null
    if (failuresInARow >= threshold) return `failed ${failuresInARow} times in a row`
    const failed = recent.reduce((sum, tenth) => sum + tenth.failed, 0)
    const all = recent.reduce((sum, tenth) => sum + tenth.ok, failed)
    if (all < ratioVerdicts || failed < failureRatio * all) return null
    return `failed ${failed} of ${all} times within ${formatDuration(ratioWindowMs)}`
  }
  const become = (next: BreakerState): void => {
    if (next === state) return
    state = next
    options.onChange?.(next)
  }
  const open = (reason: string): void => {
    why = reason
    era += 1
    openUntilMs = clock.monotonicMs() + openMs
    become('open')
  }
  const close = (): void => {
    era += 1
    failuresInARow = 0
    recent = []
    become('closed')
  }
  const refusal = (): OrxError => {
    const leftMs = Math.max(0, openUntilMs - clock.monotonicMs())
    const when = state === 'open' ? `is tried again in ${formatDuration(leftMs)}` : 'is being tried by another call'
    return new OrxError('circuit_open', `${name} ${why} and ${when}`, {
      hint: `Ask other models meanwhile, or wait. orx doctor says whether ${name} can be reached.`,
    })
  }
  return {
    name: 'breaker',
    state: () => state,
    enter: () => {
      if (state === 'open' && clock.monotonicMs() >= openUntilMs) become('half-open')
      if (state === 'open' || (state === 'half-open' && isProbing)) throw refusal()
      const isProbe = state === 'half-open'
      if (isProbe) isProbing = true
      const askedIn = era
      let isSettled = false
      return {
        sent: () => undefined,
        settle: (settlement, result) => {
          if (isSettled) return
          isSettled = true
          if (isProbe) isProbing = false
          const verdict = options.judge(settlement, result)
          if (verdict === null || askedIn !== era) return
          if (isProbe) {
            if (verdict === 'ok') close()
            else open('failed again when it was tried')
            return
          }
          const reason = count(verdict)
          if (reason !== null) open(reason)
        },
      }
    },
  }
}
