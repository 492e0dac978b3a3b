import { describe, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { OrxError } from '../core/errors.ts'
import { askTogether } from './together.ts'

/** Answers that come when the test says so. */
function asked(fails: (items: readonly number[]) => Error | null = () => null) {
  const clock = fakeClock()
  const out: { readonly items: readonly number[]; readonly back: () => void }[] = []
  const answer = (items: readonly number[]): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const back = (): void => {
        const failure = fails(items)
        if (failure === null) resolve(items.map((item) => `answer ${item}`))
        else reject(failure)
      }
      out.push({ items, back })
    })
  const alone = async (item: number): Promise<string> => (await answer([item]))[0] ?? ''
  const backs = async (from: number, to?: number): Promise<void> => {
    for (const { back } of out.slice(from, to)) back()
    await clock.advance(0)
  }
  return { clock, answer, alone, backs, sent: () => out.map(({ items }) => items) }
}

describe('different things', () => {
  test('an idle one is asked alone; what comes meanwhile goes together when that is back', async () => {
    const { clock, alone, answer, backs, sent } = asked()
    const ask = askTogether({ clock, keyOf: String, alone, together: answer })
    const answers = [ask(1)]
    await clock.advance(0)
    answers.push(ask(2), ask(3), ask(2))
    await clock.advance(0)
    expect(sent()).toEqual([[1]])
    await backs(0)
    expect(sent()).toEqual([[1], [2, 3]])
    await backs(1)
    expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3', 'answer 2'])
    expect(clock.pending()).toBe(0)
  })

  test('one that cannot be answered fails alone', async () => {
    const { clock, alone, answer, backs, sent } = asked((items) => (items.includes(3) ? new Error('3 cannot be read') : null))
    const ask = askTogether({ clock, keyOf: String, alone, together: answer })
    const answers = Promise.allSettled([2, 3, 4].map(ask))
    await clock.advance(0)
    await backs(0)
    expect(sent()).toEqual([[2, 3, 4], [2], [3], [4]])
    await backs(1)
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('a server that cannot be reached is not asked again for each', async () => {
    const lost = new OrxError('database_unreachable', 'lost', { hint: 'wait' })
    const { clock, alone, answer, backs, sent } = asked(() => lost)
    const ask = askTogether({ clock, keyOf: String, alone, together: answer })
    const answers = Promise.allSettled([ask(1), ask(2)])
    await clock.advance(0)
    await backs(0)
    expect(await answers).toEqual([1, 2].map(() => ({ status: 'rejected', reason: lost })))
    expect(sent()).toEqual([[1, 2]])
  })

  test('they are asked one by one where one answer would not hold them', async () => {
    const { clock, alone, backs, sent } = asked()
    const ask = askTogether({ clock, keyOf: String, alone, together: () => Promise.resolve(null) })
    const answers = Promise.all([ask(1), ask(2)])
    await clock.advance(0)
    await backs(0)
    expect(await answers).toEqual(['answer 1', 'answer 2'])
    expect(sent()).toEqual([[1], [2]])
  })

  test('each has its own end, also one that waits behind another', async () => {
    const { clock, alone, answer, backs, sent } = asked()
    const ask = askTogether({ clock, keyOf: String, alone, together: answer })
    const first = ask(1).catch((error: unknown) => error)
    await clock.advance(3_000)
    const second = ask(2).catch((error: unknown) => error)
    await clock.advance(5_000)
    expect(await first).toMatchObject({ code: 'database_unreachable' })
    const third = ask(3)
    await clock.advance(3_000)
    expect(await second).toMatchObject({ code: 'database_unreachable' })
    await backs(0)
    // Nobody waits for the second any more.
    expect(sent()).toEqual([[1], [3]])
    await backs(1)
    expect(await third).toBe('answer 3')
  })
})

test('what comes to the same is asked once for all that wait for it, and after each of them has come', async () => {
  const { clock, alone, answer, backs, sent } = asked()
  const ask = askTogether({ clock, keyOf: String, alone, together: answer })
  const answers = [ask(1)]
  await clock.advance(0)
  answers.push(ask(1), ask(1))
  await clock.advance(0)
  expect(sent()).toEqual([[1]])
  await backs(0)
  expect(sent()).toEqual([[1], [1]])
  await backs(1)
  expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 1', 'answer 1'])
})

test('no more are asked together than one answer should hold', async () => {
  const { clock, alone, answer, backs, sent } = asked()
  const ask = askTogether({ clock, keyOf: String, alone, together: answer, most: 2 })
  const answers = Promise.all([1, 2, 3, 4, 5].map(ask))
  await clock.advance(0)
  await backs(0)
  await backs(1)
  await backs(2)
  expect(sent()).toEqual([[1, 2], [3, 4], [5]])
  expect(await answers).toHaveLength(5)
})
