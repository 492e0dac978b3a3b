// How the built program starts: with what V8 made of it before, without where that does not fit, and with a word where there is none.
import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { binary } from './binary.testkit.ts'

const root = dirname(dirname(binary))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-start-'))
  for (const part of ['bin', 'dist']) await cp(join(root, part), join(folder, part), { recursive: true })
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

function start(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'bin/orx.js'), ...words], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('the built program', () => {
  test('comes with what this V8 made of it', async () => {
    const filename = join(folder, 'dist/start.cjs')
    const [source, cachedData] = await Promise.all([readFile(filename, 'utf8'), readFile(`${filename}.cache`)])
    expect(new Script(source, { filename, cachedData }).cachedDataRejected).toBe(false)
  })

  test('starts without that where it is damaged', async () => {
    await truncate(join(folder, 'dist/start.cjs.cache'), 1_000)
    expect(start('--version')).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' })
    expect(start('completion', 'bash')).toMatchObject({ status: 0, stderr: '' })
  })

  test('says what to do when it is not there', async () => {
    await rm(join(folder, 'dist'), { recursive: true })
    expect(start('--help')).toEqual({ status: 1, stdout: '', stderr: 'orx: the program is not built yet.\n  hint: npm run build\n' })
  })
})
