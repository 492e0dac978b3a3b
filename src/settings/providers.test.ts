import { describe, expect, test } from 'vitest'
import { providerSettings, secretsOf } from './providers.ts'
import { chooseModels, type ModelChoice } from './models.ts'
import type { Sources } from './sources.ts'

const nothing: Sources = { home: '/nowhere', env: {}, dotenv: {}, project: null, user: null }
const signal = new AbortController().signal

describe('each key or base URL adds a provider', () => {
  test('and none gives none', () => {
    expect(providerSettings(nothing).providers).toEqual([])
    const { providers } = providerSettings({
      ...nothing,
      env: { OPENAI_API_KEY: 'key-of-openai', ORX_BASE_URL: 'http://127.0.0.1:11434/v1' },
    })
    expect(providers.map(({ endpoint, baseUrl }) => [endpoint.name, baseUrl])).toEqual([
      ['openai', 'https://api.openai.com/v1'],
      ['local', 'http://127.0.0.1:11434/v1'],
    ])
    expect(providers[0]?.key?.reveal()).toBe('key-of-openai')
    expect(JSON.stringify(providers)).not.toContain('key-of-openai')
  })

  test.each(['not a url', 'ftp://x/v1', 'http://user:pass@127.0.0.1/v1'])('a base URL of %s is refused', (url) => {
    expect(() => providerSettings({ ...nothing, env: { OPENAI_BASE_URL: url } })).toThrow(expect.objectContaining({ code: 'settings' }))
  })
})

describe('a base URL of the working folder', () => {
  const hostile = { OPENAI_BASE_URL: 'http://evil.example/v1' }

  test.each([
    ['with a key of the environment', { env: { OPENAI_API_KEY: 'my-own-key' }, dotenv: hostile }],
    ['with a key of the user file', { user: { path: 'u', values: { OPENAI_API_KEY: 'my-own-key' } }, dotenv: hostile }],
    [
      'in orx.config.json, with a key of the environment',
      { env: { OPENAI_API_KEY: 'my-own-key' }, project: { path: 'p', values: hostile } },
    ],
  ])('%s is not used, and that is said', (_, more) => {
    const { providers, warnings } = providerSettings({ ...nothing, ...more })
    expect(providers.map(({ baseUrl }) => baseUrl)).toEqual(['https://api.openai.com/v1'])
    expect(warnings).toEqual([expect.stringContaining('OPENAI_BASE_URL of the working folder is not used')])
  })

  test('gets no key of a file that the user named, nor does such a file get one of the folder', () => {
    const named = { path: '/home/me/orx.json', isNamed: true as const }
    const key = { OPENAI_API_KEY: 'my-own-key' }
    const used = (sources: Partial<Sources>): readonly string[] =>
      providerSettings({ ...nothing, ...sources }).providers.map(({ baseUrl }) => baseUrl)
    expect(used({ project: { ...named, values: key }, dotenv: hostile })).toEqual(['https://api.openai.com/v1'])
    expect(used({ project: { ...named, values: hostile }, env: key })).toEqual(['https://api.openai.com/v1'])
    expect(used({ project: { ...named, values: { ...hostile, ...key } } })).toEqual(['http://evil.example/v1'])
  })

  test('is used with a key from the same place, or without a key on this machine alone', () => {
    expect(providerSettings({ ...nothing, dotenv: { ...hostile, OPENAI_API_KEY: 'key-of-the-folder' } }).providers[0]?.baseUrl).toBe(
      'http://evil.example/v1',
    )
    expect(providerSettings({ ...nothing, dotenv: { ORX_BASE_URL: 'http://127.0.0.1:1234/v1' } }).providers[0]?.endpoint.name).toBe('local')
    expect(providerSettings({ ...nothing, dotenv: { ORX_BASE_URL: 'http://evil.example/v1' } })).toMatchObject({
      providers: [],
      warnings: [expect.stringContaining('no key of its own')],
    })
  })

  test('does not stand in the way of one of the environment', () => {
    const sources = { ...nothing, env: { OPENAI_API_KEY: 'my-own-key', OPENAI_BASE_URL: 'https://proxy.example/v1' }, dotenv: hostile }
    expect(providerSettings(sources)).toMatchObject({ providers: [{ baseUrl: 'https://proxy.example/v1' }], warnings: [] })
  })
})

test('the secrets of all places are known to the redactor, the password of the database among them', () => {
  const secrets = secretsOf({
    ...nothing,
    env: { XAI_API_KEY: 'key-1', ORX_MONGODB_URI: 'mongodb://admin:p%40ss@h/x' },
    dotenv: { ORX_API_KEY: 'key-2' },
  })
  expect(secrets).toEqual(expect.arrayContaining(['key-1', 'key-2', 'p%40ss', 'p@ss']))
})

describe('names of models', () => {
  const choose = (
    names: readonly string[] | null,
    more: Partial<ModelChoice> = {},
    providers: readonly string[] = ['openai', 'xai', 'local'],
  ) =>
    chooseModels(providers, () => Promise.resolve(['llama3', 'gpt-4o-mini']), { names, author: null, assumedPrice: null, ...more }, signal)

  test('without any, all that are known take part; local ones are listed and cost nothing', async () => {
    const { models } = await choose(null)
    expect(models.map(({ model }) => model)).toEqual(expect.arrayContaining(['openai/gpt-4.1', 'xai/grok-3-mini', 'local/llama3']))
    expect(models.find(({ model }) => model === 'local/llama3')?.price).toEqual({ inputPerMillion: 0, outputPerMillion: 0 })
  })

  test('a bare name is enough where only one provider has it', async () => {
    expect((await choose(['gpt-4.1', 'llama3'])).models.map(({ model }) => model)).toEqual(['openai/gpt-4.1', 'local/llama3'])
    await expect(choose(['gpt-4o-mini'])).rejects.toMatchObject({
      code: 'unknown_model',
      message: expect.stringContaining('openai/gpt-4o-mini, local/gpt-4o-mini') as string,
    })
  })

  test('a hosted provider may have a model that the catalog does not know; its price is unknown unless it is assumed', async () => {
    expect((await choose(['openai/gpt-9'])).models[0]).toMatchObject({ model: 'openai/gpt-9', price: null })
    const assumedPrice = { inputPerMillion: 1, outputPerMillion: 2 }
    expect((await choose(['openai/gpt-9', 'openai/gpt-4.1'], { assumedPrice })).models.map(({ price }) => price?.outputPerMillion)).toEqual(
      [2, 8],
    )
  })

  test('the author takes part even where --models leaves it out', async () => {
    const chosen = await choose(['openai/gpt-4.1'], { author: 'grok-3-mini' })
    expect([chosen.author, chosen.models.map(({ model }) => model)]).toEqual(['xai/grok-3-mini', ['xai/grok-3-mini', 'openai/gpt-4.1']])
  })

  test.each([
    ['nobody', 'unknown_model', 2],
    ['local/missing', 'unknown_model', 2],
    ['simulated/atlas', 'unknown_model', 2],
    ['anthropic/claude-opus-5', 'credential_missing', 4],
  ])('%s is %s', async (name, code, exitCode) => {
    await expect(choose([name])).rejects.toMatchObject({ code, exitCode })
  })

  test('a local server that keeps no list is taken at the word of whoever names a model of it', async () => {
    const { OrxError } = await import('../core/errors.ts')
    const listless = () => Promise.reject(new OrxError('not_found', 'local answered with status 404'))
    const choice = { names: ['local/mine'], author: null, assumedPrice: null }
    expect((await chooseModels(['local'], listless, choice, signal)).models.map(({ model }) => model)).toEqual(['local/mine'])
    await expect(chooseModels(['local'], listless, { ...choice, names: null }, signal)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a local server that does not answer is left out with a warning, unless it is the only provider', async () => {
    const { OrxError } = await import('../core/errors.ts')
    const down = () => Promise.reject(new OrxError('provider_unreachable', 'nothing listens there'))
    const choice = { names: null, author: null, assumedPrice: null }
    expect((await chooseModels(['xai', 'local'], down, choice, signal)).warnings).toEqual(['local is left out: nothing listens there'])
    await expect(chooseModels(['local'], down, choice, signal)).rejects.toMatchObject({ code: 'provider_unreachable' })
  })
})
