// The commands around a run: through Io, on a real MongoDB, without a provider.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../cli.ts'
import { makeRecorder } from '../database/record/recorder.ts'
import { sampleRun } from '../database/record/sampleRun.testkit.ts'
import { startTestMongod, type TestMongod } from '../database/embedded/mongod.testkit.ts'
import { makeIo } from '../io.ts'
import { fakeIo } from '../io.testkit.ts'
import { foldRun } from '../orchestration/fold.ts'

const { runtime } = makeIo(process, '')
const ids = { first: '1'.repeat(24), second: '2'.repeat(24), session: 'a'.repeat(24) }
const runs = [
  sampleRun({ runId: 'first', sessionId: ids.session, threadId: ids.first, salt: 1 }),
  sampleRun({ runId: 'second', sessionId: ids.session, threadId: ids.second, salt: 2, iterations: 1 }),
]
let mongod: TestMongod
let folder: string

beforeAll(async () => {
  mongod = await startTestMongod()
  folder = await mkdtemp(join(tmpdir(), 'orx-commands-'))
  const client = await new MongoClient(mongod.uri).connect()
  const recorder = makeRecorder({ db: client.db(), clock: runtime.clock, fold: foldRun })
  recorder.openSession({ id: ids.session, userId: 'tester', maxIterations: 5, settings: {}, simulated: false })
  for (const events of runs) {
    const record = recorder.run()
    for (const event of events) record.listen(event)
    expect(await record.flush()).toEqual({ persisted: true })
  }
  await client.close()
})
afterAll(async () => {
  await mongod.stop()
  await rm(folder, { recursive: true, force: true })
})

async function orx(argv: readonly string[], env: Record<string, string> = {}) {
  const io = fakeIo({
    argv,
    env: { ORX_HOME: join(folder, 'home'), ORX_MONGODB_URI: mongod.uri, ...env },
    cwd: folder,
    homeDir: folder,
    runtime,
  })
  const exitCode = await runCli(io)
  return { exitCode, stdout: io.printed(), stderr: io.complained() }
}

const dataOf = async (argv: readonly string[], env: Record<string, string> = {}): Promise<Record<string, unknown>> =>
  (JSON.parse((await orx([...argv, '--json'], env)).stdout) as { data: Record<string, unknown> }).data

describe('recorded runs', () => {
  test('history lists the newest ones', async () => {
    const { runs: listed } = (await dataOf(['history'])) as { runs: { id: string; sessionId: string }[] }
    expect(listed.map(({ id }) => id).toSorted((a, b) => a.localeCompare(b))).toEqual(['first', 'second'])
    expect((await orx(['history', '--limit', '1'])).stdout.trim().split('\n')).toHaveLength(3)
  })

  test('show gives what the run gave', async () => {
    expect(await dataOf(['show', 'first'])).toEqual({ ...foldRun(runs[0] ?? []), persisted: true })
    expect((await orx(['show', 'first'])).stdout.trim()).toBe(foldRun(runs[0] ?? []).finalResponse)
  })

  test('replay tells the same events, without the pieces of streamed text', async () => {
    const { events } = (await dataOf(['replay', 'first'])) as { events: { type: string }[] }
    expect(events).toEqual(runs[0]?.filter(({ type }) => type !== 'call-texted'))
    expect((await orx(['replay', 'first'])).stderr).toMatch(/iteration 1: /)
  })

  test('diff names what differs', async () => {
    const { differences } = (await dataOf(['diff', 'first', 'second'])) as { differences: { field: string }[] }
    expect(differences.map(({ field }) => field)).toContain('requests')
    expect((await dataOf(['diff', 'first', 'first']))['differences']).toEqual([])
  })

  test.each([['show'], ['replay']])('%s of a run that is not there says so', async (name) => {
    const { exitCode, stderr } = await orx([name, 'nobody'])
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/no run "nobody"[\s\S]*orx history/)])
  })
})

describe('models', () => {
  test('lists those that can be asked, and says why one would be', async () => {
    const listed = (await dataOf(['models'], { OPENAI_API_KEY: 'key-canary-012' })) as { models: { model: string }[]; simulated: boolean }
    expect(listed.simulated).toBe(false)
    expect(listed.models.map(({ model }) => model)).toContain('openai/gpt-4.1')
    const { stdout } = await orx(['models', '--simulate', '--why', 'Write a function that sorts a list'])
    expect(stdout.split('\n')[0]).toMatch(/^1\. simulated\/birch \(0\.\d\d\): It is strong in code\./)
  })

  test('are listed without what was measured when the database does not answer, which is said', async () => {
    const { exitCode, stdout } = await orx(['models', '--simulate', '--json'], {
      ORX_MONGODB_URI: 'mongodb://127.0.0.1:1/?directConnection=true',
    })
    const { data, warnings } = JSON.parse(stdout) as { data: { models: { measured: unknown }[] }; warnings: string[] }
    expect([exitCode, warnings.join('\n')]).toEqual([0, expect.stringContaining('what was measured of them is not shown')])
    expect(new Set(data.models.map(({ measured }) => measured))).toEqual(new Set([null]))
  })
})

describe('config show', () => {
  test('names the source of each value and never a secret', async () => {
    await writeFile(join(folder, '.env'), 'ORX_CRITICS=4\nXAI_API_KEY=key-canary-345\n')
    const { settings } = (await dataOf(['config', 'show'], { ORX_ITERATIONS: '3' })) as {
      settings: { name: string; value: unknown; source: string }[]
    }
    const find = (name: string) => settings.find((setting) => setting.name === name)
    expect([find('iterations'), find('critics'), find('threshold')]).toMatchObject([
      { value: 3, source: 'environment' },
      { value: 4, source: '.env' },
      { value: 8, source: 'default' },
    ])
    expect(find('XAI_API_KEY')).toMatchObject({ value: 'set', source: 'working folder' })
    expect((await orx(['config', 'show'])).stdout).not.toContain('key-canary')
    await rm(join(folder, '.env'))
  })
})

describe('doctor', () => {
  test('finds what works and says what to do about the rest', async () => {
    const { checks } = (await dataOf(['doctor'], { OPENAI_API_KEY: 'key-canary-678' })) as {
      checks: { name: string; status: string; detail: string }[]
    }
    expect(checks.find(({ name }) => name === 'database')).toMatchObject({ status: 'ok' })
    expect(checks.find(({ name }) => name === 'openai')?.detail).toContain('OPENAI_API_KEY from the environment')
    expect(JSON.stringify(checks)).not.toContain('key-canary')
    const down = await orx(['doctor'], { ORX_MONGODB_URI: 'mongodb://127.0.0.1:1/?directConnection=true' })
    expect([down.exitCode, down.stdout]).toEqual([1, expect.stringMatching(/failed +database/)])
  })

  test('says that a home cannot be written to, and that ORX_MONGOD is no mongod', async () => {
    await writeFile(join(folder, 'no-folder'), '')
    const bad = await orx(['doctor'], { ORX_MONGODB_URI: '', ORX_HOME: join(folder, 'no-folder', 'home'), ORX_MONGOD: '/bin/true' })
    expect([bad.exitCode, bad.stdout]).toEqual([1, expect.stringMatching(/failed +home/)])
    expect(bad.stdout).toMatch(/failed +mongod/)
    const fresh = await orx(['doctor'], { ORX_MONGODB_URI: '', ORX_HOME: join(folder, 'not', 'there') })
    expect([fresh.exitCode, fresh.stdout]).toEqual([0, expect.stringMatching(/ok +home .*not made yet/)])
    expect(fresh.stdout).toMatch(/ok +mongod/)
  })
})

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('for %s names commands and flags', async (shell) => {
    const { exitCode, stdout } = await orx(['completion', shell])
    expect(exitCode).toBe(0)
    expect(stdout).toContain('max-cost')
    expect(stdout).toMatch(/db\\?:status/)
  })

  test('completes in a real bash, behind a colon too', async () => {
    const { stdout } = await orx(['completion', 'bash'])
    const complete = (line: string): string =>
      execFileSync('bash', ['-c', `${stdout}\nCOMP_LINE="$1"; COMP_POINT=\${#1}; _orx; printf '%s ' "\${COMPREPLY[@]}"`, 'bash', line])
        .toString()
        .trim()
    expect(complete('orx ru')).toBe('run')
    expect(complete('orx db:st')).toBe('status')
    expect(complete('orx run --max-c')).toBe('--max-cost')
    expect(complete('orx run "a prompt" --itera')).toBe('--iterations')
    expect(complete('orx config sh')).toBe('show')
  })

  test('of another shell is refused', async () => {
    expect((await orx(['completion', 'tcsh'])).exitCode).toBe(2)
  })
})
