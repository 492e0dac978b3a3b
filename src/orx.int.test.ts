// The real binary, a real MongoDB, real HTTP: what a person and a script meet. Needs `npm run build`.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, ObjectId, type Db } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startOrx, type Ended, type Started } from './binary.testkit.ts'
import { startTestMongod, testBinary, type TestMongod } from './database/embedded/mongod.testkit.ts'
import { makeIo } from './io.ts'
import { completion, sendJson, wireServer, type Answer, type WireServer } from './models/wire.testkit.ts'
import type { RunResult } from './orchestration/events.ts'

const { processes } = makeIo(process, '')

let mongod: TestMongod
let mongodPath: string
let client: MongoClient
let db: Db
let folder: string
let server: WireServer | null = null

beforeAll(async () => {
  mongodPath = await testBinary()
  mongod = await startTestMongod()
  client = new MongoClient(mongod.uri)
  db = client.db()
})
afterAll(async () => {
  await client.close()
  await mongod.stop()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-binary-'))
})
afterEach(async () => {
  await server?.close()
  server = null
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** Only what a test names is in the environment, beside what Node and the system need. */
const start = (argv: readonly string[], env: Record<string, string> = {}, stdin?: string): Started =>
  startOrx(folder, argv, { ORX_MONGOD: mongodPath, ORX_MONGODB_URI: mongod.uri, ...env }, stdin)

const orx = (argv: readonly string[], env: Record<string, string> = {}, stdin?: string): Promise<Ended> => start(argv, env, stdin).ended

interface Envelope {
  readonly ok: boolean
  readonly exitCode: number
  readonly data: RunResult & { readonly persisted: boolean }
  readonly warnings: readonly string[]
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null
}

const envelopeOf = ({ stdout }: Ended): Envelope => JSON.parse(stdout) as Envelope
const simulated = ['--simulate', '--sim-scale', '0']

describe('one prompt', () => {
  test('is answered, and what is printed is what the database holds', async () => {
    const ended = await orx(['run', 'Explain two-phase commit', ...simulated, '--json', '--no-cache'])
    const { data, ok, error, warnings } = envelopeOf(ended)
    expect([ended.exitCode, ok, error, data.persisted, data.simulated]).toEqual([0, true, null, true, true])
    expect(warnings.join()).toContain('simulated')
    expect(ended.stderr.split('\n')[0]).toContain('simulated')

    const thread = await db.collection('conversation_threads').findOne({ _id: new ObjectId(data.threadId ?? '') })
    expect(thread).toMatchObject({
      original_prompt: 'Explain two-phase commit',
      session_id: new ObjectId(data.sessionId ?? ''),
      domain: data.domain,
      complexity_level: data.complexity,
      final_response: data.finalResponse,
      final_quality_score: data.qualityScore,
      stop_reason: data.stopReason,
      best_model_id: data.model,
      simulated: true,
    })
    expect(thread?.['total_cost']).toBeCloseTo(data.usage.costUsd ?? -1, 9)
    expect(await db.collection('user_sessions').findOne({ _id: new ObjectId(data.sessionId ?? '') })).toMatchObject({ status: 'completed' })
    const inThread = { thread_id: new ObjectId(data.threadId ?? '') }
    const responses = await db
      .collection('model_responses')
      .find({ ...inThread, role: { $ne: 'critic' } })
      .sort({ iteration: 1 })
      .toArray()
    expect(responses.map((response) => [response['iteration'], response['model_name'], response['cost_usd']])).toEqual(
      data.iterations.map(({ iteration, model, costUsd }) => [iteration, model, costUsd]),
    )
    const attempts = await db.collection('model_attempts').find(inThread).toArray()
    expect(attempts).toHaveLength(data.attempts.length)
    expect(attempts.every((attempt) => attempt['state'] === 'ok')).toBe(true)
    expect(attempts.reduce((sum, attempt) => sum + Number(attempt['cost_usd']), 0)).toBeCloseTo(data.usage.costUsd ?? -1, 9)
    for (const name of ['model_evaluations', 'model_selection_history', 'orchestration_logs']) {
      expect(await db.collection(name).countDocuments(inThread), name).toBeGreaterThan(0)
    }
  })

  test('asked again by another process costs nothing, unless --no-cache', async () => {
    const prompt = `What is a cache? ${folder}`
    const first = envelopeOf(await orx(['run', prompt, ...simulated, '--json']))
    const second = envelopeOf(await orx(['run', prompt, ...simulated, '--json']))
    const third = envelopeOf(await orx(['run', prompt, ...simulated, '--json', '--no-cache']))
    expect(first.data.usage.costUsd).toBeGreaterThan(0)
    expect([second.data.usage.costUsd, second.data.usage.savedUsd, second.data.cache.misses]).toEqual([0, first.data.usage.costUsd, 0])
    expect(third.data.usage.costUsd).toBe(first.data.usage.costUsd)
    expect(second.data.finalResponse).toBe(first.data.finalResponse)
  })

  test('with one seed gives the same decisions, texts and costs', async () => {
    const ask = async () =>
      envelopeOf(
        await orx(['run', '-', ...simulated, '--seed', '42', '--threshold', '9.5', '--json', '--db', 'none'], {}, 'Why is the sky blue?\n'),
      ).data
    const [one, two] = [await ask(), await ask()]
    const withoutTimes = ({ finalResponse, model, qualityScore, stopReason, usage, iterations, attempts }: RunResult) => ({
      finalResponse,
      model,
      qualityScore,
      stopReason,
      usage,
      iterations: iterations.map((iteration) => ({ ...iteration, latencyMs: 0 })),
      attempts: attempts.map((attempt) => ({ ...attempt, latencyMs: 0 })),
    })
    expect(withoutTimes(one)).toEqual(withoutTimes(two))
    expect([one.sessionId, one.threadId, one.persisted]).toEqual([null, null, false])
  })

  test('prints the answer alone on stdout, without an escape byte into a pipe', async () => {
    const { exitCode, stdout, stderr } = await orx(['run', 'Hello', ...simulated, '--db', 'none'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^\(simulated answer by /)
    expect(stderr).toContain('stopped (')
    expect(stdout + stderr).not.toContain('\u001b')
  })
})

describe('a provider over HTTP', () => {
  const verdict = JSON.stringify({
    criteria: { accuracy: 9, relevance: 9, clarity: 9, completeness: 9 },
    criticism: 'none',
    suggestions: [],
  })
  const isJudged = (body: Record<string, unknown>): boolean => JSON.stringify(body['messages']).includes('<<<CANDIDATE')

  async function served(answer: Answer): Promise<Record<string, string>> {
    server = await wireServer(answer)
    return { OPENAI_API_KEY: 'key-canary-0123456789', OPENAI_BASE_URL: server.baseUrl }
  }

  const models = ['--models', 'openai/gpt-4.1,openai/gpt-4o-mini', '--db', 'none', '--json']

  test('answers and judges, and its control sequences do not reach the terminal', async () => {
    const env = await served(({ body }, response) =>
      sendJson(response, completion(isJudged(body) ? verdict : 'Plain \u001b[31mred\u001b[0m \u202etext')),
    )
    const text = await orx(['run', 'x', ...models.slice(0, 4)], env)
    expect([text.exitCode, text.stdout]).toEqual([0, 'Plain red text\n'])
    const { data } = envelopeOf(await orx(['run', 'x', ...models], env))
    expect(data).toMatchObject({ qualityScore: 9, stopReason: 'threshold', simulated: false })
    expect(data.usage.costUsd).toBeGreaterThan(0)
  })

  test.each([
    [
      '401',
      4,
      'credential_rejected',
      (_: unknown, response: Parameters<typeof sendJson>[0]) =>
        sendJson(response, { error: { message: 'bad key key-canary-0123456789' } }, 401),
    ],
    [
      '404',
      1,
      'not_found',
      (_: unknown, response: Parameters<typeof sendJson>[0]) => sendJson(response, { error: { message: 'no such model' } }, 404),
    ],
    [
      '429 without credit',
      1,
      'quota_exceeded',
      (_: unknown, response: Parameters<typeof sendJson>[0]) =>
        sendJson(response, { error: { message: 'none', code: 'insufficient_quota' } }, 429),
    ],
    [
      'HTML instead of JSON',
      1,
      'bad_answer',
      (_: unknown, response: Parameters<typeof sendJson>[0]) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    ],
    ['an empty answer', 1, 'bad_answer', (_: unknown, response: Parameters<typeof sendJson>[0]) => sendJson(response, completion(''))],
    [
      'a cut stream',
      1,
      'bad_answer',
      (_: unknown, response: Parameters<typeof sendJson>[0]) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"choices":[{"delta":{"content":"half"}}]}\n\n')
      },
    ],
  ] as readonly (readonly [string, number, string, Answer])[])('%s ends with %d', async (_, exitCode, code, answer) => {
    const env = await served(answer)
    const ended = await orx(['run', 'x', ...models], env)
    const envelope = envelopeOf(ended)
    expect([ended.exitCode, envelope.exitCode, envelope.ok]).toEqual([exitCode, exitCode, false])
    expect(envelope.error).toMatchObject({ code, hint: expect.stringMatching(/\S/) as string })
    expect(envelope.data).toMatchObject({ finalResponse: null, stopReason: 'failed' })
    expect(ended.stdout + ended.stderr).not.toContain('key-canary')
    expect(ended.stderr).not.toMatch(/\n\s+at /)
  })

  test('a refused connection ends with 69', async () => {
    const ended = await orx(['run', 'x', ...models], { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' })
    expect([ended.exitCode, envelopeOf(ended).error?.code]).toEqual([69, 'provider_unreachable'])
  })

  test('one model alone is not judged, and it is said how to add another', async () => {
    const env = await served((_, response) => sendJson(response, completion('Hi.')))
    const { data, warnings } = envelopeOf(await orx(['run', 'x', '--models', 'openai/gpt-4.1', '--db', 'none', '--json'], env))
    expect(data).toMatchObject({ stopReason: 'unjudged', qualityScore: null, iterationsUsed: 1 })
    expect(warnings.join()).toContain('--models')
  })

  test('a key of the environment is not sent to a base URL of the working folder', async () => {
    const env = await served((_, response) => sendJson(response, completion('Hi.')))
    await writeFile(join(folder, '.env'), `OPENAI_BASE_URL=${env['OPENAI_BASE_URL']}\nXAI_BASE_URL=${env['OPENAI_BASE_URL']}\n`)
    const ended = await orx(['run', 'x', '--models', 'xai/grok-3-mini', '--db', 'none', '--json', '--deadline', '1s'], {
      OPENAI_API_KEY: 'key-canary-0123456789',
      XAI_API_KEY: '',
    })
    expect(envelopeOf(ended).warnings.join()).toContain('OPENAI_BASE_URL of the working folder is not used')
    expect(JSON.stringify(server?.received)).not.toContain('key-canary')
  })

  test('a hostile working folder gets no key, runs no program and moves nothing', async () => {
    const env = await served((_, response) => sendJson(response, completion('Hi.')))
    const port = new URL(env['OPENAI_BASE_URL'] ?? '').port
    const hostile = await readFile(new URL('../fixtures/hostile/.env', import.meta.url), 'utf8')
    await writeFile(join(folder, '.env'), hostile.replaceAll('PORT', port))
    await writeFile(join(folder, 'evil-mongod'), '#!/bin/sh\ntouch evil-was-here\n', { mode: 0o755 })
    const keys = { ANTHROPIC_API_KEY: 'key-canary-1', OPENROUTER_API_KEY: 'key-canary-2', ORX_API_KEY: 'key-canary-3' }
    const dead = { HTTPS_PROXY: '', ORX_MONGOD: '', ORX_MONGODB_URI: '', PATH: '' }
    const { stderr } = await orx(['models'], { ...keys, ...dead })
    for (const name of ['ANTHROPIC', 'OPENROUTER', 'ORX']) expect(stderr).toContain(`${name}_BASE_URL of the working folder is not used`)
    await orx(['db:status'], dead)
    const shown = JSON.parse((await orx(['config', 'show', '--json'], dead)).stdout) as { data: { home: string } }
    expect(shown.data.home).toBe(join(folder, 'home'))
    expect(server?.received ?? []).toEqual([])
    expect(await readdir(folder)).not.toContain('evil-was-here')
    expect(await readdir(folder)).not.toContain('evil-home')
  })

  test('what may not cost more never costs more, and a price nobody knows is refused', async () => {
    const env = await served(({ body }, response) => sendJson(response, completion(isJudged(body) ? verdict.replaceAll('9', '3') : 'Hi.')))
    const { data } = envelopeOf(
      await orx(['run', 'x', ...models, '--max-cost', '0.02', '--max-tokens', '500', '--iterations', '10', '--patience', '10'], env),
    )
    expect(data.usage.costUsd).toBeLessThanOrEqual(0.02)
    const unknown = await orx(['run', 'x', '--models', 'openai/gpt-99', '--max-cost', '1', '--db', 'none', '--json'], env)
    expect([unknown.exitCode, envelopeOf(unknown).error?.code]).toEqual([2, 'unknown_price'])
  })
})

describe('being stopped', () => {
  test('by Ctrl-C gives the best answer so far and 130, and leaves no process behind', async () => {
    const started = start([
      'run',
      'x',
      '--simulate',
      '--sim-scale',
      '0.1',
      '--threshold',
      '10',
      '--iterations',
      '10',
      '--patience',
      '10',
      '--json',
      '--no-cache',
    ])
    await started.says('simulated')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    started.child.kill('SIGINT')
    const ended = await started.ended
    const { data, error, exitCode } = envelopeOf(ended)
    expect([ended.exitCode, exitCode]).toEqual([130, 130])
    if (data.finalResponse === null) expect(error).not.toBeNull()
    else expect([data.stopReason, error]).toEqual(['aborted', null])
    expect(await childrenOf(started.child.pid ?? 0)).toEqual([])
  })

  test('by SIGTERM ends with 143, by --timeout with 124', async () => {
    const started = start(['run', 'x', '--simulate', '--sim-scale', '5', '--db', 'none', '--json'])
    await started.says('simulated')
    await new Promise((resolve) => setTimeout(resolve, 300))
    started.child.kill('SIGTERM')
    expect((await started.ended).exitCode).toBe(143)
    const late = await orx(['run', 'x', '--simulate', '--sim-scale', '5', '--db', 'none', '--json', '--timeout', '500ms'])
    expect([late.exitCode, envelopeOf(late).exitCode]).toEqual([124, 124])
  })

  test('by its deadline gives what there is and 0, or 1 without an answer', async () => {
    const ended = await orx(['run', 'x', '--simulate', '--sim-scale', '5', '--db', 'none', '--json', '--deadline', '300ms'])
    expect([ended.exitCode, envelopeOf(ended).data.stopReason]).toEqual([1, 'deadline'])
  })

  test('by kill -9 harms neither the database nor the next run, and the simulated provider ends too', async () => {
    const started = start(['run', 'x', '--simulate', '--sim-scale', '3', '--no-cache'])
    await started.says('author:')
    const children = await childrenOf(started.child.pid ?? 0)
    expect(children).toHaveLength(1)
    started.child.kill('SIGKILL')
    await started.ended
    for (const child of children) while (processes.isAlive(child)) await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await orx(['run', 'x', ...simulated, '--json'])).exitCode).toBe(0)
  })
})

async function childrenOf(pid: number): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[1] === String(pid) && fields[0] !== 'Z') found.push(Number(name))
  }
  return found
}

describe('the database', () => {
  test.each([
    ['is not there', 'mongodb://127.0.0.1:1/?directConnection=true', 69, 'database_unreachable'],
    ['cannot be named so', 'mongo:/nonsense', 2, 'settings'],
  ])('that %s', async (_, uri, exitCode, code) => {
    const ended = await orx(['run', 'x', ...simulated, '--json'], { ORX_MONGODB_URI: uri })
    expect([ended.exitCode, envelopeOf(ended).error?.code]).toEqual([exitCode, code])
    expect(envelopeOf(ended).error?.hint).toMatch(/--db none|ORX_MONGODB_URI/)
  })

  test('that is frozen ends a command within 10 s with 69', async () => {
    mongod.freeze()
    try {
      const fromMs = performance.now()
      const ended = await orx(['run', 'x', ...simulated, '--json'])
      expect([ended.exitCode, envelopeOf(ended).error?.code]).toEqual([69, 'database_unreachable'])
      expect((await orx(['db:status', '--json'])).exitCode).toBe(69)
      expect(performance.now() - fromMs).toBeLessThan(20_000)
    } finally {
      mongod.thaw()
    }
  })

  test.each([
    ['dies', async () => mongod.kill()],
    ['freezes', async () => mongod.freeze()],
  ])('that %s in the middle loses no answer: it is printed, persisted is false, exit 5', async (_, harm) => {
    const started = start(['run', 'x', '--simulate', '--sim-scale', '0.3', '--threshold', '10', '--iterations', '2', '--no-cache'])
    await started.says('author:')
    await harm()
    const { exitCode, stdout, stderr } = await started.ended
    mongod.thaw()
    await mongod.start()
    expect([exitCode, stdout.startsWith('(simulated answer')]).toEqual([5, true])
    expect(stderr).toContain('persisted: false')
  })

  test('of its own is started on demand, shared by two at once, and stopped by db:down', async () => {
    const env = { ORX_MONGODB_URI: '' }
    const [one, two] = await Promise.all([orx(['run', 'a', ...simulated, '--json'], env), orx(['run', 'b', ...simulated, '--json'], env)])
    expect([one.exitCode, two.exitCode]).toEqual([0, 0])
    const status = JSON.parse((await orx(['db:status', '--json'], env)).stdout) as { data: { running: boolean; pid: number } }
    expect(status.data.running).toBe(true)
    expect(JSON.parse((await orx(['db:up', '--json'], env)).stdout)).toMatchObject({ data: { started: false, pid: status.data.pid } })
    expect(JSON.parse((await orx(['db:down', '--json'], env)).stdout)).toMatchObject({ data: { stopped: true, pid: status.data.pid } })
    expect(processes.isAlive(status.data.pid)).toBe(false)
  })

  test('home that cannot be written to ends with 2', async () => {
    await writeFile(join(folder, 'file'), '')
    const ended = await orx(['db:up', '--json'], { ORX_MONGODB_URI: '', ORX_HOME: join(folder, 'file') })
    expect([ended.exitCode, envelopeOf(ended).error?.code]).toEqual([2, 'home_unwritable'])
  })
})

describe('a file of prompts', () => {
  test('is answered line by line, broken lines are named, blank ones passed over', async () => {
    await writeFile(
      join(folder, 'prompts.jsonl'),
      '{"prompt": "one", "id": "a"}\n\n{"prompt": \n{"prompt": "two", "domain": "code", "priority": 9}\n{"id": "b"}\n',
    )
    const { exitCode, stdout } = await orx(['run', '--file', 'prompts.jsonl', ...simulated, '--json', '--db', 'none'])
    expect(exitCode).toBe(5)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { line: number; id: string | null; error?: object; domain?: string; finalResponse?: string })
    expect(lines.map(({ line }) => line).toSorted((a, b) => a - b)).toEqual([1, 3, 4, 5])
    expect(lines.find(({ line }) => line === 1)).toMatchObject({ id: 'a', finalResponse: expect.any(String) as string })
    expect(lines.find(({ line }) => line === 4)).toMatchObject({ domain: 'code' })
    expect(lines.find(({ line }) => line === 5)).toMatchObject({ id: 'b', error: { code: 'bad_prompt' } })
    const table = await orx(['run', '--file', 'prompts.jsonl', ...simulated, '--db', 'none'])
    expect(table.stdout).toMatch(/2 of 4 prompts answered/)
  })

  test('that is missing, or has nothing in it, ends with 2', async () => {
    await writeFile(join(folder, 'empty.jsonl'), '\n\n')
    for (const file of ['missing.jsonl', 'empty.jsonl', '.']) expect((await orx(['run', '--file', file, ...simulated])).exitCode).toBe(2)
  })
})

test('the simulated provider says when its port is taken', async () => {
  server = await wireServer(() => undefined)
  const ended = await orx(['simulator', '--port', new URL(server.baseUrl).port, '--json'])
  expect([ended.exitCode, envelopeOf(ended).error?.code]).toEqual([1, 'port_taken'])
})
