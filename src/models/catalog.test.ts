import { expect, test } from 'vitest'
import { z } from 'zod'
import catalog from '../../fixtures/models.json' with { type: 'json' }
import { domains, profilesOf } from './catalog.ts'
import { endpoints } from './endpoints.ts'

const rates = {
  inputPerMillion: z.number().nonnegative(),
  outputPerMillion: z.number().nonnegative(),
  cachedInputPerMillion: z.number().nonnegative().optional(),
}
const profile = z.strictObject({
  provider: z.enum([...endpoints.map(({ name }) => name), 'simulated']),
  model: z.string().min(1),
  family: z.string().min(1),
  specialties: z.array(z.enum(domains)).min(1),
  quality: z.number().min(0).max(1),
  latencyMs: z.number().positive(),
  contextTokens: z.int().positive(),
  price: z.strictObject({
    ...rates,
    tiers: z
      .array(z.strictObject({ ...rates, aboveInputTokens: z.int().positive() }))
      .min(1)
      .optional(),
  }),
})
const file = z.strictObject({ asOf: z.iso.date(), source: z.string().min(1), models: z.array(profile).min(1) })

test('the file of models is of the form that the catalog takes it for', () => {
  expect(file.safeParse(catalog).error).toBeUndefined()
})

test('no model stands in it twice, cached input is never dearer, and tiers come with the highest first', () => {
  const { models } = file.parse(catalog)
  expect(new Set(models.map(({ provider, model }) => `${provider}/${model}`)).size).toBe(models.length)
  for (const { model, price } of models) {
    for (const { inputPerMillion, cachedInputPerMillion = 0 } of [price, ...(price.tiers ?? [])])
      expect(cachedInputPerMillion, model).toBeLessThanOrEqual(inputPerMillion)
    const bounds = (price.tiers ?? []).map(({ aboveInputTokens }) => aboveInputTokens)
    expect(bounds, model).toEqual(bounds.toSorted((a, b) => b - a))
  }
})

test('there are models of every provider with an address of its own, and a simulated one for every domain', () => {
  for (const { name, defaultBaseUrl } of endpoints)
    if (defaultBaseUrl !== null) expect(profilesOf(name).length, name).toBeGreaterThanOrEqual(3)
  expect(profilesOf('openai').every(({ provider }) => provider === 'openai')).toBe(true)
  expect(new Set(profilesOf('simulated').flatMap(({ specialties }) => specialties))).toEqual(new Set(domains))
})
