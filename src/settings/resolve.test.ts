import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { choice, decimal, duration, integer, list, onOff, type OptionTable } from './option.ts'
import { resolveOptions } from './resolve.ts'
import { readSources, type Sources } from './sources.ts'

const table = {
  maxCost: { flags: '--max-cost <usd>', description: '', parse: decimal(0, 1_000), fallback: null },
  critics: { flags: '--critics <n>', description: '', parse: integer(0, 9), fallback: 2 },
  models: { flags: '--models <names>', description: '', parse: list, fallback: null },
  cache: { flags: '--no-cache', description: '', parse: onOff, fallback: true },
  db: { flags: '--db <which>', description: '', parse: choice(['auto', 'none']), fallback: 'auto' },
  deadline: { flags: '--deadline <duration>', description: '', parse: duration(1), fallback: 120_000 },
  yes: { flags: '--yes', description: '', parse: onOff, fallback: false, flagOnly: true },
} satisfies OptionTable

const nothing: Sources = { home: '/nowhere', env: {}, dotenv: {}, project: null, user: null }
const project = { path: 'orx.config.json', values: { critics: 4, cache: false, models: ['a', 'b'] } }
const user = { path: 'config.json', values: { critics: 5, maxCost: 7 } }

describe('resolveOptions', () => {
  test('takes a flag before the environment, .env, the project, the user and the default', () => {
    const all: Sources = { ...nothing, env: { ORX_CRITICS: '2' }, dotenv: { ORX_CRITICS: '3' }, project, user }
    const winner = (flags: Record<string, string>, sources: Sources) => {
      const { values, origins } = resolveOptions(table, flags, sources)
      return [values.critics, origins.critics]
    }
    expect(winner({ critics: '1' }, all)).toEqual([1, 'flag'])
    expect(winner({}, all)).toEqual([2, 'environment'])
    expect(winner({}, { ...all, env: {} })).toEqual([3, '.env'])
    expect(winner({}, { ...all, env: {}, dotenv: {} })).toEqual([4, 'project file'])
    expect(winner({}, { ...nothing, user })).toEqual([5, 'user file'])
    expect(winner({}, nothing)).toEqual([2, 'default'])
  })

  test('reads a negated flag, its variable and its key alike', () => {
    expect(resolveOptions(table, { cache: false }, nothing).values.cache).toBe(false)
    expect(resolveOptions(table, {}, { ...nothing, env: { ORX_NO_CACHE: '1' } }).values.cache).toBe(false)
    expect(resolveOptions(table, {}, { ...nothing, env: { ORX_NO_CACHE: 'false' } }).values.cache).toBe(true)
    expect(resolveOptions(table, {}, { ...nothing, project }).values.cache).toBe(false)
  })

  test('takes a list from a file as from a flag', () => {
    expect(resolveOptions(table, {}, { ...nothing, project }).values.models).toEqual(['a', 'b'])
    expect(resolveOptions(table, { models: 'a, b,a' }, nothing).values.models).toEqual(['a', 'b'])
  })

  test('never takes a confirmation from anywhere but a flag', () => {
    const everywhere: Sources = {
      ...nothing,
      env: { ORX_YES: '1' },
      dotenv: { ORX_YES: '1' },
      project: { path: 'p', values: { yes: true } },
    }
    expect(resolveOptions(table, {}, everywhere).values.yes).toBe(false)
  })

  test('lists every value that does not fit, each by the name it was given under', () => {
    const bad = { ...nothing, env: { ORX_MAX_COST: 'free' }, project: { path: 'p.json', values: { deadline: 5 } } }
    expect(() => resolveOptions(table, { critics: '1.5', db: 'mysql' }, bad)).toThrow(
      /ORX_MAX_COST: expected a number.*--critics: expected a whole number.*--db: expected one of auto, none.*"deadline" in p.json/,
    )
  })
})

describe('readSources', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orx-settings-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('reads .env, orx.config.json and the file of the user', async () => {
    await writeFile(join(folder, '.env'), 'ORX_CRITICS=3\n# a comment\nOPENAI_API_KEY="from-dotenv"\n')
    await writeFile(join(folder, 'orx.config.json'), '{ "critics": 4 }')
    await writeFile(join(folder, 'config.json'), '{ "critics": 5 }')
    const sources = readSources({ env: { ORX_HOME: '.' }, cwd: folder, homeDir: '/nowhere' })
    expect(sources.home).toBe(folder)
    expect(sources.dotenv).toEqual({ ORX_CRITICS: '3', OPENAI_API_KEY: 'from-dotenv' })
    expect([sources.project?.values, sources.user?.values]).toEqual([{ critics: 4 }, { critics: 5 }])
  })

  test('has a home of its own when none is named', () => {
    expect(readSources({ env: {}, cwd: folder, homeDir: '/home/somebody' }).home).toBe('/home/somebody/.orx')
  })

  test.each([
    ['{ broken', /expected JSON/],
    ['[1]', /expected one JSON object/],
  ])('refuses a settings file that says %s', async (text, message) => {
    await writeFile(join(folder, 'orx.config.json'), text)
    expect(() => readSources({ env: {}, cwd: folder, homeDir: folder })).toThrow(message)
  })

  test('quotes nothing of a settings file that is no JSON: a key may stand there', async () => {
    await writeFile(join(folder, 'orx.config.json'), '{"OPENAI_API_KEY": sk-secret}')
    const read = (): unknown => readSources({ env: {}, cwd: folder, homeDir: folder })
    expect(read).toThrow(/expected JSON/)
    expect(read).not.toThrow(/sk-|secret|API_KEY/)
  })

  test('tells a file that the user named from one that lay in the folder, and no file names another', async () => {
    await writeFile(join(folder, 'mine.json'), '{}')
    await writeFile(join(folder, 'orx.config.json'), '{"critics": 4}')
    const read = (env: Record<string, string>, configFile?: string) =>
      readSources({ env, cwd: folder, homeDir: folder, configFile }).project
    expect(read({}, 'mine.json')).toMatchObject({ isNamed: true, values: {} })
    expect(read({ ORX_CONFIG: 'mine.json' })).toMatchObject({ isNamed: true, values: {} })
    await writeFile(join(folder, '.env'), 'ORX_CONFIG=mine.json\n')
    const found = read({ ORX_CONFIG: '' })
    expect(found?.values).toEqual({ critics: 4 })
    expect(found?.isNamed).toBeUndefined()
  })

  test('refuses a --config file that is not there', () => {
    expect(() => readSources({ env: {}, cwd: folder, homeDir: folder, configFile: 'missing.json' })).toThrow(/cannot read .*missing.json/)
  })
})
