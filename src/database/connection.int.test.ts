import { MongoNetworkError, MongoServerError } from 'mongodb'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { OrxError } from '../core/errors.ts'
import { makeIo } from '../io.ts'
import { bounded, connectDatabase, databaseError } from './connection.ts'
import { startTestMongod, type TestMongod } from './embedded/mongod.testkit.ts'

const { clock } = makeIo(process, '').runtime
const signal = new AbortController().signal
let mongod: TestMongod
beforeAll(async () => {
  mongod = await startTestMongod()
})
afterAll(() => mongod.stop())

const connect = (uri: string, dbName?: string) =>
  connectDatabase({ uri, appName: 'orx-test', clock, ...(dbName ? { dbName } : {}) }, signal)

test('uses the database of the path, else orchestratex, and one that is asked for before either', async () => {
  for (const [uri, dbName, expected] of [
    [mongod.uri, undefined, 'orchestratex'],
    [mongod.uri.replace('/orchestratex', '/'), undefined, 'orchestratex'],
    [mongod.uri.replace('/orchestratex', '/mine'), undefined, 'mine'],
    [mongod.uri, 'asked', 'asked'],
  ] as const) {
    const database = await connect(uri, dbName)
    expect(database.name).toBe(expected)
    await database.close()
  }
})

test('opens the documented pool under its name; a URI may choose another pool, and shorter times, never longer ones', async () => {
  const plain = await connect(mongod.uri)
  expect(plain.client.options).toMatchObject({
    maxPoolSize: 40,
    minPoolSize: 5,
    maxIdleTimeMS: 45_000,
    appName: 'orx-test',
    retryWrites: true,
  })
  expect(plain.client.options.writeConcern).toMatchObject({ w: 'majority' })
  expect(plain.reads.readPreference.mode).toBe('secondaryPreferred')
  await plain.close()
  const chosen = await connect(`${mongod.uri}&maxPoolSize=7&minPoolSize=0&serverSelectionTimeoutMS=60000&connectTimeoutMS=500`)
  expect(chosen.client.options).toMatchObject({ maxPoolSize: 7, serverSelectionTimeoutMS: 3_000, connectTimeoutMS: 500 })
  await chosen.close()
})

test('a pool that is smaller than the documented least is no contradiction', async () => {
  for (const opened of [
    connect(`${mongod.uri}&maxPoolSize=2`),
    connectDatabase({ uri: mongod.uri, appName: 'orx-test', maxPoolSize: 2, clock }, signal),
  ]) {
    const database = await opened
    expect(database.client.options).toMatchObject({ maxPoolSize: 2, minPoolSize: 2 })
    await database.close()
  }
})

test('what must be seen is read from the primary, whatever the URI prefers; listings as the URI prefers', async () => {
  const database = await connect(`${mongod.uri}&readPreference=nearest`)
  expect(database.db.readPreference.mode).toBe('primary')
  expect(database.reads.readPreference.mode).toBe('nearest')
  await database.close()
})

test('a name that no database can have is a wrong setting', async () => {
  await expect(connect(mongod.uri, 'a b')).rejects.toMatchObject({ code: 'settings', exitCode: 2 })
  await expect(connect(mongod.uri.replace('/orchestratex', '/%zz'))).rejects.toMatchObject({ code: 'settings' })
})

test.each([
  ['a port where nothing listens', 'mongodb://127.0.0.1:1/?directConnection=true', 'database_unreachable', 69],
  ['a name that does not resolve', 'mongodb://no-such-host.invalid/', 'database_unreachable', 69],
  ['what is no URI', 'mongo:/x', 'settings', 2],
  ['an unknown option', 'mongodb://127.0.0.1:1/?wrong=1', 'settings', 2],
])('%s is refused with the code that says so', async (_, uri, code, exitCode) => {
  await expect(connect(uri)).rejects.toMatchObject({ code, exitCode, hint: expect.stringMatching(/\S/) as string })
})

test('a wrong password is a credential that is rejected, and is not said again', async () => {
  const uri = mongod.uri.replace('mongodb://', 'mongodb://admin:hunter22@')
  const error = await connect(uri).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'credential_rejected', exitCode: 4 })
  expect((error as Error).message).not.toContain('hunter22')
})

test('a server that speaks another protocol is unreachable', async () => {
  const server = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(connect(`mongodb://127.0.0.1:${port}/?directConnection=true`)).rejects.toMatchObject({ code: 'database_unreachable' })
  server.close()
})

test('an operation that does not come back ends at its bound, one that is aborted ends with the reason', async () => {
  const time = fakeClock()
  const never = new Promise<never>(() => undefined)
  const late = bounded(time, 500, () => never).catch((thrown: unknown) => thrown)
  await time.advance(500)
  expect(await late).toMatchObject({ code: 'database_unreachable', message: expect.stringContaining('500 ms') as string })
  const controller = new AbortController()
  const stopped = bounded(time, 500, () => never, controller.signal)
  controller.abort(new Error('stopped'))
  await expect(stopped).rejects.toThrow('stopped')
  expect(time.pending()).toBe(0)
})

test.each([
  [new MongoServerError({ message: 'not authorized on x', code: 13 }), 'not_authorized'],
  [new MongoServerError({ message: 'not primary', code: 10107 }), 'database_unreachable'],
  [new MongoServerError({ message: 'duplicate key', code: 11000 }), 'database_failed'],
  [new MongoNetworkError('read ECONNRESET'), 'database_unreachable'],
  [new OrxError('deadline', 'late'), 'deadline'],
  [new TypeError('broken'), 'database_failed'],
])('%s is %s', (error, code) => {
  expect(databaseError(error).code).toBe(code)
})
