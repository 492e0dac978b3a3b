// Golden runs of the command line through its Io: what is printed where, and with which exit code.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCli } from './cli.ts'
import { fakeRuntime } from './core/clock.testkit.ts'
import { fakeIo } from './io.testkit.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-cli-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function orx(argv: readonly string[], env: Record<string, string> = {}, stdin: string | Uint8Array = '') {
  const io = fakeIo({ argv, env: { ORX_HOME: join(folder, 'home'), ...env }, cwd: folder, homeDir: folder, stdin, runtime: fakeRuntime() })
  const exitCode = await runCli(io)
  return { exitCode, stdout: io.printed(), stderr: io.complained() }
}

describe('help and version', () => {
  test('--help names every command on stdout and ends with 0', async () => {
    const { exitCode, stdout, stderr } = await orx(['--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/run .*answer a prompt/)
    expect(stdout).toContain('db:status')
    expect(stdout).not.toContain('simulator')
    expect(stderr).toBe('')
  })

  test('-V prints the version alone', async () => {
    for (const argv of [['-V'], ['run', '-V'], ['--version', 'run'], ['config', 'show', '--version']]) {
      const { exitCode, stdout } = await orx(argv)
      expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)])
    }
  })

  test("a command's --help shows its flags with their defaults, and examples", async () => {
    const { exitCode, stdout } = await orx(['run', '--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/--iterations <n> .*\(default: 5\)/)
    expect(stdout).toContain('Examples:')
  })
})

describe('usage errors end with 2, say what to do, and leave stdout alone', () => {
  test.each([
    ['no command', [], /no command/],
    ['an unknown command', ['rum'], /unknown command 'rum'/],
    ['an unknown flag', ['run', '--itrations', '3', 'x'], /unknown option '--itrations'/],
    ['a flag without its value', ['run', 'x', '--models'], /argument missing/],
    ['a number out of range', ['run', 'x', '--iterations', '11'], /--iterations: expected a whole number from 1 to 10, got "11"/],
    ['a number that is none', ['run', 'x', '--threshold', 'high'], /--threshold: expected a number/],
    ['a duration without unit', ['run', 'x', '--deadline', '30'], /--deadline: expected a duration/],
    ['an empty prompt', ['run', ''], /empty/],
    ['no prompt at all', ['run'], /no prompt/],
    ['two prompts', ['run', 'a', 'b'], /too many arguments/],
    ['an unknown model', ['run', 'x', '--simulate', '--db', 'none', '--models', 'nobody-has-this'], /nobody-has-this/],
  ])('%s', async (_, argv, message) => {
    const { exitCode, stdout, stderr } = await orx(argv)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/hint: \S/)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('a prompt on standard input that is no UTF-8', async () => {
    const { exitCode, stderr } = await orx(['run', '-'], {}, Uint8Array.of(0xff, 0xfe, 0x41))
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('not valid UTF-8')])
  })

  test('with --json the error is the one document on stdout', async () => {
    const { exitCode, stdout, stderr } = await orx(['run', 'x', '--iterations', '0', '--json'])
    expect(exitCode).toBe(2)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      schemaVersion: 1,
      command: 'run',
      ok: false,
      exitCode: 2,
      data: null,
      warnings: [],
      error: { code: 'usage', message: expect.stringContaining('--iterations') as string, hint: expect.stringMatching(/\S/) as string },
    })
  })
})

describe('a command line that is at fault', () => {
  test.each([
    [['db:index', 'plan', '--nope'], 'db:index plan'],
    [['--color', 'never', 'config', '--timeout', '1s', 'show', '--nope'], 'config show'],
    [['db:index', '--db-name', 'plan', '--nope'], 'db:index'],
    [['db:index', 'verify', '--password', 'x'], 'db:index verify'],
    [['bench', 'history', '--limit', 'many'], 'bench history'],
    [['constructor'], 'constructor'],
    [[], 'orx'],
  ])('%j is told under the name %j', async (argv, command) => {
    expect(JSON.parse((await orx([...argv, '--json'])).stdout)).toMatchObject({ command, exitCode: 2 })
  })

  test('is told as JSON wherever that is asked for', async () => {
    const bad = { ORX_CRITICS: '99' }
    expect(JSON.parse((await orx(['run', 'x'], { ...bad, ORX_JSON: 'true' })).stdout)).toMatchObject({ command: 'run', exitCode: 2 })
    await writeFile(join(folder, '.env'), 'ORX_JSON=on\n')
    expect(JSON.parse((await orx(['run', 'x'], bad)).stdout)).toMatchObject({ command: 'run', exitCode: 2 })
  })

  test.each([[['run', 'x', '--iterations', 'key-canary-1234567']], [['key-canary-1234567']], [['show', 'a', 'key-canary-1234567', '-v']]])(
    '%j does not say a key again',
    async (argv) => {
      for (const json of [[], ['--json']]) {
        const { exitCode, stdout, stderr } = await orx([...argv, ...json], { XAI_API_KEY: 'key-canary-1234567' })
        expect(exitCode).toBe(2)
        expect(stdout + stderr).not.toContain('canary')
      }
    },
  )

  test('a URI whose password is not well encoded is a setting to correct', async () => {
    const { exitCode, stdout } = await orx(['history', '--json'], { ORX_MONGODB_URI: 'mongodb://u:p%zzword@127.0.0.1:1/x' })
    expect([exitCode, stdout]).toEqual([2, expect.stringContaining('"settings"')])
    expect(stdout).not.toContain('zzword')
  })
})

describe('secrets on the command line', () => {
  test.each([
    ['a URI with a password', ['run', 'x', '--db', 'mongodb://admin:hunter22@db.example/x']],
    ['--api-key', ['run', 'x', '--api-key', 'hunter22']],
    ['--token=...', ['--token=hunter22', 'run', 'x']],
    ['--password', ['db:status', '--password', 'hunter22']],
    ['an unknown flag with a value', ['run', 'x', '--openai-key=hunter22']],
  ])('%s is refused and not said again', async (_, argv) => {
    for (const json of [[], ['--json']]) {
      const { exitCode, stdout, stderr } = await orx([...argv, ...json])
      expect(exitCode).toBe(2)
      expect(stdout + stderr).not.toContain('hunter22')
    }
  })

  test('a key from the environment never leaves, whatever quotes it', async () => {
    const { stdout, stderr } = await orx(['run', 'x', '--models', 'key-canary-1234567'], { OPENAI_API_KEY: 'key-canary-1234567' })
    expect(stdout + stderr).not.toContain('key-canary-1234567')
  })
})

test('flags for all commands are taken before and after the command', async () => {
  for (const argv of [
    ['--json', 'run', ''],
    ['run', '', '--json'],
    ['--color', 'never', '--json', 'run', ''],
  ]) {
    expect(JSON.parse((await orx(argv)).stdout)).toMatchObject({ command: 'run', exitCode: 2 })
  }
})

test('what a file says is not trusted by the terminal, in errors neither', async () => {
  for (const argv of [['rum\u001b[31m'], ['show', 'a', 'b\u009b2J'], ['run', 'x', '--critics', '\u001b[2J\u202e']]) {
    const { exitCode, stderr } = await orx(argv)
    // oxlint-disable-next-line no-control-regex -- they are what must not come
    expect([exitCode, /[\u001b\u009b\u202e]/.test(stderr)]).toEqual([2, false])
  }
})

test('a settings file with an error is named', async () => {
  await writeFile(join(folder, 'orx.config.json'), '{ "iterations": 99 }')
  const { exitCode, stderr } = await orx(['run', 'x'])
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/"iterations" in .*orx\.config\.json/)])
})
