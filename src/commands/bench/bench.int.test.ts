// `orx bench` as a script and a gate meet it. Speeds are not judged here: targets are so wide, or so narrow, that any machine decides them.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { BenchReport, ComparisonReport } from '../../bench/report.ts'
import { startOrx, type Ended } from '../../binary.testkit.ts'
import { startTestMongod, type TestMongod } from '../../database/embedded/mongod.testkit.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-bench-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

interface Envelope {
  readonly schemaVersion: number
  readonly command: string
  readonly ok: boolean
  readonly exitCode: number
  readonly data: BenchReport
  readonly warnings: readonly string[]
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null
}

const bench = (...argv: readonly string[]): Promise<Ended> => startOrx(folder, ['bench', ...argv]).ended
const envelopeOf = ({ stdout }: Ended): Envelope => JSON.parse(stdout) as Envelope
const short = ['--duration', '400ms', '--warmup', '100ms', '--ui', 'none']

/** A file of targets of which each is decided by its limit alone. */
async function targetsFile(...targets: readonly (readonly [scenario: string, limit: number])[]): Promise<string> {
  const file = join(folder, 'targets.json')
  const entries = targets.map(([scenario, limit], index) => ({
    id: `t${index}`,
    source: 'a test',
    description: 'wide or narrow',
    scenario,
    metric: 'response',
    percentile: 95,
    direction: 'max',
    limit,
    unit: 'ms',
  }))
  await writeFile(file, JSON.stringify({ schemaVersion: 1, targets: entries }))
  return file
}

describe('what cannot be measured is refused before anything is', () => {
  test.each<readonly [string, readonly string[], RegExp]>([
    ['a scenario that is none', ['cash'], /cash.*cache, limiter, queue/s],
    ['no time at all', ['cache', '--duration', '0ms'], /duration/],
    ['a rate that is none', ['http', '--rate', '0'], /rate/],
    ['targets that are not there', ['--targets', 'none.json'], /none\.json/],
    ['a report in a folder that is not there', ['cache', '--out', 'no/where.json'], /no\/where\.json/],
    ['a baseline that is no report', ['cache', '--baseline', 'package.json'], /package\.json/],
  ])('%s', async (_what, argv, message) => {
    await writeFile(join(folder, 'package.json'), '{"name":"x"}')
    const ended = await bench(...argv, '--json')
    const { ok, exitCode, error } = envelopeOf(ended)
    expect([ended.exitCode, ok, exitCode]).toEqual([2, false, 2])
    expect(`${error?.message} ${error?.hint}`).toMatch(message)
  })

  test('every error of a targets file at once', async () => {
    const target = {
      id: 'a',
      source: 's',
      description: 'd',
      scenario: 'cache',
      metric: 'response',
      percentile: 99,
      direction: 'max',
      limit: 1,
      unit: 'ms',
    }
    await writeFile(
      join(folder, 'mine.json'),
      JSON.stringify({
        schemaVersion: 1,
        targets: [
          { ...target, scenario: 'cash' },
          { ...target, direction: 'min' },
        ],
      }),
    )
    const ended = await bench('--targets', 'mine.json')
    expect(ended.exitCode).toBe(2)
    for (const problem of ['"cash"', 'stands in targets[0] already', 'targets[1].direction']) expect(ended.stderr).toContain(problem)
  })

  test('a baseline of another version', async () => {
    await writeFile(join(folder, 'old.json'), JSON.stringify({ schemaVersion: 7, data: {} }))
    const ended = await bench('cache', '--baseline', 'old.json')
    expect([ended.exitCode, ended.stderr]).toEqual([2, expect.stringContaining('schemaVersion 7, expected 1') as string])
  })
})

test('--list shows every scenario and the documented targets with their source, and measures nothing', async () => {
  const { data } = envelopeOf(await bench('--list', '--json')) as unknown as {
    readonly data: { readonly scenarios: readonly { readonly name: string }[]; readonly targets: readonly { readonly source: string }[] }
  }
  const names = [
    'cache',
    'limiter',
    'queue',
    'batch',
    'pool',
    'metrics',
    'queries',
    'sessions',
    'http',
    'orchestrations',
    'indexes',
    'resources',
  ]
  expect(data.scenarios.map(({ name }) => name)).toEqual(names)
  expect(data.targets.every(({ source }) => source !== '')).toBe(true)
  const { stdout } = await bench('--list')
  for (const text of [...names, 'session-operations-p99', '<= 100 ms']) expect(stdout).toContain(text)
})

describe('in the process', () => {
  test('every report has the same numbers', async () => {
    const targets = await targetsFile(['cache', 1e7], ['cache:stampede', 60_000])
    const files = ['--out', 'b.json', '--junit', 'b.xml', '--markdown', 'b.md', '--html', 'b.html', '--hgrm', 'curves']
    const summary = join(folder, 'summary.md')
    const { ended } = startOrx(folder, ['bench', 'cache', '--targets', targets, ...short, ...files, '--json'], {
      GITHUB_STEP_SUMMARY: summary,
    })
    const end = await ended
    const { data, ok, command } = envelopeOf(end)
    expect([end.exitCode, ok, command, data.verdict]).toEqual([0, true, 'bench', 'pass'])
    const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
    expect(JSON.parse(await read('b.json'))).toEqual({ schemaVersion: 1, ...data })
    expect(await read('b.xml')).toMatch(/<testsuites?[^>]*tests="2"[^>]*failures="0"/)
    for (const name of ['b.md', 'b.html', 'summary.md']) {
      const text = await read(name)
      for (const { id } of data.targets) expect(text).toContain(id)
    }
    expect(await read('b.html')).not.toMatch(/(src|href)="https?:/)
    expect((await readdir(join(folder, 'curves'))).toSorted()).toEqual(['cache-stampede.hgrm', 'cache.hgrm'])
    for (const series of data.scenarios) {
      expect(series.count).toBeGreaterThan(0)
      expect(series.response.p50).toBeLessThanOrEqual(series.response.p95)
      expect(series.response.p95).toBeLessThanOrEqual(series.response.p99)
    }
    expect(data.environment).toMatchObject({ node: process.version, mongodb: null })
  })

  test('a target that is missed is 99, and the reports say so', async () => {
    const targets = await targetsFile(['cache', 1e-6], ['cache:stampede', 60_000])
    const ended = await bench('cache', '--targets', targets, ...short, '--junit', 'b.xml')
    expect(ended.exitCode).toBe(99)
    expect(ended.stdout).toMatch(/1 of 2 targets hold, 1 missed/)
    expect(await readFile(join(folder, 'b.xml'), 'utf8')).toMatch(/<failure/)
    expect(ended.stdout + ended.stderr).not.toContain('\u001B')
  })

  test('a report that cannot be written in the end is 1, with the result printed', async () => {
    const targets = await targetsFile(['cache', 1e7])
    const ended = await bench('cache', '--targets', targets, ...short, '--out', '/dev/full', '--json')
    const { data, error } = envelopeOf(ended)
    expect([ended.exitCode, error?.code, data.verdict]).toEqual([1, 'output_failed', 'pass'])
  })

  test('an earlier report is a baseline: what is slower than it beyond noise is a missed target', async () => {
    const targets = await targetsFile(['cache', 1e7])
    await bench('cache', '--targets', targets, '--duration', '1500ms', '--warmup', '200ms', '--ui', 'none', '--out', 'now.json')
    const report = JSON.parse(await readFile(join(folder, 'now.json'), 'utf8')) as BenchReport
    const times = async (factor: number): Promise<void> => {
      const scenarios = report.scenarios.map((series) => ({
        ...series,
        intervals: series.intervals.map((interval) => ({
          ...interval,
          p50: interval.p50 * factor,
          p95: interval.p95 * factor,
          p99: interval.p99 * factor,
        })),
      }))
      await writeFile(join(folder, 'before.json'), JSON.stringify({ schemaVersion: 1, ...report, scenarios }))
    }
    await times(0.01)
    const slower = await bench('cache', '--targets', targets, '--duration', '1500ms', '--ui', 'none', '--baseline', 'before.json', '--json')
    expect([slower.exitCode, envelopeOf(slower).data.comparison?.entries.every(({ verdict }) => verdict === 'fail')]).toEqual([99, true])
    await times(100)
    const faster = await bench('cache', '--targets', targets, '--duration', '1500ms', '--ui', 'none', '--baseline', 'before.json', '--json')
    expect([faster.exitCode, envelopeOf(faster).data.comparison?.entries.every(({ verdict }) => verdict === 'pass')]).toEqual([0, true])
  })

  test('a duet takes turns with another command, and gives paired ratios', async () => {
    const targets = await targetsFile(['metrics', 1e7])
    const binary = join(import.meta.dirname, '../../../bin/orx.js')
    const other = `"${process.execPath}" "${binary}" bench metrics --duration 200ms --warmup 50ms --targets "${targets}" --json`
    const ended = await bench(
      'metrics',
      '--duration',
      '200ms',
      '--warmup',
      '50ms',
      '--ui',
      'none',
      '--duet',
      other,
      '--repeat',
      '2',
      '--json',
    )
    const { entries } = envelopeOf(ended).data as unknown as ComparisonReport
    expect([0, 97, 99]).toContain(ended.exitCode)
    expect(entries.map(({ metric }) => metric)).toEqual(['p50', 'p95', 'p99'])
    for (const { ratio, low, high } of entries) expect(low <= ratio && ratio <= high).toBe(true)
    const broken = await bench('metrics', '--duration', '200ms', '--ui', 'none', '--duet', 'echo hello', '--json')
    expect([broken.exitCode, envelopeOf(broken).error?.code]).toEqual([1, 'failed'])
  })

  test('Ctrl-C prints what was measured and is 130; twice it ends at once', async () => {
    const once = startOrx(folder, ['bench', 'cache', 'limiter', '--duration', '20s', '--json'])
    await once.says('made')
    once.child.kill('SIGINT')
    const ended = await once.ended
    const { data, error, exitCode } = envelopeOf(ended)
    expect([ended.exitCode, exitCode, error]).toEqual([130, 130, null])
    expect(data.scenarios.map(({ name }) => name)).toContain('cache')
    const twice = startOrx(folder, ['bench', 'cache', '--duration', '20s'])
    await twice.says('made')
    twice.child.kill('SIGINT')
    twice.child.kill('SIGINT')
    expect((await twice.ended).exitCode).toBe(130)
  })
})

describe('a server of somebody else', () => {
  let server: Server
  let url: string
  let asked = 0
  beforeEach(async () => {
    asked = 0
    server = createServer((_request, response) => {
      asked += 1
      response.end('hello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  test('is measured by GET, without a database', async () => {
    const targets = await targetsFile(['http', 60_000])
    const ended = await bench(
      'http',
      '--url',
      url,
      '--rate',
      '100',
      '--duration',
      '1s',
      '--warmup',
      '100ms',
      '--targets',
      targets,
      '--json',
    )
    const { data } = envelopeOf(ended)
    expect(data.scenarios[0]).toMatchObject({ name: 'http', model: 'open', offeredPerSecond: 100, count: 100, errors: 0 })
    expect(data.targets[0]).toMatchObject({ samples: 100, exceeded: 0 })
    // The warm-up begins gently: one request in its first half, five in its second.
    expect(asked).toBe(106)
  })

  test('that dies midway is slow, not fast: its refusals count', async () => {
    const targets = await targetsFile(['http', 1_000])
    const run = startOrx(folder, [
      'bench',
      'http',
      '--url',
      url,
      '--rate',
      '100',
      '--duration',
      '2s',
      '--warmup',
      '100ms',
      '--targets',
      targets,
      '--json',
    ])
    await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(40)
    server.closeAllConnections()
    server.close()
    const ended = await run.ended
    const [series] = envelopeOf(ended).data.scenarios
    // On a machine that is busy it looks twice.
    expect([ended.exitCode, (series?.count ?? 1) % 200]).toEqual([99, 0])
    expect(series?.errors).toBeGreaterThan(50)
    expect(series?.response.p99).toBeGreaterThanOrEqual(4_990)
  })

  test('asked for more than any machine can send is an invalid measurement, 98', async () => {
    const targets = await targetsFile(['http', 60_000])
    const ended = await bench(
      'http',
      '--url',
      url,
      '--rate',
      '200000',
      '--duration',
      '500ms',
      '--warmup',
      '50ms',
      '--targets',
      targets,
      '--json',
    )
    const { data, error } = envelopeOf(ended)
    expect([ended.exitCode, error, data.targets[0]?.verdict]).toEqual([98, null, 'invalid'])
  })

  test('too few samples to say is 97, and it says how many are missing', async () => {
    const targets = await targetsFile(['http', 60_000])
    const ended = await bench('http', '--url', url, '--rate', '2', '--duration', '1s', '--warmup', '100ms', '--targets', targets, '--json')
    expect(ended.exitCode).toBe(97)
    expect(envelopeOf(ended).data.targets[0]).toMatchObject({
      verdict: 'inconclusive',
      reason: expect.stringMatching(/about \d+ more samples/) as string,
    })
  })
})

describe('on MongoDB', () => {
  let mongod: TestMongod
  beforeAll(async () => {
    mongod = await startTestMongod()
  })
  afterAll(() => mongod.stop())
  const onMongo = (...argv: readonly string[]): Promise<Ended> => startOrx(folder, argv, { ORX_MONGODB_URI: mongod.uri }).ended

  test(
    'queries, sessions, routes and orchestrations are measured on sample data, and the bench is kept',
    { timeout: 240_000 },
    async () => {
      const measured = ['queries', 'sessions', 'http', 'orchestrations', 'resources']
      const targets = await targetsFile(...['queries', 'sessions', 'http', 'resources'].map((name) => [name, 60_000] as const))
      const how = [
        '--targets',
        targets,
        '--scale',
        'small',
        '--duration',
        '1s',
        '--warmup',
        '200ms',
        '--rate',
        '50',
        '--concurrency',
        '20',
        '--quick',
        '--json',
      ]
      const ended = await onMongo('bench', ...measured, ...how)
      const { data } = envelopeOf(ended)
      expect([0, 97, 98, 99]).toContain(ended.exitCode)
      const names = data.scenarios.map(({ name }) => name)
      expect(new Set(names.map((name) => name.split(':')[0]))).toEqual(new Set(measured))
      for (const { name, count, errors, errorsByKind } of data.scenarios)
        expect([name, count > 0, errors, errorsByKind]).toEqual([name, true, 0, {}])
      expect(data.scenarios.find(({ name }) => name === 'orchestrations')?.figures).toMatchObject({ unanswered: 0, notPersisted: 0 })
      expect(data.resources.dbConnectionsPeak).toBeGreaterThan(0)
      expect(data.resources.dbConnectionsPeak).toBeLessThan(50)
      expect(data.resources.rssPeakMb).toBeGreaterThan(50)

      const { stdout } = await onMongo('bench', 'history', '--json')
      const { runs } = (
        JSON.parse(stdout) as { readonly data: { readonly runs: readonly { readonly id: string; readonly verdict: string }[] } }
      ).data
      expect(runs[0]).toMatchObject({ id: data.id, verdict: data.verdict })
      const compared = await onMongo('bench', 'compare', data.id, data.id, '--json')
      expect([0, 97, 98]).toContain(compared.exitCode)
      expect((JSON.parse(compared.stdout) as { readonly command: string }).command).toBe('bench compare')
      const missing = await onMongo('bench', 'compare', data.id, '0'.repeat(24), '--json')
      expect([missing.exitCode, envelopeOf(missing).error?.code]).toEqual([1, 'not_found'])
    },
  )

  test('the service is a command of its own: it drains on SIGTERM, and a port that is taken is 1', async () => {
    const serving = startOrx(folder, ['serve', '--port', '0', '--json'], { ORX_MONGODB_URI: mongod.uri })
    await serving.says('orx listens on http://127.0.0.1:')
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(serving.said())?.[1])
    const taken = await onMongo('serve', '--port', String(port), '--json')
    expect([taken.exitCode, envelopeOf(taken).error?.code]).toEqual([1, 'port_taken'])
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    serving.child.kill('SIGTERM')
    const ended = await serving.ended
    expect([ended.exitCode, envelopeOf(ended).ok]).toEqual([0, true])
    const elsewhere = await onMongo('serve', '--host', '0.0.0.0', '--json')
    expect([elsewhere.exitCode, envelopeOf(elsewhere).error?.code]).toEqual([2, 'usage'])
  })
})
