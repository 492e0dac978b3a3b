import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makeCache, type Store } from './cache.ts'

const signal = new AbortController().signal
const how = { ttlMs: 1_000, keep: (value: string) => value !== '' }

function cacheOf(more: { maxEntries?: number; maxBytes?: number; store?: Store<string> } = {}) {
  const clock = fakeClock()
  return { clock, cache: makeCache<string>({ clock, sizeOf: (value) => value.length, ...more }) }
}

test('whatever is put, looked up and expired, the bounds hold and a found value is the last one put', async () => {
  const operation = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      key: fc.nat(12),
      size: fc.integer({ min: 1, max: 40 }),
      ttlMs: fc.integer({ min: 1, max: 100 }),
    }),
    fc.record({ kind: fc.constant('get' as const), key: fc.nat(12) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(60) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60, size: 'max' }), async (operations) => {
      let nowMs = 0
      const clock = { now: () => 0, monotonicMs: () => nowMs, setTimer: () => ({ cancel: () => undefined }) }
      const cache = makeCache<string>({ clock, sizeOf: (value) => value.length, maxEntries: 5, maxBytes: 100 })
      const model = new Map<number, { value: string; untilMs: number }>()
      for (const [index, step] of operations.entries()) {
        if (step.kind === 'wait') nowMs += step.ms
        else if (step.kind === 'set') {
          const value = `${index}`.padEnd(step.size, 'x')
          cache.set(String(step.key), value, step.ttlMs)
          model.set(step.key, { value, untilMs: nowMs + step.ttlMs })
        } else {
          const found = cache.get(String(step.key))
          const known = model.get(step.key)
          if (found !== undefined) expect([found, nowMs < (known?.untilMs ?? 0)]).toEqual([known?.value, true])
        }
        const { entries, bytes } = cache.stats()
        expect(entries).toBeLessThanOrEqual(5)
        expect(bytes).toBeLessThanOrEqual(100)
      }
    }),
  )
})

test('what is asked for again outlives what was asked for once', () => {
  const { cache } = cacheOf({ maxEntries: 3 })
  for (const key of ['a', 'b', 'c']) cache.set(key, key, 1_000)
  cache.get('a')
  cache.set('d', 'd', 1_000)
  cache.set('e', 'e', 1_000)
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['a', undefined, undefined])
  expect(cache.stats()).toMatchObject({ entries: 3, evicted: 2 })
})

describe('one load a key', () => {
  test('however many ask at once, and those who ask later are served from memory', async () => {
    const { cache, clock } = cacheOf()
    let loads = 0
    const load = async (): Promise<string> => {
      loads += 1
      await Promise.resolve()
      return 'value'
    }
    const values = await Promise.all(Array.from({ length: 1_000 }, () => cache.getOrLoad('k', load, how, signal)))
    expect([loads, new Set(values).size]).toEqual([1, 1])
    expect(await cache.getOrLoad('k', load, how, signal)).toBe('value')
    expect(cache.stats()).toMatchObject({ misses: 1, shared: 999, hits: 1 })
    await clock.advance(1_000)
    await cache.getOrLoad('k', load, how, signal)
    expect([loads, cache.stats().expired]).toEqual([2, 1])
  })

  test('a caller that leaves takes nobody with it; the last one stops the load', async () => {
    const { cache } = cacheOf()
    let loadSignal: AbortSignal | undefined
    const load = (given: AbortSignal): Promise<string> => {
      loadSignal = given
      return new Promise((_, reject) => given.addEventListener('abort', () => reject(given.reason as Error)))
    }
    const callers = Array.from({ length: 3 }, () => new AbortController())
    const waits = callers.map((caller) => cache.getOrLoad('k', load, how, caller.signal).catch((error: Error) => error.message))
    await Promise.resolve()
    callers[0]?.abort(new Error('first'))
    callers[1]?.abort(new Error('second'))
    expect(await waits[0]).toBe('first')
    expect(loadSignal?.aborted).toBe(false)
    callers[2]?.abort(new Error('third'))
    expect(await Promise.all(waits)).toEqual(['first', 'second', 'third'])
    expect(loadSignal?.aborted).toBe(true)
    expect(await cache.getOrLoad('k', () => Promise.resolve('anew'), how, signal)).toBe('anew')
  })

  test('whoever leaves, whatever the load comes to: the others share its outcome, and it is aborted only when all have left', async () => {
    const caller = fc.record({ leaves: fc.boolean(), late: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(caller, { minLength: 1, maxLength: 20, size: 'max' }),
        fc.constantFrom('value', '', 'failure'),
        fc.boolean(),
        async (plan, ending, stored) => {
          const { cache } = cacheOf(stored ? { store: { get: () => Promise.resolve(undefined), set: () => Promise.resolve() } } : {})
          let loads = 0
          let aborted = false
          let finish = (): void => undefined
          const load = (given: AbortSignal): Promise<string> => {
            loads += 1
            given.addEventListener('abort', () => {
              aborted = true
            })
            return new Promise((resolve, reject) => {
              finish = () => (ending === 'failure' ? reject(new Error('down')) : resolve(ending))
            })
          }
          const controllers = plan.map(() => new AbortController())
          const waits = controllers.map((controller) =>
            cache.getOrLoad('k', load, how, controller.signal).catch((error: Error) => error.message),
          )
          for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
          for (const [index, { leaves, late }] of plan.entries()) if (leaves && !late) controllers[index]?.abort(new Error(`left ${index}`))
          const allLeft = plan.every(({ leaves, late }) => leaves && !late)
          expect([loads, aborted]).toEqual([1, allLeft])
          finish()
          const outcomes = await Promise.all(waits)
          for (const [index, { leaves, late }] of plan.entries()) if (leaves && late) controllers[index]?.abort(new Error(`left ${index}`))
          const shared = ending === 'failure' ? 'down' : ending
          expect(outcomes).toEqual(plan.map(({ leaves, late }, index) => (leaves && !late ? `left ${index}` : shared)))
          expect([aborted, cache.get('k')]).toEqual([allLeft, ending === 'value' && !allLeft ? 'value' : undefined])
        },
      ),
    )
  })

  test('neither a failure nor what is not worth keeping is kept', async () => {
    const { cache } = cacheOf()
    await expect(cache.getOrLoad('k', () => Promise.reject(new Error('down')), how, signal)).rejects.toThrow('down')
    expect(await cache.getOrLoad('k', () => Promise.resolve(''), how, signal)).toBe('')
    expect(await cache.getOrLoad('k', () => Promise.resolve('good'), how, signal)).toBe('good')
    expect(cache.stats()).toMatchObject({ misses: 3, hits: 0 })
  })
})

test('what is deleted is gone, also when it is being loaded, and nobody waits in vain', async () => {
  const { cache } = cacheOf()
  for (const key of ['a', 'b', 'c']) cache.set(key, key, 1_000)
  cache.delete('a')
  expect([cache.get('a'), cache.get('b'), cache.stats().bytes]).toEqual([undefined, 'b', 2])
  const load = (): Promise<string> => Promise.resolve('old')
  const waits = [cache.getOrLoad('x', load, how, signal), cache.getOrLoad('y', load, how, signal)]
  cache.delete('x')
  cache.clear()
  expect(await Promise.all(waits)).toEqual(['old', 'old'])
  expect([cache.get('x'), cache.get('y'), cache.get('b')]).toEqual([undefined, undefined, undefined])
  expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 })
  cache.set('d', 'd', 1_000)
  expect(cache.get('d')).toBe('d')
})

test('an entry lives a day unless it is told otherwise', async () => {
  const { cache, clock } = cacheOf()
  cache.set('set', 'x')
  await cache.getOrLoad('loaded', () => Promise.resolve('x'), { keep: () => true }, signal)
  await clock.advance(86_399_999)
  expect([cache.get('set'), cache.get('loaded')]).toEqual(['x', 'x'])
  await clock.advance(1)
  expect([cache.get('set'), cache.get('loaded')]).toEqual([undefined, undefined])
})

test('a cache with room for nothing keeps nothing', () => {
  const { cache } = cacheOf({ maxEntries: 0 })
  cache.set('k', 'value', 1_000)
  expect(cache.get('k')).toBeUndefined()
})

describe('a store behind it', () => {
  const storeOf = (kept: Map<string, string>): Store<string> => ({
    get: (key) => Promise.resolve(kept.get(key)),
    set: async (key, value) => void kept.set(key, value),
  })

  test('is asked before a load, and told of one', async () => {
    const kept = new Map([['known', 'stored']])
    const { cache } = cacheOf({ store: storeOf(kept) })
    expect(await cache.getOrLoad('known', () => Promise.reject(new Error('not asked')), how, signal)).toBe('stored')
    await cache.getOrLoad('new', () => Promise.resolve('loaded'), how, signal)
    await cache.getOrLoad('empty', () => Promise.resolve(''), how, signal)
    expect([...kept]).toEqual([
      ['known', 'stored'],
      ['new', 'loaded'],
    ])
    expect(cache.stats().storeHits).toBe(1)
  })

  test('is told beside the way: the caller has its value before, and flush waits for it', async () => {
    let hear = (): void => undefined
    const slow: Store<string> = { get: () => Promise.resolve(undefined), set: () => new Promise((resolve) => void (hear = resolve)) }
    const { cache } = cacheOf({ store: slow })
    expect(await cache.getOrLoad('k', () => Promise.resolve('loaded'), how, signal)).toBe('loaded')
    let flushed = false
    const flush = cache.flush().then(() => {
      flushed = true
    })
    await Promise.resolve()
    expect(flushed).toBe(false)
    hear()
    await flush
    await cache.flush()
  })

  test('that fails is a miss', async () => {
    const broken: Store<string> = { get: () => Promise.reject(new Error('down')), set: () => Promise.reject(new Error('down')) }
    const { cache } = cacheOf({ store: broken })
    expect(await cache.getOrLoad('k', () => Promise.resolve('loaded'), how, signal)).toBe('loaded')
  })
})
