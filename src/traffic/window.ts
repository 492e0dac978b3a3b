// What counts against a limit a minute: what left in the last 60 s, what holds a permit, and what others took by the remote's account.
// Invariant: an entry counts from its hold to 60 s after it left, so what counts is never less than any window of 60 s holds.

export const windowMs = 60_000

export interface SlidingWindow {
  /** What counts now, the claims of others included. */
  requests(): number
  units(): number
  /** Whether one more request of so many units fits; then it counts from now on, until release or a minute after leave. */
  holdIfRoom(units: number, most: Most): boolean
  /** It was held and never left. */
  release(units: number): void
  /** It was held and leaves now. Returns its place, for settle. */
  leave(units: number): number
  /** Its units are final. After it has fallen out of the window they change nothing. */
  settle(place: number, units: number): void
  /** This much is taken by all accounts, ours among them; what is not ours is claimed by others, for so long. Only a higher claim changes one. */
  claimRequests(taken: number, forMs: number): void
  claimUnits(taken: number, forMs: number): void
  /** When something stops to count by time alone; Infinity while nothing will. */
  nextExpiryMs(): number
  /**
   * No request that comes after `ahead` others can leave before this time, if limits, claims and what is final stay as they are.
   * Never too late, up to a second too early.
   */
  earliestMs(ahead: number, units: number, most: Most): number
}

interface Most {
  readonly requests: number
  readonly units: number
}

interface Claim {
  amount: number
  untilMs: number
}

/** What has left, a column each; its capacity is a power of two, so that a place finds its index by a mask. */
interface Log {
  readonly mask: number
  readonly atMs: Float64Array
  readonly units: Float64Array
  readonly isFinal: Uint8Array
}

function makeLog(capacity: number): Log {
  return {
    mask: capacity - 1,
    atMs: new Float64Array(capacity),
    units: new Float64Array(capacity),
    isFinal: new Uint8Array(capacity),
  }
}

function grown(log: Log, oldest: number, next: number): Log {
  const larger = makeLog((log.mask + 1) * 2)
  for (let place = oldest; place < next; place += 1) {
    const [from, to] = [place & log.mask, place & larger.mask]
    larger.atMs[to] = log.atMs[from] ?? 0
    larger.units[to] = log.units[from] ?? 0
    larger.isFinal[to] = log.isFinal[from] ?? 0
  }
  return larger
}

/** Final units are added up by the second they left in, so that no question walks the log. 64 seconds cover a window. */
const slotMs = 1_000
const slotMask = 63

export function makeSlidingWindow(nowMs: () => number): SlidingWindow {
  /** What has left, oldest first: places `oldest` to `next` of a ring in columns, so that a permit is garbage as soon as it is settled. */
  let log = makeLog(64)
  let oldest = 0
  let next = 0
  let held = 0
  let units = 0
  let finalUnits = 0
  const finalUnitsBySlot = new Float64Array(slotMask + 1)
  const requestClaim: Claim = { amount: 0, untilMs: 0 }
  const unitClaim: Claim = { amount: 0, untilMs: 0 }

  const atMsOf = (place: number): number => log.atMs[place & log.mask] ?? 0
  const unitsOf = (place: number): number => log.units[place & log.mask] ?? 0

  const addFinal = (atMs: number, amount: number): void => {
    const slot = Math.floor(atMs / slotMs) & slotMask
    finalUnitsBySlot[slot] = (finalUnitsBySlot[slot] ?? 0) + amount
    finalUnits += amount
  }

  const forget = (): number => {
    const now = nowMs()
    for (; oldest < next && now - atMsOf(oldest) > windowMs; oldest += 1) {
      const gone = unitsOf(oldest)
      units -= gone
      if (log.isFinal[oldest & log.mask] === 1) addFinal(atMsOf(oldest), -gone)
    }
    if (now > requestClaim.untilMs) requestClaim.amount = 0
    if (now > unitClaim.untilMs) unitClaim.amount = 0
    return now
  }

  const hasRoomFor = (need: number, most: Most): boolean =>
    next - oldest + held + requestClaim.amount < most.requests && units + unitClaim.amount + need <= most.units

  const raise = (claim: Claim, amount: number, forMs: number): void => {
    const now = nowMs()
    if (amount <= 0 || amount < claim.amount) return
    claim.amount = amount
    claim.untilMs = now + Math.min(forMs, windowMs)
  }

  /** Whoever is the p-th to leave does so a whole window after the one `most` places before it. */
  const requestsAt = (now: number, ahead: number, most: number): number => {
    const left = next - oldest
    const place = left + held + ahead + 1
    if (place <= most) return now
    if (most <= 0) return Number.POSITIVE_INFINITY
    const windows = Math.ceil((ahead + 1) / most)
    const before = place - windows * most
    if (before <= 0) return now + (windows - 1) * windowMs
    return (before <= left ? atMsOf(oldest + before - 1) : now) + windows * windowMs
  }

  const unitsAt = (now: number, need: number, most: number): number => {
    let over = finalUnits + need - most
    if (over <= 0) return now
    const last = Math.floor(now / slotMs)
    for (let slot = Math.max(0, Math.floor((now - windowMs) / slotMs)); slot <= last; slot += 1) {
      over -= finalUnitsBySlot[slot & slotMask] ?? 0
      if (over <= 0) return slot * slotMs + windowMs
    }
    return Number.POSITIVE_INFINITY
  }

  return {
    requests: () => {
      forget()
      return next - oldest + held + requestClaim.amount
    },
    units: () => {
      forget()
      return units + unitClaim.amount
    },
    holdIfRoom: (need, most) => {
      // Time only makes room: the clock is looked at where there is none without it.
      if (!hasRoomFor(need, most)) {
        forget()
        if (!hasRoomFor(need, most)) return false
      }
      held += 1
      units += need
      return true
    },
    release: (need) => {
      held -= 1
      units -= need
    },
    leave: (need) => {
      const now = forget()
      if (next - oldest > log.mask) log = grown(log, oldest, next)
      const place = next
      const index = place & log.mask
      log.atMs[index] = now
      log.units[index] = need
      log.isFinal[index] = 0
      held -= 1
      next += 1
      return place
    },
    settle: (place, actual) => {
      if (place < oldest) return
      const index = place & log.mask
      units += actual - unitsOf(place)
      log.units[index] = actual
      log.isFinal[index] = 1
      addFinal(atMsOf(place), actual)
    },
    claimRequests: (taken, forMs) => {
      forget()
      raise(requestClaim, taken - (next - oldest + held), forMs)
    },
    claimUnits: (taken, forMs) => {
      forget()
      raise(unitClaim, taken - units, forMs)
    },
    nextExpiryMs: () =>
      Math.min(
        oldest === next ? Number.POSITIVE_INFINITY : atMsOf(oldest) + windowMs,
        requestClaim.amount > 0 ? requestClaim.untilMs : Number.POSITIVE_INFINITY,
        unitClaim.amount > 0 ? unitClaim.untilMs : Number.POSITIVE_INFINITY,
      ),
    earliestMs: (ahead, need, most) => {
      const now = forget()
      // While a claim lasts there is less room; when it has ended, as much as without it.
      const byRequests = Math.min(requestsAt(now, ahead, most.requests - requestClaim.amount), requestClaim.untilMs)
      const byUnits = Math.min(unitsAt(now, need, most.units - unitClaim.amount), unitClaim.untilMs)
      return Math.max(requestsAt(now, ahead, most.requests), byRequests, unitsAt(now, need, most.units), byUnits)
    },
  }
}
