import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { option } from './engine.testkit.ts'
import { pickCritics, weigh, type ModelHistory } from './select.ts'

const analysis = { domain: 'code', complexity: 'moderate', language: 'en' } as const
const none: ReadonlyMap<string, ModelHistory> = new Map()

describe('the candidates', () => {
  it('put the specialist first and say why', () => {
    const ranked = weigh([option('a/plain'), option('b/coder', { specialties: ['code'] })], analysis, none)
    expect(ranked.map(({ model }) => model)).toEqual(['b/coder', 'a/plain'])
    expect(ranked[0]?.reasons).toContain('It is strong in code.')
    expect(ranked[1]?.reasons).toContain('It has no stated strength in code.')
  })

  it.each([
    ['better', { quality: 0.9 }],
    ['faster', { latencyMs: 10 }],
    ['cheaper', { price: { inputPerMillion: 0, outputPerMillion: 0 } }],
  ])('put a %s model before an equal one', (_name, advantage) => {
    expect(weigh([option('a/x'), option('b/x', advantage)], analysis, none)[0]?.model).toBe('b/x')
  })

  it('believe what was measured more the more calls there were', () => {
    const models = [option('a/x', { quality: 0.8 }), option('b/x', { quality: 0.7 })]
    const measured = (calls: number): ReadonlyMap<string, ModelHistory> =>
      new Map([['a/x', { calls, successRate: 0.6, qualityScore: 4, latencyMs: 1_000, costUsd: null, byDomain: {} }]])
    expect(weigh(models, analysis, measured(0))[0]?.model).toBe('a/x')
    expect(weigh(models, analysis, measured(200))[0]?.model).toBe('b/x')
    expect(weigh(models, analysis, measured(200))[1]?.reasons).toContain('60 % of its calls succeeded.')
  })

  it('go by what a model was worth in the domain of the prompt, and say so', () => {
    const models = [option('a/x'), option('b/x')]
    const measured = (model: string, scores: Readonly<Record<string, number>>): readonly [string, ModelHistory] => [
      model,
      {
        calls: 100,
        successRate: 1,
        qualityScore: 6,
        latencyMs: 1_000,
        costUsd: 0.01,
        byDomain: Object.fromEntries(Object.entries(scores).map(([domain, qualityScore]) => [domain, { verdicts: 50, qualityScore }])),
      },
    ]
    const history = new Map([measured('a/x', { code: 3, legal: 9 }), measured('b/x', { code: 9, legal: 3 })])
    const ranked = (domain: 'code' | 'legal') => weigh(models, { ...analysis, domain }, history)
    expect(ranked('code').map(({ model }) => model)).toEqual(['b/x', 'a/x'])
    expect(ranked('legal').map(({ model }) => model)).toEqual(['a/x', 'b/x'])
    expect(ranked('code')[0]?.reasons).toContain('In code they scored 9.0 in 50 verdicts.')
  })

  it('learn from what calls cost, whatever the price per token says', () => {
    const models = [option('a/x'), option('b/x')]
    const measured = (costUsd: number): ModelHistory => ({
      calls: 100,
      successRate: 1,
      qualityScore: null,
      latencyMs: 1_000,
      costUsd,
      byDomain: {},
    })
    expect(
      weigh(
        models,
        analysis,
        new Map([
          ['a/x', measured(0.1)],
          ['b/x', measured(0.001)],
        ]),
      )[0]?.model,
    ).toBe('b/x')
  })

  it('put a model that is not available last, however good', () => {
    const ranked = weigh(
      [option('a/x', { available: false, quality: 1, specialties: ['code'] }), option('b/x', { quality: 0 })],
      analysis,
      none,
    )
    expect(ranked.map(({ model }) => model)).toEqual(['b/x', 'a/x'])
  })

  it('stand in the same order whatever order the models come in', () => {
    const models = ['a/x', 'b/x', 'c/x', 'd/y'].map((name, index) => option(name, { quality: index === 3 ? 0.9 : 0.5 }))
    fc.assert(
      fc.property(fc.shuffledSubarray(models, { minLength: 4 }), (shuffled) => {
        expect(weigh(shuffled, analysis, none)).toEqual(weigh(models, analysis, none))
      }),
    )
  })

  it('have parts and a score from 0 to 1', () => {
    const [candidate] = weigh([option('a/x', { price: null })], analysis, none)
    for (const part of Object.values(candidate?.parts ?? {})) expect(part >= 0 && part <= 1).toBe(true)
    expect(candidate?.score).toBeGreaterThan(0)
    expect(candidate?.score).toBeLessThanOrEqual(1)
  })
})

describe('the critics', () => {
  const pick = (author: string, models: ReturnType<typeof option>[], count = 2): string[] =>
    pickCritics(author, weigh(models, analysis, none), models, count).map(({ model }) => model)

  it('prefer other providers and families than the author and each other', () => {
    const models = [
      option('openai/gpt-a', { family: 'gpt', quality: 0.9 }),
      option('openai/gpt-b', { family: 'gpt', quality: 0.8 }),
      option('anthropic/claude', { family: 'claude', quality: 0.7 }),
      option('anthropic/claude-mini', { family: 'claude', quality: 0.7 }),
      option('xai/grok', { family: 'grok', quality: 0.6 }),
    ]
    expect(pick('openai/gpt-a', models)).toEqual(['anthropic/claude', 'xai/grok'])
  })

  it('are as many as there are, when there are fewer than asked', () => {
    expect(pick('a/x', [option('a/x'), option('b/y')], 5)).toEqual(['b/y'])
    expect(pick('a/x', [option('a/x')])).toEqual([])
    expect(pick('a/x', [option('a/x'), option('b/y')], 0)).toEqual([])
  })

  it('leave out the author under the name another provider gives it', () => {
    expect(pick('openai/gpt-5', [option('openai/gpt-5'), option('openrouter/openai/gpt-5'), option('b/y')])).toEqual(['b/y'])
  })

  it('never hold the author, a model twice, or one that is not available', () => {
    const names = ['a/1', 'a/2', 'b/1', 'c/3', 'c/4']
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.nat(6),
        fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
        (author, count, available) => {
          const models = names.map((name, index) => option(name, { available: available[index] ?? true }))
          const critics = pick(author, models, count)
          expect(critics).not.toContain(author)
          expect(new Set(critics).size).toBe(critics.length)
          expect(critics.length).toBeLessThanOrEqual(count)
          for (const critic of critics) expect(available[names.indexOf(critic)]).toBe(true)
        },
      ),
    )
  })
})
