// The dashboard of `orx bench` as a person sees it: the real binary in a real terminal (tmux), its keys, its exits, its sizes.
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { binary } from './binary.testkit.ts'

function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'])
    return true
  } catch {
    return false
  }
}

const target = (id: string, scenario: string, limit: number) => ({
  id,
  source: 'a test',
  description: `${scenario} within ${limit} us`,
  scenario,
  metric: 'response',
  percentile: 99,
  direction: 'max',
  limit,
  unit: 'us',
})

// Without tmux there is no terminal to look at: these are skipped, for that reason alone.
describe.skipIf(!hasTmux())('the dashboard in a terminal (skipped where tmux is not installed)', () => {
  let folder: string
  let targets: string
  const socket = `orx-bench-test-${process.pid}`
  const tmux = async (...args: readonly string[]): Promise<string> => (await promisify(execFile)('tmux', ['-L', socket, ...args])).stdout

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orx-bench-terminal-'))
    targets = join(folder, 'targets.json')
    const list = [target('cache-fast', 'cache', 1_000_000), target('limiter-fast', 'limiter', 1_000_000)]
    await writeFile(targets, JSON.stringify({ schemaVersion: 1, targets: list }))
  })
  afterAll(async () => {
    await tmux('kill-server').catch(() => undefined)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  /** Lines before the view fill more than a screen, so that there is a scrollback to lose. */
  async function open(name: string, columns: number, rows: number, words: string): Promise<void> {
    const environment = `env -u CI -u NO_COLOR HOME=${folder} ORX_HOME=${folder}/home TERM=screen`
    const command = `${process.execPath} ${binary} bench ${words} --targets ${targets}`
    const shell = `seq -f before-the-view-%g 100; ${environment} ${command}; echo exit-code-$?; stty -a; exec sleep 60`
    await tmux('new-session', '-d', '-s', name, '-x', String(columns), '-y', String(rows), shell)
  }

  const screen = (name: string): Promise<string> => tmux('capture-pane', '-p', '-t', name)
  async function screenWhen(name: string, isThere: (screen: string) => boolean): Promise<string> {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const seen = await screen(name)
      if (isThere(seen)) return seen
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return expect.fail(`not seen in time:\n${await screen(name)}`)
  }
  const press = (name: string, ...keys: readonly string[]): Promise<string> => tmux('send-keys', '-t', name, ...keys)
  const all = (name: string): Promise<string> => tmux('capture-pane', '-p', '-S', '-300', '-t', name)

  async function expectAsBefore(name: string): Promise<void> {
    expect((await tmux('display-message', '-p', '-t', name, '#{cursor_flag} #{alternate_on}')).trim()).toBe('1 0')
    const after = await all(name)
    for (const line of [1, 50, 100]) expect(after).toContain(`before-the-view-${line}\n`)
  }
  /** As stty tells it after the end: typed lines are echoed, and Ctrl-C is a signal. */
  const cooked = /(?<!-)isig (?<!-)icanon[^]* (?<!-)echo /

  test.each([
    [60, 24],
    [80, 24],
    [120, 40],
    [200, 50],
  ])('at %d x %d it is shown, fits, and leaves what stood before it', async (columns, rows) => {
    const name = `bench-${columns}`
    await open(name, columns, rows, 'cache --duration 1s --warmup 250ms')
    const during = await screenWhen(name, (seen) => seen.includes('so far') && seen.includes('by percentile'))
    expect(during).not.toContain('before-the-view')
    expect(Math.max(...during.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns)
    for (const word of ['orx bench', '▸ cache', 'cache-fast', '<= 1,000,000 us', 'P99', 'achieved', 'errors', 'memory', 'CPU', 'quit'])
      expect(during).toContain(word)
    await screenWhen(name, (seen) => seen.includes('exit-code-'))
    expect(await all(name)).toMatch(/exit-code-0\n/)
    await expectAsBefore(name)
  })

  test('keys freeze, switch, sort and explain, and q ends with a report of what there is', async () => {
    await open('keys', 100, 30, 'cache limiter --duration 6s --warmup 250ms')
    await screenWhen('keys', (seen) => seen.includes('by scenario') && seen.includes('so far'))
    await press('keys', 's')
    await screenWhen('keys', (seen) => seen.includes('by margin'))
    await press('keys', '?')
    await screenWhen('keys', (seen) => seen.includes('freeze the display; the load goes on'))
    await press('keys', 'Escape')
    await screenWhen('keys', (seen) => !seen.includes('the load goes on'))
    await screenWhen('keys', (seen) => seen.includes('─ cache:stampede ─') && seen.includes('2 of 2'))
    await press('keys', 'Left')
    await screenWhen('keys', (seen) => seen.includes('─ cache ─') && seen.includes('1 of 2') && seen.includes('esc follow'))
    await press('keys', 'f')
    const frozen = await screenWhen('keys', (seen) => seen.includes(' frozen '))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(await screen('keys')).toBe(frozen)
    await press('keys', 'f')
    await screenWhen('keys', (seen) => !seen.includes(' frozen ') && seen !== frozen)
    await press('keys', 'q')
    await screenWhen('keys', (seen) => seen.includes('exit-code-'))
    const after = await all('keys')
    expect(after).toMatch(/exit-code-130\n/)
    expect(after).toMatch(/cache-fast .* pass/)
    expect(after).toMatch(/limiter-fast .* invalid/)
    expect(after).toMatch(cooked)
    await expectAsBefore('keys')
  })

  test.each([
    ['once', ['C-c']],
    ['twice', ['C-c', 'C-c']],
  ])('Ctrl-C pressed %s ends with 130 and gives the terminal back', async (name, keys) => {
    await open(name, 80, 24, 'cache --duration 20s')
    await screenWhen(name, (seen) => seen.includes('measuring'))
    await press(name, ...keys)
    await screenWhen(name, (seen) => seen.includes('exit-code-'))
    const after = await all(name)
    expect(after).toMatch(/exit-code-130\n/)
    // A report only where there was time for one.
    if (keys.length === 1) expect(after).toMatch(/cache-fast .* (pass|undecided|inconclusive|invalid)/)
    expect(after).not.toContain('Error')
    expect(after).toMatch(cooked)
    await expectAsBefore(name)
  })

  test.each([
    ['SIGTERM', 'exit-code-143'],
    ['SIGHUP', 'exit-code-129'],
  ] as const)('%s gives the terminal back', async (signal, expected) => {
    const name = `end-${signal}`
    await open(name, 80, 24, 'cache --duration 20s')
    await screenWhen(name, (seen) => seen.includes('measuring'))
    const shell = (await tmux('display-message', '-p', '-t', name, '#{pane_pid}')).trim()
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', shell])
    process.kill(Number(stdout.trim().split('\n')[0]), signal)
    await screenWhen(name, (seen) => seen.includes('exit-code-'))
    const after = await all(name)
    expect(after).toContain(expected)
    expect(after).toMatch(cooked)
    await expectAsBefore(name)
  })

  test('without a keyboard it is shown all the same, and Ctrl-C is the signal that it always was', async () => {
    await open('pipe', 80, 24, 'cache --duration 20s < /dev/null')
    await screenWhen('pipe', (seen) => seen.includes('measuring') && seen.includes('no keys'))
    await press('pipe', 'C-c')
    await screenWhen('pipe', (seen) => seen.includes('exit-code-'))
    expect(await all('pipe')).toMatch(/exit-code-130\n/)
    await expectAsBefore('pipe')
  })

  test('a terminal that becomes tiny and large again during a run is drawn anew, and loses nothing', async () => {
    await open('resize', 120, 40, 'cache limiter --duration 4s --warmup 250ms')
    await screenWhen('resize', (seen) => seen.includes('by percentile'))
    await tmux('resize-window', '-t', 'resize', '-x', '20', '-y', '12')
    const tiny = await screenWhen('resize', (seen) => seen.includes('? help   q quit'))
    expect(tiny.split('\n')[0]).toMatch(/^orx bench/)
    expect(tiny.match(/orx bench/g)).toHaveLength(1)
    await tmux('resize-window', '-t', 'resize', '-x', '100', '-y', '30')
    const large = await screenWhen('resize', (seen) => seen.includes('scroll') && seen.includes('by percentile'))
    expect(large.split('\n')[0]).toMatch(/^orx bench/)
    expect(large.match(/orx bench/g)).toHaveLength(1)
    await press('resize', '?')
    await screenWhen('resize', (seen) => seen.includes('freeze the display'))
    await press('resize', '?')
    await tmux('resize-window', '-t', 'resize', '-x', '100', '-y', '9')
    // The last thing that stty says; by then the exit code has left the nine rows.
    await screenWhen('resize', (seen) => seen.includes('-extproc'))
    const after = await all('resize')
    expect(after).toContain('exit-code-0')
    expect(after).toContain('before-the-view-1\n')
  })

  test('in the background nothing is drawn, and the shell keeps its terminal', async () => {
    const environment = `env -u CI -u NO_COLOR HOME=${folder} ORX_HOME=${folder}/home TERM=screen`
    await tmux('new-session', '-d', '-s', 'background', '-x', '100', '-y', '30', 'bash --norc -i')
    await press('background', `${environment} ${process.execPath} ${binary} bench cache --duration 1s --targets ${targets} &`, 'Enter')
    await screenWhen('background', (seen) => seen.includes('cache: about'))
    const after = await screenWhen('background', (seen) => seen.includes('targets hold'))
    expect(after).not.toContain('Stopped')
    expect(after).not.toContain('q quit')
  })
})
