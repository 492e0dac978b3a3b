import fc from 'fast-check'
import { expect, test } from 'vitest'
import { enterAll, type Gate, type Settlement } from './gate.ts'

const endings: readonly Settlement[] = ['ok', 'error', 'timeout', 'aborted', 'unsent']

test('whichever gate waits, refuses or is left, each ticket is settled exactly once, in reverse, and no gate holds anything after', async () => {
  const plan = fc.record({
    waits: fc.boolean(),
    settlesLate: fc.boolean(),
    refuses: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { maxLength: 6 }),
      fc.constantFrom(...endings),
      fc.boolean(),
      fc.integer({ min: 1, max: 3 }),
      async (plans, ending, isSent, settlings) => {
        const told: string[] = []
        const waited: string[] = []
        let held = 0
        const gates = plans.map(({ waits, settlesLate, refuses }, index): Gate<string, string> => {
          const name = `gate ${index}`
          const enter = () => {
            if (refuses) throw new Error(`${name} refuses`)
            told.push(`enter ${index}`)
            held += 1
            return {
              sent: () => void told.push(`sent ${index}`),
              settle: (settlement: Settlement, result?: string) => {
                const settle = (): void => {
                  told.push(`settle ${index} ${settlement} ${result ?? '-'}`)
                  held -= 1
                }
                if (!settlesLate) return settle()
                return new Promise<void>((resolve) => setImmediate(() => resolve(settle())))
              },
            }
          }
          return {
            name,
            enter: waits
              ? () => new Promise((resolve, reject) => setImmediate(() => Promise.resolve().then(enter).then(resolve, reject)))
              : enter,
          }
        })
        const onWaiting = (gate: string): (() => void) => {
          waited.push(gate)
          return () => void waited.push(`${gate} over`)
        }
        const refusing = plans.findIndex(({ refuses }) => refuses)
        const passed = refusing === -1 ? plans.length : refusing
        const entering = enterAll(gates, 'request', new AbortController().signal, onWaiting)
        const entered = plans.slice(0, passed).map((_, index) => `enter ${index}`)
        const settled = (how: string): string[] =>
          plans
            .slice(0, passed)
            .map((_, index) => `settle ${index} ${how}`)
            .toReversed()
        if (refusing !== -1) {
          await expect(entering).rejects.toThrow(`gate ${refusing} refuses`)
          expect(told).toEqual([...entered, ...settled('unsent -')])
        } else {
          const ticket = await entering
          if (isSent) ticket.sent()
          for (let time = 0; time < settlings; time += 1) await ticket.settle(ending, 'result')
          const sent = isSent ? plans.map((_, index) => `sent ${index}`) : []
          expect(told).toEqual([...entered, ...sent, ...settled(`${ending} result`)])
        }
        expect(held).toBe(0)
        const asked = plans.slice(0, refusing === -1 ? plans.length : refusing + 1)
        expect(waited).toEqual(asked.flatMap(({ waits }, index) => (waits ? [`gate ${index}`, `gate ${index} over`] : [])))
      },
    ),
    { numRuns: 200 },
  )
})
