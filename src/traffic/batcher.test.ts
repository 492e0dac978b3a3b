import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { makeBatcher, type ItemOutcome } from './batcher.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('full or late', () => {
  function batcherOf() {
    const clock = fakeClock()
    const batches: { key: string; items: readonly number[] }[] = []
    const batcher = makeBatcher<number, string>({
      clock,
      leaves: 'full-or-late',
      run: async (items, key) => {
        batches.push({ key, items })
        return items.map((item): ItemOutcome<string> =>
          item < 0 ? { ok: false, error: new Error(`bad ${item}`) } : { ok: true, value: `${key}${item}` },
        )
      },
    })
    return { clock, batcher, batches }
  }

  test('a batch of a key leaves with its fifth item, or two seconds after its first', async () => {
    const { clock, batcher, batches } = batcherOf()
    const full = Promise.all([1, 2, 3, 4, 5].map((item) => batcher.add(item, 'a')))
    const late = batcher.add(6, 'b')
    expect(await full).toEqual(['a1', 'a2', 'a3', 'a4', 'a5'])
    await clock.advance(1_999)
    expect(batches).toHaveLength(1)
    await clock.advance(1)
    expect(await late).toBe('b6')
    expect(batches).toEqual([
      { key: 'a', items: [1, 2, 3, 4, 5] },
      { key: 'b', items: [6] },
    ])
    expect(clock.pending()).toBe(0)
  })

  test('one bad item fails alone', async () => {
    const { clock, batcher } = batcherOf()
    const outcomes = Promise.allSettled([1, -2, 3].map((item) => batcher.add(item)))
    await clock.advance(2_000)
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('who leaves while it waits is not done, and the last one leaves no timer', async () => {
    const { clock, batcher, batches } = batcherOf()
    const controller = new AbortController()
    const stays = batcher.add(1)
    const leaves = batcher.add(2, '', controller.signal)
    controller.abort(new Error('enough'))
    await expect(leaves).rejects.toThrow('enough')
    await clock.advance(2_000)
    await stays
    expect(batches.map(({ items }) => items)).toEqual([[1]])
    const alone = batcher.add(3, 'c', AbortSignal.abort(new Error('gone')))
    await expect(alone).rejects.toThrow('gone')
    const second = new AbortController()
    const last = batcher.add(4, 'd', second.signal)
    second.abort(new Error('gone too'))
    await expect(last).rejects.toThrow('gone too')
    expect(clock.pending()).toBe(0)
  })

  test('whatever comes when, each caller gets its own result once, and no batch is too large or too late', async () => {
    const item = fc.record({ afterMs: fc.nat(1_500), key: fc.constantFrom('a', 'b'), cancelled: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 30 }), async (items) => {
        const { clock, batcher, batches } = batcherOf()
        const waits: Promise<unknown>[] = []
        for (const [index, { afterMs, key, cancelled }] of items.entries()) {
          await clock.advance(afterMs)
          const controller = new AbortController()
          waits.push(batcher.add(index, key, controller.signal).catch((error: Error) => error.message))
          if (cancelled) controller.abort(new Error(`cancelled ${index}`))
        }
        await clock.advance(2_000)
        const results = await Promise.all(waits)
        for (const [index, { key, cancelled }] of items.entries()) {
          // An item that filled its batch was out before it could be cancelled.
          if (cancelled) expect(results[index]).toBe(`cancelled ${index}`)
          else expect(results[index]).toBe(`${key}${index}`)
        }
        expect(batches.every((batch) => batch.items.length > 0 && batch.items.length <= 5)).toBe(true)
        expect(clock.pending()).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
})

describe('when the last is back', () => {
  function handBatcher() {
    const out: { items: readonly number[]; finish: (outcomes: readonly ItemOutcome<string>[]) => void; fail: (error: Error) => void }[] = []
    const batcher = makeBatcher<number, string>({
      clock: fakeClock(),
      leaves: 'when-back',
      maxSize: 1_000,
      run: (items) => new Promise((resolve, reject) => out.push({ items, finish: resolve, fail: reject })),
    })
    return { out, batcher }
  }
  const ok = (value: string): ItemOutcome<string> => ({ ok: true, value })

  test('an item that finds nothing out leaves at once, what gathers meanwhile leaves together', async () => {
    const { out, batcher } = handBatcher()
    const first = batcher.add(1)
    await turn()
    const others = [2, 3, 4].map((item) => batcher.add(item))
    await turn()
    expect(out.map(({ items }) => items)).toEqual([[1]])
    out[0]?.finish([ok('one')])
    expect(await first).toBe('one')
    await turn()
    expect(out.map(({ items }) => items)).toEqual([[1], [2, 3, 4]])
    out[1]?.finish(['two', 'three', 'four'].map(ok))
    expect(await Promise.all(others)).toEqual(['two', 'three', 'four'])
  })

  test('a batch that rejects fails its own items, the next one goes on; too few outcomes are an error, not silence', async () => {
    const { out, batcher } = handBatcher()
    const failed = batcher.add(1)
    await turn()
    const short = batcher.add(2)
    out[0]?.fail(new Error('broken'))
    await expect(failed).rejects.toThrow('broken')
    await turn()
    out[1]?.finish([])
    await expect(short).rejects.toThrow(/a batch of 1 came to 0 outcomes/)
  })

  test('a batch takes no more than it may', async () => {
    const { out, batcher } = handBatcher()
    for (let item = 0; item < 1_500; item += 1) void batcher.add(item)
    await turn()
    expect(out[0]?.items).toHaveLength(1_000)
  })

  test('whatever comes, fails, leaves or is short, each caller hears its own outcome once, and no more than one batch is out', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), bad: fc.boolean(), signal: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat(20) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('back' as const), how: fc.constantFrom('ok', 'short', 'fails') }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const out: { items: readonly number[]; back: (how: string) => void }[] = []
        const bad = new Set<number>()
        const batcher = makeBatcher<number, string>({
          clock: fakeClock(),
          leaves: 'when-back',
          maxSize: 4,
          run: (items) =>
            new Promise((resolve, reject) => {
              const back = (how: string): void => {
                const outcomes = items.map((item) =>
                  bad.has(item) ? { ok: false as const, error: new Error(`bad ${item}`) } : ok(`done ${item}`),
                )
                if (how === 'fails') reject(new Error('broken'))
                else resolve(how === 'short' ? [] : outcomes)
              }
              out.push({ items, back })
            }),
        })
        const expected = new Map<number, string>()
        const heard = new Map<number, string[]>()
        const waiting = new Set<number>()
        const controllers = new Map<number, AbortController>()
        const answer = (how: string): void => {
          const batch = out.shift()
          for (const item of batch?.items ?? []) {
            if (expected.has(item)) continue
            expected.set(item, how === 'fails' ? 'broken' : how === 'short' ? 'too few' : bad.has(item) ? `bad ${item}` : `done ${item}`)
          }
          batch?.back(how)
        }
        const seen = new Set<number>()
        const look = (): void => {
          expect(out.length).toBeLessThanOrEqual(1)
          for (const { items } of out) {
            expect(items.length).toBeGreaterThan(0)
            expect(items.length).toBeLessThanOrEqual(4)
            for (const item of items) seen.add(item)
          }
        }
        for (const [item, action] of steps.entries()) {
          if (action.kind === 'add') {
            if (action.bad) bad.add(item)
            const controller = new AbortController()
            if (action.signal) controllers.set(item, controller)
            waiting.add(item)
            heard.set(item, [])
            const hear = (text: string): void => void heard.get(item)?.push(text)
            void batcher.add(item, '', action.signal ? controller.signal : undefined).then(hear, (error: Error) => hear(error.message))
          } else if (action.kind === 'leave') {
            const item = [...controllers.keys()][action.which]
            if (item === undefined || expected.has(item)) continue
            expected.set(item, 'left')
            controllers.get(item)?.abort(new Error('left'))
          } else if (action.kind === 'back') answer(action.how)
          else await turn()
          look()
        }
        await turn()
        for (look(); out.length > 0; look()) {
          answer('ok')
          await turn()
        }
        for (const item of waiting) {
          const told = heard.get(item)?.map((text) => (/came to 0 outcomes/.test(text) ? 'too few' : text))
          expect(told).toEqual([expected.get(item)])
          // Whoever stayed was done.
          if (expected.get(item) !== 'left') expect(seen.has(item)).toBe(true)
        }
      }),
      { numRuns: 150 },
    )
  })
})
