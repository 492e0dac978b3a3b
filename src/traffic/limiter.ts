// Requests a minute, units (tokens) a minute and requests at once, in one waiting room.
// Invariant: what left in the last 60 s and what holds a permit never exceed a limit together, so no sliding window does.
import { OrxError } from '../core/errors.ts'
import type { Clock, Timer } from '../core/runtime.ts'
import { formatDuration } from '../core/units.ts'
import type { Settlement } from './gate.ts'
import { makeWaitingRoom, type Waiter } from './waitingRoom.ts'
import { makeSlidingWindow, windowMs } from './window.ts'

export interface Limits {
  /** Null: no limit. */
  readonly requestsPerMinute: number | null
  /** Tokens, for a model; whatever a request is measured in. Null: no limit. */
  readonly unitsPerMinute: number | null
  /** Null: no limit. */
  readonly atOnce: number | null
}

export interface LimitedRequest {
  /** What is reserved until the settlement says what it was. */
  readonly units: number
  /** 1-10, higher first. @default 5 */
  readonly priority?: number
  /** On the monotonic clock: a wait that cannot end before it is refused at once. */
  readonly deadlineAtMs?: number
}

/** What a remote says of its limits and of what is left; ours are corrected downwards by it, never upwards. Times count from now. */
export interface RemoteView {
  /** A minute. The last one heard holds. */
  readonly limitRequests?: number
  readonly limitUnits?: number
  readonly remainingRequests?: number
  readonly resetRequestsMs?: number
  readonly remainingUnits?: number
  readonly resetUnitsMs?: number
}

export interface Permit {
  /** How long it waited. */
  readonly waitedMs: number
  sent(): void
  /** `units`: what it was in the end; without them the reservation stays counted. */
  settle(settlement: Settlement, units?: number): void
}

export interface LimiterStats {
  readonly waiting: number
  readonly atOnce: number
  /** Of the window: sent or permitted, and what others took as far as the remote told. Not counted while there is no limit a minute. */
  readonly requests: number
  readonly units: number
  /** 0 to 1: how much of its scarcest limit is taken; 0 without limits. */
  readonly utilization: number
}

export interface Limiter {
  /** First come, first served within a priority. Rejects with `rate_limited` or the signal's reason. */
  enter(request: LimitedRequest, signal: AbortSignal): Promise<Permit>
  correct(view: RemoteView): void
  stats(): LimiterStats
}

interface Waiting extends Waiter<Waiting> {
  readonly units: number
  /** Takes a rejected promise too, which is lighter than to keep both functions. */
  readonly resolve: (permit: Permit | Promise<never>) => void
}

/** What a permit tells the limiter that gave it. */
interface Issuer {
  left(permit: HeldPermit): void
  back(permit: HeldPermit, hasLeft: boolean, settlement: Settlement, units: number): void
}

class HeldPermit implements Permit {
  readonly waitedMs: number
  /** Reserved. */
  readonly units: number
  /** Whether it is in the window: there was a limit a minute when it was given. */
  readonly isCounted: boolean
  /** In the window, once it has left. */
  place = -1
  readonly #issuer: Issuer
  #state: 'held' | 'sent' | 'settled' = 'held'

  constructor(issuer: Issuer, units: number, waitedMs: number, isCounted: boolean) {
    this.#issuer = issuer
    this.units = units
    this.waitedMs = waitedMs
    this.isCounted = isCounted
  }

  sent(): void {
    if (this.#state !== 'held') return
    this.#state = 'sent'
    this.#issuer.left(this)
  }

  settle(settlement: Settlement, units = this.units): void {
    if (this.#state === 'settled') return
    const hasLeft = this.#state === 'sent'
    this.#state = 'settled'
    this.#issuer.back(this, hasLeft, settlement, units)
  }
}

export function makeLimiter({ requestsPerMinute, unitsPerMinute, atOnce }: Limits, clock: Clock): Limiter {
  const none = Number.POSITIVE_INFINITY
  const most = { requests: requestsPerMinute ?? none, units: unitsPerMinute ?? none, atOnce: atOnce ?? none }
  const window = makeSlidingWindow(() => clock.monotonicMs())
  const waiting = makeWaitingRoom<Waiting>({
    rank: (priority) => -priority,
    onLeft: (left, reason) => {
      for (const { resolve } of left) resolve(Promise.reject(reason))
      serve()
    },
  })
  let running = 0
  let timer: Timer | null = null
  let timerAtMs = 0

  const isCounted = (): boolean => most.requests < none || most.units < none

  const issuer: Issuer = {
    left: (permit) => {
      if (!permit.isCounted) return
      permit.place = window.leave(permit.units)
      wakeLater()
    },
    back: (permit, hasLeft, settlement, units) => {
      running -= 1
      if (permit.isCounted) {
        if (!hasLeft && settlement === 'unsent') window.release(permit.units)
        else {
          if (!hasLeft) issuer.left(permit)
          window.settle(permit.place, units)
        }
      }
      serve()
    },
  }
  /** Null: there is no room for it. */
  const grant = (units: number, sinceMs: number | null): Permit | null => {
    if (running >= most.atOnce) return null
    const counts = isCounted()
    if (counts && !window.holdIfRoom(units, most)) return null
    running += 1
    return new HeldPermit(issuer, units, sinceMs === null ? 0 : clock.monotonicMs() - sinceMs, counts)
  }

  /** Whatever stops to count may make room; nothing else does so by time alone. */
  const wakeLater = (): void => {
    if (timer === null && waiting.size === 0) return
    const atMs = waiting.size === 0 || running >= most.atOnce ? none : window.nextExpiryMs()
    if (timer !== null && atMs === timerAtMs) return
    timer?.cancel()
    timer = null
    if (atMs === none) return
    timerAtMs = atMs
    timer = clock.setTimer(
      () => {
        timer = null
        serve()
      },
      Math.max(1, Math.ceil(atMs - clock.monotonicMs()) + 1),
    )
  }

  const serve = (): void => {
    if (timer === null && waiting.size === 0) return
    for (let first = waiting.first(); first !== undefined; first = waiting.first()) {
      const permit = first.units > most.units ? Promise.reject(tooLarge(first.units)) : grant(first.units, first.sinceMs)
      if (permit === null) break
      waiting.take(first)
      first.resolve(permit)
    }
    wakeLater()
  }

  const refuse = (message: string): OrxError =>
    new OrxError('rate_limited', message, { hint: 'Wait a minute, ask fewer models at once, or give the run a longer --deadline.' })
  const tooLarge = (need: number): OrxError => refuse(`a request of up to ${need} tokens can never fit a limit of ${most.units} a minute`)

  return {
    enter: ({ units, priority = 5, deadlineAtMs }, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      if (units > most.units) return Promise.reject(tooLarge(units))
      if (waiting.size === 0) {
        const permit = grant(units, null)
        if (permit !== null) return Promise.resolve(permit)
      }
      const nowMs = clock.monotonicMs()
      if (deadlineAtMs !== undefined) {
        const earliestMs = isCounted() ? window.earliestMs(waiting.aheadOf(priority), units, most) : nowMs
        if (earliestMs > deadlineAtMs) {
          return Promise.reject(
            refuse(`the rate limit has room in ${formatDuration(earliestMs - nowMs)} at the earliest, which is after the deadline`),
          )
        }
      }
      return new Promise((resolve) => {
        const waiter: Waiting = {
          sinceMs: nowMs,
          units,
          resolve,
          lane: null,
          ahead: null,
          behind: null,
          party: null,
          previousOfParty: null,
          nextOfParty: null,
        }
        waiting.join(waiter, priority, signal)
        serve()
      })
    },
    correct: ({ limitRequests, limitUnits, remainingRequests, resetRequestsMs = windowMs, remainingUnits, resetUnitsMs = windowMs }) => {
      if (limitRequests !== undefined && limitRequests >= 1) most.requests = Math.min(requestsPerMinute ?? none, limitRequests)
      if (limitUnits !== undefined && limitUnits >= 1) most.units = Math.min(unitsPerMinute ?? none, limitUnits)
      // Somebody else uses the same key: what they took counts until the remote gives it back.
      if (remainingRequests !== undefined && most.requests < none) window.claimRequests(most.requests - remainingRequests, resetRequestsMs)
      if (remainingUnits !== undefined && most.units < none) window.claimUnits(most.units - remainingUnits, resetUnitsMs)
      serve()
    },
    stats: () => {
      const requests = window.requests()
      const units = window.units()
      const utilization = Math.min(1, Math.max(requests / most.requests, units / most.units, running / most.atOnce))
      return { waiting: waiting.size, atOnce: running, requests, units, utilization }
    },
  }
}
