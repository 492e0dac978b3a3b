// Who waits, in lanes of one priority each, first come first served within a lane; and with which signal, so that whoever leaves does so at once.
// Invariant: to come, to be served and to leave costs O(1), one object and no closures, however many wait; a signal carries one listener of ours.
import { whenAborted } from '../core/abort.ts'

/** What the room keeps of who waits: a part of the waiter itself, so that waiting costs one object. All null outside. */
export interface Places<Self> {
  lane: Lane<Self> | null
  ahead: Self | null
  behind: Self | null
  party: Party<Self> | null
  previousOfParty: Self | null
  nextOfParty: Self | null
}

export interface Waiter<Self> extends Places<Self> {
  /** Monotonic ms, never before who came before. */
  readonly sinceMs: number
}

/** Those of one priority, oldest first. */
interface Lane<Self> {
  readonly priority: number
  size: number
  oldest: Self | null
  newest: Self | null
  /** Of the oldest; the lane with the least one is served. */
  rank: number
}

/** Those who wait with one signal. */
interface Party<Self> {
  readonly signal: AbortSignal
  readonly stop: () => void
  newest: Self | null
}

export interface WaitingRoom<Self extends Waiter<Self>> {
  readonly size: number
  /** The signal must not be aborted yet. */
  join(waiter: Self, priority: number, signal: AbortSignal): void
  /** Whose turn it is. */
  first(): Self | undefined
  /** It is served. It must wait. */
  take(waiter: Self): void
  /** How many wait with this priority or a higher one. */
  aheadOf(priority: number): number
}

export interface WaitingRoomOptions<Self> {
  /** What the oldest of the lanes are weighed by, the least first; of equal ones that of the lowest priority. Within a lane it never falls. */
  rank(priority: number, sinceMs: number): number
  /** All who waited with a signal that aborts, together: nobody takes the place of one who leaves only to leave next. */
  onLeft(waiters: readonly Self[], reason: Error): void
}

export function makeWaitingRoom<Self extends Waiter<Self>>({ rank, onLeft }: WaitingRoomOptions<Self>): WaitingRoom<Self> {
  /** By priority, lowest first; only those in which somebody waits. There are few priorities, so they are looked through. */
  const lanes: Lane<Self>[] = []
  const parties = new Map<AbortSignal, Party<Self>>()
  let size = 0

  const laneOf = (priority: number): Lane<Self> => {
    let index = 0
    for (; index < lanes.length; index += 1) {
      const lane = lanes[index]
      if (lane === undefined || lane.priority > priority) break
      if (lane.priority === priority) return lane
    }
    const lane = { priority, size: 0, oldest: null, newest: null, rank: 0 }
    lanes.splice(index, 0, lane)
    return lane
  }

  const partyOf = (signal: AbortSignal): Party<Self> => {
    const present = parties.get(signal)
    if (present !== undefined) return present
    const party: Party<Self> = { signal, stop: whenAborted(signal, () => disband(party)), newest: null }
    parties.set(signal, party)
    return party
  }

  const disband = (party: Party<Self>): void => {
    parties.delete(party.signal)
    const left: Self[] = []
    for (let waiter = party.newest; waiter !== null;) {
      const next = waiter.previousOfParty
      leaveLane(waiter)
      waiter.party = waiter.previousOfParty = waiter.nextOfParty = null
      left.push(waiter)
      waiter = next
    }
    onLeft(left.toReversed(), party.signal.reason as Error)
  }

  const leaveLane = (waiter: Self): void => {
    const { lane, ahead, behind } = waiter
    if (lane === null) return
    if (ahead === null) lane.oldest = behind
    else ahead.behind = behind
    if (behind === null) lane.newest = ahead
    else behind.ahead = ahead
    waiter.lane = waiter.ahead = waiter.behind = null
    size -= 1
    lane.size -= 1
    if (lane.oldest === null) lanes.splice(lanes.indexOf(lane), 1)
    else if (ahead === null) lane.rank = rank(lane.priority, lane.oldest.sinceMs)
  }

  const leaveParty = (waiter: Self): void => {
    const { party, previousOfParty, nextOfParty } = waiter
    if (party === null) return
    if (previousOfParty !== null) previousOfParty.nextOfParty = nextOfParty
    if (nextOfParty !== null) nextOfParty.previousOfParty = previousOfParty
    else party.newest = previousOfParty
    waiter.party = waiter.previousOfParty = waiter.nextOfParty = null
    if (party.newest !== null) return
    parties.delete(party.signal)
    party.stop()
  }

  return {
    get size() {
      return size
    },
    join: (waiter, priority, signal) => {
      const lane = laneOf(priority)
      waiter.lane = lane
      waiter.ahead = lane.newest
      if (lane.newest !== null) lane.newest.behind = waiter
      else {
        lane.oldest = waiter
        lane.rank = rank(priority, waiter.sinceMs)
      }
      lane.newest = waiter
      lane.size += 1
      size += 1
      const party = partyOf(signal)
      waiter.party = party
      waiter.previousOfParty = party.newest
      if (party.newest !== null) party.newest.nextOfParty = waiter
      party.newest = waiter
    },
    first: () => {
      let best = lanes[0]
      for (let index = 1; index < lanes.length; index += 1) {
        const lane = lanes[index]
        if (best === undefined || lane === undefined) break
        if (lane.rank < best.rank) best = lane
      }
      return best?.oldest ?? undefined
    },
    take: (waiter) => {
      leaveLane(waiter)
      leaveParty(waiter)
    },
    aheadOf: (priority) => lanes.reduce((sum, lane) => (lane.priority >= priority ? sum + lane.size : sum), 0),
  }
}
