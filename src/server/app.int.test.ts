// The routes over real HTTP, on a real MongoDB.
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectDatabase, type Database } from '../database/connection.ts'
import { collectionOf } from '../database/documents.ts'
import { startTestMongod, type TestMongod } from '../database/embedded/mongod.testkit.ts'
import { ObjectId } from 'mongodb'
import { sleep } from '../core/runtime.ts'
import { makeIo } from '../io.ts'
import { checkHealth } from '../monitor/health.ts'
import { makeMetrics } from '../monitor/metrics.ts'
import { prometheusText } from '../monitor/prometheus.ts'
import { makeApp } from './app.ts'
import { listen, type Listening } from './listen.ts'
import { makeStore } from './store.ts'

const { runtime } = makeIo(process, '')
const { clock } = runtime
const forever = new AbortController().signal

let mongod: TestMongod
let database: Database
let listening: Listening
let origin: string
let isReady = true
const metrics = makeMetrics(clock)

beforeAll(async () => {
  mongod = await startTestMongod()
  database = await connectDatabase({ uri: mongod.uri, dbName: 'service', appName: 'orx/test', clock }, forever)
  const app = makeApp({
    store: makeStore({ db: database.db, reads: database.reads, clock, newId: () => runtime.newId() }),
    clock,
    metrics,
    isReady: () => isReady,
    health: () =>
      checkHealth(
        { clock, ping: (soon) => database.ping(soon), memoryPercent: () => 42, endpoints: () => metrics.endpoints() },
        AbortSignal.timeout(3_000),
      ),
    metricsText: () => prometheusText(metrics.endpoints(), []),
  })
  listening = await listen(app, { clock, host: '127.0.0.1', port: 0 })
  origin = `http://127.0.0.1:${listening.port}`
})
afterAll(async () => {
  await listening.drain(1_000)
  await database.close()
  await mongod.stop()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: text }),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> }
}

const errorOf = ({ body }: Answer): { readonly code: string; readonly message: string; readonly hint: string } =>
  body['error'] as { readonly code: string; readonly message: string; readonly hint: string }

describe('a session', () => {
  test('is made, read, and changes its status; the database holds what was told', async () => {
    const made = await ask('POST', '/api/sessions', { userId: 'ada', settings: { theme: 'dark' } })
    const { id } = made.body as { readonly id: string }
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe(`/api/sessions/${id}`)
    expect(made.body).toMatchObject({ userId: 'ada', status: 'active', totalCost: 0, settings: { theme: 'dark' }, sessionEnd: null })
    expect((await ask('GET', `/api/sessions/${id}`)).body).toEqual(made.body)
    const ended = await ask('PATCH', `/api/sessions/${id}/status`, { status: 'completed' })
    expect([ended.status, ended.body['status'], typeof ended.body['sessionEnd']]).toEqual([200, 'completed', 'string'])
    const document = await collectionOf(database.db, 'user_sessions').findOne({ _id: new ObjectId(id) })
    expect(document).toMatchObject({ user_id: 'ada', status: 'completed', total_cost: 0 })
  })

  test('is listed newest first, page by page, each once, also those of one millisecond', async () => {
    const made: string[] = []
    for (let round = 0; round < 5; round += 1) {
      const ids = await Promise.all(
        Array.from({ length: 5 }, async () => (await ask('POST', '/api/sessions', { userId: 'bob' })).body['id']),
      )
      made.push(...ids.map(String))
    }
    const seen: { readonly id: string; readonly sessionStart: string }[] = []
    let cursor: string | null = ''
    for (let page = 0; cursor !== null && page < 30; page += 1) {
      const path = `/api/users/bob/sessions?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { body } = await ask('GET', path)
      seen.push(...(body['items'] as typeof seen))
      cursor = body['next'] as string | null
    }
    expect(seen.map(({ id }) => id).toSorted()).toEqual(made.toSorted())
    const starts = seen.map(({ sessionStart }) => sessionStart)
    expect(starts).toEqual(starts.toSorted().toReversed())
    expect(Object.keys(seen[0] ?? {}).toSorted()).toEqual(['id', 'sessionStart', 'status', 'totalCost'])
    expect(((await ask('GET', '/api/users/bob/sessions')).body['items'] as unknown[]).length).toBe(20)
    expect((await ask('GET', '/api/users/nobody/sessions')).body).toEqual({ items: [], next: null })
  })
})

test('threads belong to a session, and are listed there', async () => {
  const session = await ask('POST', '/api/sessions', { userId: 'eve' })
  const sessionId = String(session.body['id'])
  const thread = await ask('POST', '/api/threads', { sessionId, prompt: 'Explain tides', domain: 'general' })
  expect(thread.status).toBe(201)
  expect(thread.body).toMatchObject({ sessionId, prompt: 'Explain tides', domain: 'general', status: 'active', finalResponse: null })
  const id = String(thread.body['id'])
  expect((await ask('GET', `/api/threads/${id}`)).body).toEqual(thread.body)
  expect((await ask('GET', `/api/sessions/${sessionId}/threads`)).body).toEqual({ items: [thread.body], next: null })
  const orphan = await ask('POST', '/api/threads', { sessionId: '0'.repeat(24), prompt: 'x' })
  expect([orphan.status, errorOf(orphan).code]).toEqual([404, 'not_found'])
})

test('analytics of a session and of a user are by model, dearest first', async () => {
  const session = await ask('POST', '/api/sessions', { userId: 'kim' })
  const sessionId = new ObjectId(String(session.body['id']))
  const response = (model_name: string, tokens_used: number, cost_usd: number, response_time_ms: number) => ({
    session_id: sessionId,
    model_name,
    tokens_used,
    cost_usd,
    response_time_ms,
  })
  await database.db
    .collection('model_responses')
    .insertMany([response('a/cheap', 10, 0.1, 100), response('b/dear', 30, 0.5, 300), response('a/cheap', 20, 0.1, 200)])
  const wanted = [
    { model: 'b/dear', totalTokens: 30, totalCost: 0.5, avgResponseTimeMs: 300, count: 1 },
    { model: 'a/cheap', totalTokens: 30, totalCost: 0.2, avgResponseTimeMs: 150, count: 2 },
  ]
  expect((await ask('GET', `/api/analytics/sessions/${sessionId.toHexString()}`)).body).toEqual(wanted)
  expect((await ask('GET', '/api/analytics/users/kim')).body).toEqual(wanted)
  expect((await ask('GET', '/api/analytics/users/nobody')).body).toEqual([])
})

describe('what many ask for at the same time', () => {
  test('is made for each, and is there for each as soon as it was acknowledged', async () => {
    const users = Array.from({ length: 100 }, (_, index) => `crowd-${index}`)
    const threads = await Promise.all(
      users.map(async (userId, index) => {
        const session = await ask('POST', '/api/sessions', { userId })
        const sessionId = String(session.body['id'])
        expect((await ask('GET', `/api/sessions/${sessionId}`)).body).toEqual(session.body)
        // Some are too long to be written with others.
        const prompt = `${userId} ${'x'.repeat(index % 10 === 0 ? 100_000 : 10)}`
        const thread = await ask('POST', '/api/threads', { sessionId, prompt })
        expect([session.status, session.body['userId'], thread.status, thread.body['prompt']]).toEqual([201, userId, 201, prompt])
        expect((await ask('GET', `/api/threads/${String(thread.body['id'])}`)).body).toEqual(thread.body)
        return thread.body['id']
      }),
    )
    expect(new Set(threads).size).toBe(users.length)
    expect(await collectionOf(database.db, 'user_sessions').countDocuments({ user_id: { $in: users } })).toBe(users.length)
  })

  test('is told to each by its id, also that it is not there', async () => {
    const session = await ask('POST', '/api/sessions', { userId: 'one' })
    const thread = await ask('POST', '/api/threads', { sessionId: session.body['id'], prompt: 'one' })
    const places = [
      ['sessions', session],
      ['threads', thread],
    ] as const
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const [place, made] = places[index % 2 === 0 ? 0 : 1]
        const isThere = index % 3 === 0
        const id = isThere ? String(made.body['id']) : new ObjectId().toHexString()
        const { status, body } = await ask('GET', `/api/${place}/${id}`)
        return isThere ? status === 200 && body['id'] === id : status === 404 && errorOf({ ...made, body }).message.includes(id)
      }),
    )
    expect(answers.filter((isRight) => !isRight)).toEqual([])
  })

  test('fails alone where the database refuses it, and nothing of why is told', async () => {
    const sessions = database.db.collection('user_sessions')
    const name = await sessions.createIndex(
      { user_id: 1 },
      { name: 'taken_once', unique: true, partialFilterExpression: { user_id: 'taken' } },
    )
    try {
      const users = Array.from({ length: 60 }, (_, index) => (index === 20 || index === 40 ? 'taken' : `free-${index}`))
      const answers = await Promise.all(users.map((userId) => ask('POST', '/api/sessions', { userId })))
      const [refused, ...more] = answers.filter(({ status }) => status !== 201)
      expect(more).toEqual([])
      expect([refused?.status, refused?.body]).toEqual([
        500,
        { error: expect.objectContaining({ code: 'internal', message: 'the request failed' }) },
      ])
      expect(await sessions.countDocuments({ user_id: { $in: users } })).toBe(users.length - 1)
    } finally {
      await sessions.dropIndex(name)
    }
  })

  test('is analysed for each session as for one alone', async () => {
    const sessionIds = Array.from({ length: 40 }, () => new ObjectId())
    const responses = sessionIds.flatMap((session_id, index) =>
      ['a/one', 'b/two', 'c/three'].slice(0, index % 4).map((model_name, place) => ({
        session_id,
        model_name,
        tokens_used: index,
        cost_usd: index === 3 ? 1 : place,
        response_time_ms: 10 * index,
      })),
    )
    await database.db.collection('model_responses').insertMany(responses)
    const paths = sessionIds.map((id) => `/api/analytics/sessions/${id.toHexString()}`)
    const together = await Promise.all(paths.map((path) => ask('GET', path)))
    for (const [index, path] of paths.entries()) expect(together[index]?.body).toEqual((await ask('GET', path)).body)
    expect(together.map(({ body }) => body['length'])).toEqual(sessionIds.map((_, index) => index % 4))
  })

  test('is listed for each as it was when it was asked', async () => {
    const { body } = await ask('POST', '/api/sessions', { userId: 'lister' })
    const listed = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const thread = await ask('POST', '/api/threads', { sessionId: body['id'], prompt: `${index}` })
        const list = await ask('GET', `/api/sessions/${String(body['id'])}/threads?limit=100`)
        return (list.body['items'] as readonly { readonly id: string }[]).some(({ id }) => id === thread.body['id'])
      }),
    )
    expect(listed).not.toContain(false)
  })
})

describe('what is wrong is refused with a status, a code and a hint', () => {
  const someId = 'a'.repeat(24)
  test.each<readonly [string, string, string, unknown, number]>([
    ['no JSON', 'POST', '/api/sessions', '{', 400],
    ['an empty body', 'POST', '/api/sessions', '', 400],
    ['a user that is missing', 'POST', '/api/sessions', {}, 400],
    ['a field that nobody knows', 'POST', '/api/sessions', { userId: 'u', $where: '1' }, 400],
    ['a user that is no text', 'POST', '/api/sessions', { userId: { $ne: null } }, 400],
    ['an id that is none', 'GET', '/api/sessions/42', undefined, 400],
    ['a session that is not there', 'GET', `/api/sessions/${someId}`, undefined, 404],
    ['a status that is none', 'PATCH', `/api/sessions/${someId}/status`, { status: 'gone' }, 400],
    ['a status of a session that is not there', 'PATCH', `/api/sessions/${someId}/status`, { status: 'error' }, 404],
    ['a prompt that is blank', 'POST', '/api/threads', { sessionId: someId, prompt: '  ' }, 400],
    ['a domain that is none', 'POST', '/api/threads', { sessionId: someId, prompt: 'x', domain: 'cooking' }, 400],
    ['a thread that is not there', 'GET', `/api/threads/${someId}`, undefined, 404],
    ['a limit out of range', 'GET', '/api/users/u/sessions?limit=0', undefined, 400],
    ['a limit that is no number', 'GET', '/api/users/u/sessions?limit=many', undefined, 400],
    ['a cursor that is none', 'GET', '/api/users/u/sessions?cursor=abc', undefined, 400],
    ['a prompt over 1 MiB', 'POST', '/api/threads', { sessionId: someId, prompt: 'x'.repeat(1_048_577) }, 400],
    ['a body over 2 MiB', 'POST', '/api/sessions', { userId: 'u', settings: { x: 'x'.repeat(2_200_000) } }, 413],
    ['a route that is none', 'GET', '/api/nothing', undefined, 404],
  ])('%s', async (_what, method, path, body, status) => {
    const answer = await ask(method, path, body)
    expect(answer.status).toBe(status)
    const { code, message, hint } = errorOf(answer)
    expect([code, message, hint].every((text) => typeof text === 'string' && text !== '')).toBe(true)
    expect(message).not.toMatch(/\n\s+at /)
  })

  test('a body in chunks of which nobody says how long it is', async () => {
    const sent = async (chars: number): Promise<number> => {
      const text = JSON.stringify({ userId: 'chunks', settings: { x: 'x'.repeat(chars) } })
      const body = new Blob([text]).stream()
      const options: RequestInit & { readonly duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
      return (await fetch(`${origin}/api/sessions`, options)).status
    }
    expect(await sent(10)).toBe(201)
    expect(await sent(2_200_000)).toBe(413)
  })

  test('every problem of a body at once', async () => {
    const { message } = errorOf(await ask('POST', '/api/threads', { sessionId: 'x', prompt: '', domain: 'x' }))
    for (const field of ['sessionId', 'prompt', 'domain']) expect(message).toContain(field)
  })

  test('another name for this machine, and pages of other machines', async () => {
    // fetch sets the Host header itself.
    const rebound = await new Promise<number>((resolve, reject) => {
      const { port } = listening
      const sent = httpRequest({ host: '127.0.0.1', port, path: '/livez', headers: { host: 'evil.example' } }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      sent.once('error', reject)
      sent.end()
    })
    expect(rebound).toBe(403)
    expect((await ask('POST', '/api/sessions', { userId: 'u' }, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await ask('POST', '/api/sessions', { userId: 'u' }, { origin: 'http://localhost:3000' })).status).toBe(201)
  })
})

describe('the service tells how it is', () => {
  test('in the shape of the guide, with a ping that was made', async () => {
    const { status, body } = await ask('GET', '/health')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'healthy',
      checks: { database: { status: 'healthy' }, memory: { status: 'healthy', usage_percent: 42 } },
    })
    const { response_time_ms } = (body['checks'] as { readonly database: { readonly response_time_ms: number } }).database
    expect(response_time_ms).toBeGreaterThan(0)
    expect(body['timestamp']).toBeGreaterThan(1.7e9)
    expect(body['timestamp']).toBeLessThan(1e11)
    expect(Object.keys(body['performance'] as object)).toContain('POST /api/sessions')
  })

  test('to a scraper, by route and not by id', async () => {
    const text = await (await fetch(`${origin}/metrics`)).text()
    expect(text).toMatch(/orx_http_requests_total\{method="GET",route="\/api\/sessions\/:id"\} \d+/)
    expect(text).not.toMatch(/[0-9a-f]{24}/)
  })

  test('to a balancer: alive also while it drains, ready only before', async () => {
    expect((await ask('GET', '/readyz')).status).toBe(200)
    isReady = false
    expect([(await ask('GET', '/readyz')).status, (await ask('GET', '/livez')).status]).toEqual([503, 200])
    isReady = true
  })
})

describe('a database that does not answer', () => {
  test('is 503 with Retry-After within seconds for each, and all is well when it does again', async () => {
    const session = await ask('POST', '/api/sessions', { userId: 'patient' })
    const id = String(session.body['id'])
    const asked = [
      ['GET', `/api/sessions/${'b'.repeat(24)}`],
      ['GET', `/api/sessions/${id}`],
      ['GET', `/api/users/patient/sessions`],
      ['GET', `/api/analytics/sessions/${id}`],
      ['POST', '/api/sessions', { userId: 'patient' }],
      ['POST', '/api/threads', { sessionId: id, prompt: 'p' }],
    ] as const
    mongod.freeze()
    try {
      const wave = asked.map(async ([method, path, body]) => {
        const fromMs = clock.monotonicMs()
        const answer = await ask(method, path, body)
        expect([answer.status, errorOf(answer).code, answer.headers.get('retry-after')]).toEqual([503, 'database_unreachable', '2'])
        expect(clock.monotonicMs() - fromMs).toBeLessThan(10_000)
      })
      const waiting = asked.map(async ([method, path, body]) => {
        // While those before it are out.
        await sleep(clock, 3_000)
        const fromMs = clock.monotonicMs()
        expect((await ask(method, path, body)).status).toBe(503)
        expect(clock.monotonicMs() - fromMs).toBeLessThan(10_000)
      })
      const health = await ask('GET', '/health')
      expect(health.status).toBe(503)
      expect(health.body).toMatchObject({ status: 'unhealthy', checks: { database: { status: 'unhealthy' } } })
      expect((await ask('GET', '/livez')).status).toBe(200)
      await Promise.all([...wave, ...waiting])
    } finally {
      mongod.thaw()
    }
    await expect.poll(async () => (await ask('GET', '/health')).status, { timeout: 20_000 }).toBe(200)
    expect((await ask('POST', '/api/threads', { sessionId: id, prompt: 'p' })).status).toBe(201)
  })

  test('is waited for by a write while it starts again, and is 503 where it does not', async () => {
    await mongod.kill()
    const soon = ask('POST', '/api/sessions', { userId: 'waits' })
    await mongod.start()
    expect((await soon).status).toBe(201)
    await mongod.kill()
    try {
      const lost = await Promise.all([ask('POST', '/api/sessions', { userId: 'lost' }), ask('GET', `/api/sessions/${'b'.repeat(24)}`)])
      expect(lost.map((answer) => [answer.status, errorOf(answer).code])).toEqual([
        [503, 'database_unreachable'],
        [503, 'database_unreachable'],
      ])
    } finally {
      await mongod.start()
    }
  })
})
