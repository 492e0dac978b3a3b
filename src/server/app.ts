// The routes of the service. Invariant: whatever comes is checked by schema before anything is asked of the database; every failure is
// `{ error: { code, message, hint } }` with the right status; every request is counted under its route.
import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { ObjectId } from 'mongodb'
import { z } from 'zod'
import { messageOf, OrxError, type ErrorCode } from '../core/errors.ts'
import type { Clock } from '../core/runtime.ts'
import { databaseError } from '../database/connection.ts'
import { domains } from '../models/catalog.ts'
import type { Health } from '../monitor/health.ts'
import type { Metrics } from '../monitor/metrics.ts'
import { analyticsResource, listResource, readCursor, sessionResource, sessionRowResource, threadResource } from './resources.ts'
import type { Store } from './store.ts'

export interface AppOptions {
  readonly store: Store
  readonly clock: Clock
  readonly metrics: Metrics
  health(): Promise<Health>
  /** Whether it takes requests: not while it drains. */
  isReady(): boolean
  metricsText(): string
}

const mostBodyBytes = 2_097_152
const mostPromptBytes = 1_048_576
const retryAfterSeconds = '2'
const loopbackNames: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]'])

const statusOf: Readonly<Partial<Record<ErrorCode, 400 | 403 | 404 | 429 | 503>>> = {
  usage: 400,
  bad_request: 400,
  bad_prompt: 400,
  not_authorized: 403,
  not_found: 404,
  rate_limited: 429,
  queue_full: 503,
  database_unreachable: 503,
}

const userId = z.string().trim().min(1).max(200)
const newSession = z.strictObject({ userId, settings: z.record(z.string(), z.unknown()).default({}) })
const newStatus = z.strictObject({ status: z.enum(['active', 'completed', 'terminated', 'error']) })
const hexId = z.string().regex(/^[0-9a-fA-F]{24}$/, { error: 'expected 24 hex digits' })
const newThread = z.strictObject({
  sessionId: hexId,
  prompt: z
    .string()
    .refine((text) => text.trim() !== '', { error: 'expected a prompt that is not blank' })
    .refine((text) => Buffer.byteLength(text) <= mostPromptBytes, { error: 'expected at most 1 MiB' }),
  domain: z.enum(domains).optional(),
})
const pageQuery = z.object({ limit: z.coerce.number().int().min(1).max(200).default(20), cursor: z.string().optional() })

function badRequest(problems: readonly string[]): OrxError {
  return new OrxError('bad_request', problems.join('; '), { hint: 'Correct the request; the README names the fields of each route.' })
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw badRequest(parsed.error.issues.map(({ path, message }) => `${path.length === 0 ? 'the body' : path.join('.')}: ${message}`))
}

async function bodyOf<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.infer<Schema>> {
  let body: unknown
  try {
    body = await context.req.json()
  } catch (error) {
    throw badRequest([`the body is no JSON: ${messageOf(error)}`])
  }
  return parse(schema, body)
}

const idOf = (context: Context): ObjectId => new ObjectId(parse(hexId, context.req.param('id')))

function pageOf(context: Context): { readonly limit: number; readonly cursor: ReturnType<typeof readCursor> } {
  const { limit, cursor } = parse(pageQuery, context.req.query())
  const read = cursor === undefined ? null : readCursor(cursor)
  if (cursor !== undefined && read === null) throw badRequest(['cursor: expected what `next` of the last page said'])
  return { limit, cursor: read }
}

function notFound(what: string, id: ObjectId): OrxError {
  return new OrxError('not_found', `there is no ${what} ${id.toHexString()}`, { hint: 'Check the id.' })
}

export function makeApp({ store, clock, metrics, health, isReady, metricsText }: AppOptions): Hono {
  const app = new Hono()

  app.use(async (context, next) => {
    const fromMs = clock.monotonicMs()
    await next()
    metrics.record(`${context.req.method} ${context.req.routePath}`, clock.monotonicMs() - fromMs, context.res.status < 500)
  })
  // A page in a browser may send requests to this machine under a name of its own; the service answers to the machine's names alone.
  app.use(async (context, next) => {
    const { hostname } = new URL(context.req.url)
    if (!loopbackNames.has(hostname))
      throw new OrxError('not_authorized', `this service is not ${hostname}`, { hint: 'Ask 127.0.0.1 or localhost.' })
    const origin = context.req.header('origin')
    if (origin !== undefined && !(URL.canParse(origin) && loopbackNames.has(new URL(origin).hostname)))
      throw new OrxError('not_authorized', 'requests from pages of other machines are refused', { hint: 'Ask from this machine.' })
    await next()
  })
  const tooLarge = (context: Context): Response => {
    // What is left of the body is not read: nothing more can come on this connection.
    context.header('connection', 'close')
    return context.json(failure('bad_request', 'the body is larger than 2 MiB', 'Send less.'), 413)
  }
  const countingLimit = bodyLimit({ maxSize: mostBodyBytes, onError: tooLarge })
  app.use('/api/*', async (context, next) => {
    // Only a body in chunks must be counted as it comes. To ask whether there is one makes a whole Request of the Web, which is dearer than the route.
    if (context.req.header('transfer-encoding') !== undefined) return countingLimit(context, next)
    if (Number(context.req.header('content-length') ?? 0) > mostBodyBytes) return tooLarge(context)
    await next()
  })

  app.post('/api/sessions', async (context) => {
    const { userId: user, settings } = await bodyOf(context, newSession)
    const session = await store.createSession(user, settings)
    context.header('location', `/api/sessions/${session._id.toHexString()}`)
    return context.json(sessionResource(session), 201)
  })
  app.get('/api/sessions/:id', async (context) => {
    const id = idOf(context)
    const session = await store.findSession(id)
    if (session === null) throw notFound('session', id)
    return context.json(sessionResource(session))
  })
  app.patch('/api/sessions/:id/status', async (context) => {
    const id = idOf(context)
    const { status } = await bodyOf(context, newStatus)
    const session = await store.setStatus(id, status)
    if (session === null) throw notFound('session', id)
    return context.json(sessionResource(session))
  })
  app.get('/api/users/:id/sessions', async (context) => {
    const { limit, cursor } = pageOf(context)
    return context.json(listResource(await store.sessionsOfUser(parse(userId, context.req.param('id')), limit, cursor), sessionRowResource))
  })
  app.post('/api/threads', async (context) => {
    const { sessionId, prompt, domain } = await bodyOf(context, newThread)
    const thread = await store.createThread(new ObjectId(sessionId), prompt, domain ?? null)
    context.header('location', `/api/threads/${thread._id.toHexString()}`)
    return context.json(threadResource(thread), 201)
  })
  app.get('/api/threads/:id', async (context) => {
    const id = idOf(context)
    const thread = await store.findThread(id)
    if (thread === null) throw notFound('thread', id)
    return context.json(threadResource(thread))
  })
  app.get('/api/sessions/:id/threads', async (context) => {
    const { limit, cursor } = pageOf(context)
    return context.json(listResource(await store.threadsOfSession(idOf(context), limit, cursor), threadResource))
  })
  app.get('/api/analytics/sessions/:id', async (context) =>
    context.json((await store.analyticsOfSession(idOf(context))).map(analyticsResource)),
  )
  app.get('/api/analytics/users/:id', async (context) => {
    const rows = await store.analyticsOfUser(parse(userId, context.req.param('id')))
    return context.json(rows.map(analyticsResource))
  })

  app.get('/livez', (context) => context.json({ status: 'ok' }))
  app.get('/readyz', (context) => (isReady() ? context.json({ status: 'ready' }) : context.json({ status: 'draining' }, 503)))
  app.get('/health', async (context) => {
    const found = await health()
    return context.json(found, found.status === 'healthy' ? 200 : 503)
  })
  app.get('/metrics', (context) => context.body(metricsText(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }))

  app.notFound((context) =>
    context.json(failure('not_found', `there is no ${context.req.method} ${context.req.path}`, 'The README names the routes.'), 404),
  )
  app.onError((thrown, context) => {
    const error = databaseError(thrown)
    const status = statusOf[error.code] ?? 500
    if (status === 429 || status === 503) context.header('retry-after', retryAfterSeconds)
    // What the program did not foresee is nobody's business outside.
    if (!(thrown instanceof OrxError) && status === 500)
      return context.json(failure('internal', 'the request failed', 'Try it again; the log of the service says more.'), 500)
    return context.json(failure(error.code, error.message, error.hint), status)
  })
  return app
}

function failure(code: ErrorCode, message: string, hint: string): object {
  return { error: { code, message, hint } }
}
