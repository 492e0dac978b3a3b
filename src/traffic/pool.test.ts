import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makePool, type PoolOptions } from './pool.ts'

interface Thing {
  readonly id: number
  isBroken: boolean
}

function poolOf(more: Partial<PoolOptions<Thing>> = {}) {
  const clock = fakeClock()
  const destroyed: number[] = []
  let made = 0
  const pool = makePool<Thing>({
    clock,
    maxSize: 2,
    idleMs: 1_000,
    create: () => {
      made += 1
      return { id: made, isBroken: false }
    },
    destroy: ({ id }) => destroyed.push(id),
    isUsable: ({ isBroken }) => !isBroken,
    ...more,
  })
  return { clock, pool, destroyed, made: () => made }
}

test('an object is used again, the warm one first, and at most two exist', async () => {
  const { pool, made } = poolOf()
  const [one, two] = await Promise.all([pool.acquire(), pool.acquire()])
  const order: number[] = []
  const third = pool.acquire().then(({ id }) => order.push(id))
  const fourth = pool.acquire().then(({ id }) => order.push(id))
  expect(pool.stats()).toEqual({ inUse: 2, idle: 0, waiting: 2 })
  pool.release(two)
  pool.release(one)
  await Promise.all([third, fourth])
  expect([order, made()]).toEqual([[2, 1], 2])
})

test('use gives back whatever becomes of the work; a broken object is not used again', async () => {
  const { pool, destroyed, made } = poolOf()
  await expect(
    pool.use((thing) => {
      thing.isBroken = true
      throw new Error('work failed')
    }),
  ).rejects.toThrow('work failed')
  expect(await pool.use(({ id }) => id)).toBe(2)
  expect([destroyed, made(), pool.stats()]).toEqual([[1], 2, { inUse: 0, idle: 1, waiting: 0 }])
})

test('what is idle too long is destroyed', async () => {
  const { clock, pool, destroyed } = poolOf()
  await pool.use(() => undefined)
  await clock.advance(1_000)
  expect(await pool.use(({ id }) => id)).toBe(2)
  expect(destroyed).toEqual([1])
})

test('a waiter that leaves is passed over; one whose object cannot be made hears why, and the next is served', async () => {
  let failures = 1
  const { pool } = poolOf({
    maxSize: 1,
    create: async () => {
      failures -= 1
      await Promise.resolve()
      if (failures === 0) throw new Error('cannot be made')
      return { id: 9, isBroken: false }
    },
  })
  const first = pool.acquire()
  const controller = new AbortController()
  const leaves = pool.acquire(controller.signal)
  const stays = pool.acquire()
  controller.abort(new Error('enough'))
  await expect(leaves).rejects.toThrow('enough')
  await expect(first).rejects.toThrow('cannot be made')
  const later = pool.use(({ id }) => id)
  pool.release(await stays)
  expect(await later).toBe(9)
})

test('what was not taken out, or was given back already, is an error', async () => {
  const { pool } = poolOf()
  const thing = await pool.acquire()
  pool.release(thing)
  expect(() => pool.release(thing)).toThrow(/not out of it/)
})

test('a closed pool destroys what is idle, then what comes back, and refuses who waits', async () => {
  const { pool, destroyed } = poolOf({ maxSize: 1 })
  const thing = await pool.acquire()
  const waiting = pool.acquire()
  pool.close()
  await expect(waiting).rejects.toThrow('closed')
  await expect(pool.acquire()).rejects.toThrow('closed')
  pool.release(thing)
  expect(destroyed).toEqual([1])
})

test('whatever is taken and given back, the bound holds, nothing is out twice, and all are served', async () => {
  const step = fc.record({ take: fc.boolean(), which: fc.nat(5), breaks: fc.boolean(), waitMs: fc.nat(1_500) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, pool } = poolOf({ maxSize: 3 })
      const out: Thing[] = []
      let asked = 0
      let served = 0
      for (const { take, which, breaks, waitMs } of steps) {
        await clock.advance(waitMs)
        if (take) {
          asked += 1
          void pool.acquire().then((thing) => {
            served += 1
            out.push(thing)
          })
        } else if (out.length > 0) {
          const [thing] = out.splice(which % out.length, 1)
          if (thing !== undefined) {
            thing.isBroken = breaks
            pool.release(thing)
          }
        }
        await clock.advance(0)
        expect(new Set(out).size).toBe(out.length)
        expect(pool.stats().inUse + pool.stats().idle).toBeLessThanOrEqual(3)
      }
      while (served < asked || out.length > 0) {
        const thing = out.pop()
        if (thing !== undefined) pool.release(thing)
        await clock.advance(0)
      }
      expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0 })
    }),
    { numRuns: 40 },
  )
})

test('whoever leaves while it waits and whatever cannot be made, the others are served in their order and the bound holds', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('give' as const), which: fc.nat(5), breaks: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.constantFrom(null, 1_000), async (steps, idleMs) => {
      let made = 0
      let failing = 0
      const { clock, pool } = poolOf({
        maxSize: 2,
        idleMs,
        create: async () => {
          await Promise.resolve()
          if (failing > 0) {
            failing -= 1
            throw new Error('cannot be made')
          }
          made += 1
          return { id: made, isBroken: false }
        },
      })
      const out: Thing[] = []
      let waiting: { readonly name: number; readonly controller: AbortController }[] = []
      const served: number[] = []
      const endings = new Map<number, string>()
      const ended = (name: number, how: string): void => {
        expect(endings.has(name)).toBe(false)
        endings.set(name, how)
        waiting = waiting.filter((other) => other.name !== name)
      }
      for (const [name, action] of steps.entries()) {
        if (action.kind === 'take') {
          const controller = new AbortController()
          waiting.push({ name, controller })
          void pool.acquire(controller.signal).then(
            (thing) => {
              ended(name, 'served')
              served.push(name)
              out.push(thing)
            },
            (error: Error) => ended(name, error.message),
          )
        } else if (action.kind === 'fail') failing += 1
        else if (action.kind === 'leave') waiting[action.which]?.controller.abort(new Error('left'))
        else {
          const [thing] = out.splice(action.which % Math.max(1, out.length), 1)
          if (thing === undefined) continue
          thing.isBroken = action.breaks
          pool.release(thing)
        }
        await clock.advance(1)
        expect(new Set(out).size).toBe(out.length)
        expect(pool.stats().inUse + pool.stats().idle).toBeLessThanOrEqual(2)
        expect(pool.stats().waiting).toBe(waiting.length)
        // Nobody waits while there is room.
        if (waiting.length > 0) expect(out).toHaveLength(2)
      }
      expect(served).toEqual(served.toSorted((a, b) => a - b))
    }),
    { numRuns: 100 },
  )
})
