import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cacheKeyOf, type KeyedOrder } from './cacheKey.ts'

const provider = { identity: 'openai', baseUrl: 'https://api.openai.com/v1' }

/** Few different characters, digits and separators of the key among them, and halves of surrogate pairs. */
const text = fc.string({ unit: fc.constantFrom('a', '1', ':', '"', '\n', '\ud83d', '\ude00', 'ö'), maxLength: 6 })

const order: fc.Arbitrary<KeyedOrder> = fc.record({
  scope: text,
  promptVersion: text,
  step: fc.record({
    threadId: fc.constant('thread'),
    iteration: fc.integer({ min: 1, max: 12 }),
    role: fc.constantFrom('primary' as const, 'critic' as const),
    sample: fc.nat(11),
  }),
  request: fc
    .record({
      messages: fc.array(fc.record({ role: fc.constantFrom('user' as const, 'assistant' as const), content: text }), { maxLength: 3 }),
      maxTokens: fc.nat(12),
      temperature: fc.option(fc.constantFrom(0, 0.5, 1)),
      stream: fc.boolean(),
    })
    .map(({ temperature, ...rest }) => (temperature === null ? rest : { ...rest, temperature })),
})

const partsOf = ({ scope, promptVersion, step, request }: KeyedOrder): string =>
  JSON.stringify([
    scope,
    promptVersion,
    [step.iteration, step.role, step.sample],
    [request.maxTokens, request.temperature ?? null, request.messages.map(({ role, content }) => [role, content])],
  ])

test('two orders have the same key exactly when all that an answer hangs on is the same', () => {
  fc.assert(
    fc.property(order, order, text, text, (one, other, model, otherModel) => {
      const isSame = partsOf(one) === partsOf(other) && model === otherModel
      expect(cacheKeyOf(provider, one, model) === cacheKeyOf(provider, other, otherModel)).toBe(isSame)
      const again = { ...one, step: { ...one.step, threadId: 'another' }, request: { ...one.request, stream: !one.request.stream } }
      expect(cacheKeyOf(provider, again, model)).toBe(cacheKeyOf(provider, one, model))
    }),
    { numRuns: 2_000 },
  )
})

test('what stands on one side of a border does not pass for what stands on the other', () => {
  const base: KeyedOrder = {
    scope: 'me',
    promptVersion: '1',
    step: { threadId: 't', iteration: 1, role: 'primary', sample: 0 },
    request: { messages: [], maxTokens: 1, stream: false },
  }
  const keys = [
    { scope: 'a1:b', promptVersion: '' },
    { scope: 'a', promptVersion: '1:b' },
    { scope: 'a1', promptVersion: ':b' },
    { scope: '\ud800', promptVersion: '' },
    { scope: '\ud801', promptVersion: '' },
    { scope: '\ufffd', promptVersion: '' },
    { scope: '"\\ud800"', promptVersion: '' },
  ].map((more) => cacheKeyOf(provider, { ...base, ...more }, 'openai/one'))
  expect(new Set(keys).size).toBe(keys.length)
})
