// What a person sees: the real binary in a real terminal (tmux), at several widths.
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { binary } from './binary.testkit.ts'

const fixtures = fileURLToPath(new URL('../fixtures/prompts.jsonl', import.meta.url))

function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'])
    return true
  } catch {
    return false
  }
}

// Without tmux there is no terminal to look at: these are skipped, for that reason alone.
describe.skipIf(!hasTmux())('in a terminal (skipped where tmux is not installed)', () => {
  let folder: string
  const socket = `orx-test-${process.pid}`
  const tmux = async (...args: readonly string[]): Promise<string> => (await promisify(execFile)('tmux', ['-L', socket, ...args])).stdout

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orx-terminal-'))
  })
  afterAll(async () => {
    await tmux('kill-server').catch(() => undefined)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  async function open(name: string, columns: number, rows: number, command: string): Promise<void> {
    const environment = `env -u CI -u NO_COLOR HOME=${folder} ORX_HOME=${folder}/home TERM=screen`
    const shell = `echo before-the-view; ${environment} ${process.execPath} ${binary} ${command}; echo exit-code-$?; exec sleep 60`
    await tmux('new-session', '-d', '-s', name, '-x', String(columns), '-y', String(rows), shell)
  }

  async function screenWhen(name: string, isThere: (screen: string) => boolean): Promise<string> {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const screen = await tmux('capture-pane', '-p', '-t', name)
      if (isThere(screen)) return screen
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return expect.fail(`not seen in time:\n${await tmux('capture-pane', '-p', '-t', name)}`)
  }

  const all = (name: string): Promise<string> => tmux('capture-pane', '-p', '-S', '-200', '-t', name)

  test.each([60, 80, 120, 200])('a run is shown at %d columns, and what stood before it stays', async (columns) => {
    const name = `run-${columns}`
    await open(
      name,
      columns,
      20,
      `run 'Explain two-phase commit to an engineer' --simulate --sim-scale 0.12 --threshold 9.5 --db none --seed 3`,
    )
    const during = await screenWhen(name, (screen) => /^ +1 simulated\//m.test(screen) && screen.includes('at once'))
    expect(during).toContain('Explain two-phase commit')
    expect(Math.max(...during.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns)
    await screenWhen(name, (screen) => screen.includes('exit-code-'))
    const after = await all(name)
    expect(after).toContain('before-the-view')
    expect(after).toContain('exit-code-0')
    expect(after).toMatch(/stopped \(/)
    expect(after).toContain('(simulated answer by')
    expect((await tmux('display-message', '-p', '-t', name, '#{cursor_flag} #{alternate_on}')).trim()).toBe('1 0')
  })

  test('a file is shown, and its table fits 80 columns', async () => {
    await open('file', 80, 24, `run --file ${fixtures} --simulate --sim-scale 0.05 --db none`)
    await screenWhen('file', (screen) => /\d of 10 prompts/.test(screen))
    await screenWhen('file', (screen) => screen.includes('exit-code-0'))
    const lines = (await all('file')).split('\n')
    const head = lines.findIndex((line) => line.includes('score'))
    expect(lines.slice(head, head + 12).filter((line) => line.includes('simulated/'))).toHaveLength(10)
  })

  test.each([
    ['C-c', 'exit-code-130'],
    ['tiny', 'exit-code-130'],
  ])('Ctrl-C (%s) leaves the terminal as it was', async (kind, expected) => {
    const name = `stop-${kind}`
    await open(
      name,
      kind === 'tiny' ? 20 : 80,
      kind === 'tiny' ? 6 : 24,
      `run 'Explain two-phase commit' --simulate --sim-scale 3 --db none`,
    )
    await screenWhen(name, (screen) => screen.includes('at once') || screen.includes('queued'))
    await tmux('send-keys', '-t', name, 'C-c')
    await screenWhen(name, (screen) => screen.includes(expected))
    expect((await tmux('display-message', '-p', '-t', name, '#{cursor_flag} #{alternate_on}')).trim()).toBe('1 0')
  })

  test('--ui plain prints lines, a pipe gets no escape byte', async () => {
    await open('plain', 80, 40, `run Hello --simulate --sim-scale 0 --db none --ui plain`)
    await screenWhen('plain', (screen) => screen.includes('exit-code-0'))
    expect(await all('plain')).toMatch(/iteration 1: /)
  })
})
