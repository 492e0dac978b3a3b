import fc from 'fast-check'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { makeWaitingRoom, type Waiter } from './waitingRoom.ts'

interface Guest extends Waiter<Guest> {
  readonly name: number
}

const newGuest = (name: number, sinceMs: number): Guest => ({
  name,
  sinceMs,
  lane: null,
  ahead: null,
  behind: null,
  party: null,
  previousOfParty: null,
  nextOfParty: null,
})

test('whoever comes, is served or leaves with others, the first is the one that a list weighed anew would name', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('join' as const), priority: fc.nat(4), signal: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), signal: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), steps: fc.nat(4) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.boolean(), (steps, ages) => {
      const rank = (priority: number, sinceMs: number): number => (ages ? sinceMs - 10 * priority : -priority)
      const left: number[] = []
      const room = makeWaitingRoom<Guest>({ rank, onLeft: (guests) => void left.push(...guests.map(({ name }) => name)) })
      const controllers = Array.from({ length: 4 }, () => new AbortController())
      let inside: { readonly guest: Guest; readonly priority: number; readonly signal: number }[] = []
      let nowMs = 0
      for (const [name, action] of steps.entries()) {
        if (action.kind === 'wait') nowMs += 10 * action.steps
        else if (action.kind === 'join') {
          const guest = newGuest(name, nowMs)
          inside.push({ guest, priority: action.priority, signal: action.signal })
          room.join(guest, action.priority, (controllers[action.signal] ?? new AbortController()).signal)
        } else if (action.kind === 'abort') {
          left.length = 0
          controllers[action.signal]?.abort(new Error('left'))
          controllers[action.signal] = new AbortController()
          expect(left).toEqual(inside.filter(({ signal }) => signal === action.signal).map(({ guest }) => guest.name))
          inside = inside.filter(({ signal }) => signal !== action.signal)
        } else {
          const guest = action.kind === 'serve' ? room.first() : inside[action.which]?.guest
          if (guest === undefined) continue
          room.take(guest)
          inside = inside.filter((other) => other.guest !== guest)
        }
        const best = inside.reduce<(typeof inside)[number] | undefined>(
          (a, b) => (a === undefined || rank(b.priority, b.guest.sinceMs) < rank(a.priority, a.guest.sinceMs) ? b : a),
          undefined,
        )
        expect([room.first()?.name, room.size]).toEqual([best?.guest.name, inside.length])
        expect(room.aheadOf(2)).toBe(inside.filter(({ priority }) => priority >= 2).length)
        for (const [index, { signal }] of controllers.entries()) {
          expect(getEventListeners(signal, 'abort')).toHaveLength(inside.some((other) => other.signal === index) ? 1 : 0)
        }
      }
    }),
  )
})
