// `orx db:index` as a DBA and as CI meet it: the real binary, real servers. Needs `npm run build`.
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, type Db } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startOrx } from '../../binary.testkit.ts'
import { startTestMongod, type TestMongod } from '../../database/embedded/mongod.testkit.ts'
import { startTestReplicaSet, type TestReplicaSet } from '../../database/embedded/replicaSet.testkit.ts'

let mongod: TestMongod
let client: MongoClient
let folder: string
let db: Db
let count = 0
let name = ''
beforeAll(async () => {
  mongod = await startTestMongod()
  client = new MongoClient(mongod.uri)
})
afterAll(async () => {
  await client.close()
  await mongod.stop()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-index-'))
  count += 1
  name = `shop_${count}`
  db = client.db(name)
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

interface Ended {
  readonly exitCode: number | null
  readonly stderr: string
  readonly json: {
    readonly command: string
    readonly ok: boolean
    readonly data: Record<string, never>
    readonly warnings: readonly string[]
    readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null
  }
}

function start(words: readonly string[], uri: string): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const { child, ended } = startOrx(folder, ['db:index', ...words, '--json'], { ORX_MONGODB_URI: uri })
  return {
    child,
    ended: ended.then(({ exitCode, stdout, stderr }) => ({ exitCode, stderr, json: stdout === '' ? null : JSON.parse(stdout) })),
  }
}
/** The same without --json. */
const text = (...words: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  startOrx(folder, ['db:index', ...words, '--db-name', name], { ORX_MONGODB_URI: mongod.uri }).ended
const orx = (...words: readonly string[]): Promise<Ended> => start([...words, '--db-name', name], mongod.uri).ended

async function catalogFile(indexes: readonly object[], paths: readonly object[] = []): Promise<string> {
  const file = join(folder, 'catalog.json')
  await writeFile(file, JSON.stringify({ schemaVersion: 1, indexes, paths }))
  return file
}
const entry = (collection: string, key: object, options: object = {}, more: object = {}): object => ({
  collection,
  key,
  options,
  why: 'a test',
  serves: [],
  ...more,
})
const databases = async (): Promise<readonly string[]> =>
  (await client.db().admin().listDatabases({ nameOnly: true })).databases.map((found) => found.name)

describe('orx db:index', () => {
  test('plans, applies and proves the catalog of OrchestrateX on an empty database, and is then in sync', async () => {
    expect(await orx('plan')).toMatchObject({
      exitCode: 0,
      json: { command: 'db:index plan', ok: true, data: { database: name, inSync: false } },
    })
    expect((await orx('plan', '--detailed-exitcode')).exitCode).toBe(3)
    expect(await databases()).not.toContain(name)
    expect(await orx('--yes')).toMatchObject({
      exitCode: 6,
      json: { error: { code: 'confirmation_needed', hint: expect.stringContaining(`--create-db ${name}`) as string } },
    })
    expect(await orx('apply', '--yes', '--create-db', 'another')).toMatchObject({ exitCode: 6 })
    expect(await databases()).not.toContain(name)
    // A script gets the plan all the same.
    expect(await orx('--create-db', name)).toMatchObject({
      exitCode: 6,
      json: { data: { plan: { database: name, inSync: false }, applied: [] }, error: { hint: expect.stringContaining('--yes') as string } },
    })
    const first = await orx('--yes', '--create-db', name)
    expect(first).toMatchObject({ exitCode: 0, json: { ok: true, error: null } })
    expect(await orx('plan', '--detailed-exitcode')).toMatchObject({
      exitCode: 0,
      json: { data: { inSync: true, actions: [], extra: [] } },
    })
    expect(await orx('verify', '--no-gain')).toMatchObject({ exitCode: 0 })
    // Nothing is there that a gain could be measured on.
    expect((await orx('verify')).exitCode).toBe(97)
    await db.collection('user_sessions').dropIndex('user_id_1_created_at_-1')
    expect(await orx('verify', '--no-gain')).toMatchObject({ exitCode: 3 })
  })

  test('applies a saved plan, and refuses it when anything has changed since', async () => {
    await db.collection('c').insertOne({ a: 1 })
    const file = await catalogFile([
      entry('c', { a: 1 }),
      entry('c', { b: 1 }, { partialFilterExpression: { at: { $gt: { $date: '2026-01-01T00:00:00Z' } } } }),
    ])
    const saved = join(folder, 'plan.json')
    expect((await orx('plan', '--catalog', file, '--out', saved)).exitCode).toBe(0)
    await db.collection('c').createIndex({ z: 1 })
    expect(await orx('apply', saved, '--yes')).toMatchObject({ exitCode: 3, json: { error: { code: 'plan_stale' } } })
    await db.collection('c').dropIndex('z_1')
    expect((await orx('apply', saved, '--yes')).exitCode).toBe(0)
    expect(await orx('plan', '--catalog', file, '--detailed-exitcode')).toMatchObject({ exitCode: 0 })
    expect(await orx('apply', saved, '--yes')).toMatchObject({ exitCode: 3 })
    await writeFile(saved, '{"schemaVersion":1}')
    expect(await orx('apply', saved, '--yes')).toMatchObject({
      exitCode: 2,
      json: { error: { message: expect.stringContaining('fingerprint') as string } },
    })
    expect(await orx('apply', join(folder, 'none.json'), '--yes')).toMatchObject({ exitCode: 2 })
  })

  test('removes only what was allowed, for the database that was named', async () => {
    await db.collection('c').createIndex({ a: 1 }, { name: 'mine', sparse: true })
    const file = await catalogFile([entry('c', { a: 1 }, {}, { name: 'mine' }), entry('c', { b: 1 })])
    const left = await orx('apply', '--catalog', file, '--yes')
    expect(left).toMatchObject({
      exitCode: 0,
      json: { warnings: expect.arrayContaining([expect.stringContaining('rebuild c.mine')]) as string[] },
    })
    expect((await db.collection('c').indexes()).map((index) => index.name)).toEqual(['_id_', 'mine', 'b_1'])
    for (const words of [['--allow-drop'], ['--allow-drop', '--confirm-db', 'shop']]) {
      expect(await orx('apply', '--catalog', file, '--yes', ...words)).toMatchObject({
        exitCode: 6,
        json: { error: { code: 'confirmation_needed' } },
      })
    }
    expect(await orx('apply', '--catalog', file, '--yes', '--allow-drop', '--confirm-db', name)).toMatchObject({ exitCode: 0 })
    expect(await orx('plan', '--catalog', file)).toMatchObject({ json: { data: { inSync: true, extra: [] } } })
  })

  test('plan, verify, stats and pull write nothing: the server’s own profiler saw only reads, each under the name of orx', async () => {
    await db
      .collection('user_sessions')
      .insertMany(Array.from({ length: 50 }, (_, at) => ({ user_id: `u${at}`, created_at: new Date(at) })))
    await db.command({ profile: 2 })
    for (const words of [['plan', '--prune'], ['verify'], ['stats'], ['pull']]) await orx(...words)
    await db.command({ profile: 0 })
    const seen = await db
      .collection('system.profile')
      .find({ appName: /^orx\// })
      .toArray()
    const commands = new Set(seen.map(({ command }) => Object.keys(command as object)[0]))
    for (const command of commands) expect(['find', 'aggregate', 'explain', 'count', 'listIndexes', 'listCollections']).toContain(command)
    expect([...commands]).toEqual(expect.arrayContaining(['find', 'explain']))
    expect(await db.collection('system.profile').countDocuments({ op: { $in: ['insert', 'update', 'remove'] } })).toBe(0)
  })

  test('tells before anything is done what a TTL would remove, and that a collection would have too many indexes', async () => {
    await db.collection('c').insertMany([{ at: new Date(0) }, { at: new Date(0) }, { at: new Date() }])
    await db.collection('many').createIndexes(Array.from({ length: 63 }, (_, at) => ({ key: { [`f${at}`]: 1 as const }, name: `f${at}` })))
    const file = await catalogFile([entry('c', { at: 1 }, { expireAfterSeconds: 3_600 }), entry('many', { one: 1 })])
    const planned = await orx('plan', '--catalog', file)
    expect(planned.json.data['actions']).toMatchObject([{ name: 'at_1', expires: 2 }, { name: 'one_1' }])
    expect(planned.json.warnings).toEqual(expect.arrayContaining([expect.stringContaining('many would have 65 indexes')]))
    const applied = await orx('apply', '--catalog', file, '--yes')
    expect(applied).toMatchObject({ exitCode: 1, json: { data: { pending: [{ name: 'one_1' }] } } })
    expect(applied.json.warnings).toEqual(expect.arrayContaining([expect.stringContaining('2 documents of c have expired')]))
  })

  test('prints no escape sequence that somebody has put into a name', async () => {
    await db.collection('c').createIndex({ a: 1 }, { name: '\u001b[31mred\u009b2J' })
    const file = await catalogFile([entry('c', { b: 1 })])
    for (const words of [['plan', '--prune'], ['apply', '--prune', '--yes'], ['verify']]) {
      const { stdout, stderr } = await text(...words, '--catalog', file)
      expect(stdout + stderr).toMatch(/c\.(red|b_1)/)
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      expect(stdout + stderr).not.toMatch(/[\u001b\u009b]/)
    }
  })

  test('prints its result also where writing the file fails in the end, and leaves no file behind that it did not write', async () => {
    await db.createCollection('c')
    for (const words of [
      ['plan', '--out', '/dev/full'],
      ['pull', '--out', '/dev/full'],
      ['verify', '--no-gain', '--junit', '/dev/full'],
    ]) {
      const { exitCode, json } = await orx(...words)
      expect([exitCode, json.error?.code]).toEqual([1, 'output_failed'])
      expect(json.data).toHaveProperty(words[0] === 'verify' ? 'paths' : words[0] === 'plan' ? 'actions' : 'indexes')
    }
    const file = join(folder, 'left.json')
    expect((await start(['plan', '--out', file], 'mongodb://127.0.0.1:9/').ended).exitCode).toBe(69)
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('tells every error of a catalog at once, and what lint finds as warnings', async () => {
    const wrong = await catalogFile(
      [
        entry('c', { a: 2 }),
        entry('c', {}),
        { collection: 'c', key: { a: 1 } },
        entry('c', { b: 1 }, { uniqe: true }),
        entry('c', { x: 1 }),
        entry('c', { x: 1 }),
      ],
      [
        { name: 'p', collection: 'c', index: 'x_1' },
        { name: 'q', collection: 'c', find: { filter: { x: '$$none' } }, index: 'x_1' },
      ],
    )
    const { exitCode, json } = await orx('plan', '--catalog', wrong)
    expect(exitCode).toBe(2)
    for (const place of ['indexes[0].key', 'indexes[1].key', 'indexes[2].why', 'indexes[3].options', 'indexes[5]', 'paths[0]', 'paths[1]'])
      expect(json.error?.message).toContain(place)
    const loose = await catalogFile([entry('c', { a: 1 }), entry('c', { a: 1, b: 1 })])
    expect((await orx('plan', '--catalog', loose)).json.warnings).toEqual(
      expect.arrayContaining([expect.stringContaining('serves no query path'), expect.stringContaining('begins with its whole key')]),
    )
    expect((await orx('lint', '--catalog', loose)).exitCode).toBe(3)
  })

  test('proves the paths of a catalog of the user, and keeps plans to be told from later ones', async () => {
    await db
      .collection('orders')
      .insertMany(Array.from({ length: 5_000 }, (_, at) => ({ customer: `c${at % 400}`, at, secret: `hidden-${at}` })))
    const file = await catalogFile(
      [entry('orders', { customer: 1, at: -1 }, {}, { serves: ['orders of a customer'] })],
      [
        {
          name: 'orders of a customer',
          collection: 'orders',
          find: { filter: { customer: '$$customer' }, sort: { at: -1 }, limit: 10 },
          params: { customer: '$customer' },
          index: 'customer_1_at_-1',
        },
      ],
    )
    const report = ['--junit', join(folder, 'v.xml'), '--markdown', join(folder, 'v.md'), '--save-baseline', join(folder, 'plans.json')]
    expect((await orx('verify', '--catalog', file)).exitCode).toBe(3)
    expect((await orx('--catalog', file, '--yes')).exitCode).toBe(0)
    const proven = await orx('verify', '--catalog', file, ...report)
    expect(proven).toMatchObject({
      exitCode: 0,
      json: {
        data: {
          ok: true,
          paths: [
            {
              verdict: 'ok',
              returned: 10,
              docsExamined: 10,
              baseline: { docsExamined: 5_000 },
              gainPercent: expect.closeTo(99.8, 3) as number,
            },
          ],
        },
      },
    })
    expect(await readFile(join(folder, 'v.xml'), 'utf8')).toContain('<testcase classname="paths" name="orders of a customer"')
    expect(await readFile(join(folder, 'v.md'), 'utf8')).toContain('| orders of a customer | customer_1_at_-1 | 10/10/10 |')
    await db.collection('orders').createIndex({ customer: 1, at: -1, secret: 1 }, { name: 'other' })
    await db.collection('orders').dropIndex('customer_1_at_-1')
    const changed = await orx('verify', '--catalog', file, '--baseline', join(folder, 'plans.json'))
    expect(changed).toMatchObject({ exitCode: 3, json: { data: { paths: [{ verdict: 'wrong-index' }] } } })
    expect(JSON.stringify([proven, changed])).not.toMatch(/"c\d+"|hidden-/)
    expect(await orx('verify', '--catalog', file, '--baseline', file)).toMatchObject({ exitCode: 2 })
    expect(await orx('verify', '--catalog', file, '--junit', join(folder, 'none', 'v.xml'))).toMatchObject({ exitCode: 2 })
  })

  test('takes an index out of use in steps that can be undone, and pulls a catalog', async () => {
    await db.collection('c').createIndexes([
      { key: { a: 1 }, name: 'a_1' },
      { key: { b: 1 }, name: 'b_1' },
    ])
    expect(await orx('stats')).toMatchObject({ exitCode: 0, json: { data: { indexes: [{ name: 'a_1', ops: 0 }, { name: 'b_1' }] } } })
    expect((await orx('retire', 'c', 'a_1')).exitCode).toBe(6)
    expect(await orx('retire', 'c', 'a_1', '--yes')).toMatchObject({
      exitCode: 0,
      json: { data: { step: 'hidden', undo: `orx db:index retire c a_1 --db-name ${name} --undo --yes` } },
    })
    expect(await orx('retire', 'c', 'a_1', '--yes')).toMatchObject({ exitCode: 0, json: { data: { step: 'soaking' } } })
    expect(await orx('retire', 'c', 'a_1', '--undo', '--yes')).toMatchObject({ exitCode: 0, json: { data: { step: 'undone' } } })
    expect(await orx('retire', 'c', 'a_1', '--yes')).toMatchObject({ exitCode: 0 })
    expect(await orx('retire', 'c', 'a_1', '--yes', '--soak', '0s')).toMatchObject({
      exitCode: 6,
      json: { error: { hint: `orx db:index retire c a_1 --db-name ${name} --soak 0ms --yes --allow-drop --confirm-db ${name}` } },
    })
    expect(await orx('retire', 'c', 'a_1', '--yes', '--soak', '0s', '--allow-drop', '--confirm-db', name)).toMatchObject({
      exitCode: 0,
      json: { data: { step: 'dropped' } },
    })
    expect(await orx('retire', 'c', 'a_1', '--yes')).toMatchObject({ exitCode: 1, json: { error: { code: 'not_found' } } })
    const pulled = join(folder, 'pulled.json')
    expect((await orx('pull', '--out', pulled)).exitCode).toBe(0)
    expect(await orx('plan', '--catalog', pulled, '--detailed-exitcode')).toMatchObject({ exitCode: 0, json: { data: { inSync: true } } })
    // In sync with nothing would be a wrong answer to a name that was mistyped.
    expect(await orx('plan', '--from', 'no_such_database')).toMatchObject({ exitCode: 1, json: { error: { code: 'not_found' } } })
    const bare = client.db(`${name}_bare`)
    await bare.createCollection('c')
    expect(await orx('plan', '--from', bare.databaseName)).toMatchObject({ json: { data: { extra: [{ collection: 'c', name: 'b_1' }] } } })
  })
})

describe('a build', () => {
  const rows = 150_000
  const slow = (): Promise<string> => catalogFile([entry('big', { text: 1, at: 1 })])
  beforeEach(async () => {
    for (let at = 0; at < rows; at += 10_000) {
      await db
        .collection('big')
        .insertMany(Array.from({ length: 10_000 }, (_, index) => ({ at: at + index, text: `${(at + index) * 7_919}`.padStart(40, 'x') })))
    }
  })
  const isBuilding = async (): Promise<boolean> => {
    const ops = await client
      .db('admin')
      .aggregate([{ $currentOp: { allUsers: true } }, { $match: { 'ns': `${name}.big`, 'command.createIndexes': 'big' } }])
      .toArray()
    return ops.length > 0
  }
  const untilBuilding = async (): Promise<void> => {
    while (!(await isBuilding())) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  test('goes on when orx is killed, and is attached to by the next one', async () => {
    const file = await slow()
    const { child, ended } = start(['apply', '--catalog', file, '--yes', '--db-name', name], mongod.uri)
    await untilBuilding()
    child.kill('SIGKILL')
    await ended
    expect(await orx('apply', '--catalog', file, '--yes')).toMatchObject({ exitCode: 0 })
    expect(await orx('plan', '--catalog', file)).toMatchObject({ json: { data: { inSync: true } } })
  })

  test.each(['leave', 'abort'])('that Ctrl-C comes into ends orx with 130: --on-interrupt %s', async (what) => {
    const file = await slow()
    const { child, ended } = start(['apply', '--catalog', file, '--yes', '--on-interrupt', what, '--db-name', name], mongod.uri)
    await untilBuilding()
    child.kill('SIGINT')
    const { exitCode, json } = await ended
    expect([exitCode, json.error]).toEqual([130, null])
    expect(json.data['applied']).toHaveLength(1)
    while (await isBuilding()) await new Promise((resolve) => setTimeout(resolve, 20))
    const names = (await db.collection('big').indexes()).map((index) => index.name)
    // A build that was just done when the signal came is not undone.
    if (what === 'leave') expect(names).toEqual(['_id_', 'text_1_at_1'])
    else expect(names.length).toBeLessThanOrEqual(2)
    expect((await orx('apply', '--catalog', file, '--yes')).exitCode).toBe(0)
  })
})

describe('a server that is not as it should be', () => {
  test('is said to be unreachable, or frozen, within seconds', async () => {
    expect(await start(['plan'], 'mongodb://127.0.0.1:9/').ended).toMatchObject({
      exitCode: 69,
      json: { error: { code: 'database_unreachable' } },
    })
    const frozen = await startTestMongod()
    try {
      frozen.freeze()
      const fromMs = performance.now()
      expect(await start(['plan'], frozen.uri).ended).toMatchObject({ exitCode: 69 })
      expect(performance.now() - fromMs).toBeLessThan(10_000)
    } finally {
      frozen.thaw()
      await frozen.stop()
    }
  })

  test('that freezes or dies in the middle of a build ends the command, and the next one completes it', async () => {
    const other = await startTestMongod()
    const direct = new MongoClient(other.uri)
    try {
      const big = direct.db(name).collection('big')
      for (let at = 0; at < 20; at += 1)
        await big.insertMany(Array.from({ length: 10_000 }, (_, index) => ({ at, text: `${index * 7_919}`.padStart(60, 'x') })))
      const file = await catalogFile([entry('big', { text: 1, at: 1 })])
      const words = ['apply', '--catalog', file, '--yes', '--db-name', name]
      const { ended } = start(words, other.uri)
      await new Promise((resolve) => setTimeout(resolve, 700))
      await other.kill()
      const first = await ended
      // On a fast machine the build is done before the server is.
      expect([0, 69]).toContain(first.exitCode)
      await other.start()
      expect(await start(words, other.uri).ended).toMatchObject({ exitCode: 0 })
      expect((await big.indexes()).map((index) => index.name)).toEqual(['_id_', 'text_1_at_1'])
    } finally {
      await direct.close()
      await other.stop()
    }
  })
})

describe('users with few rights', () => {
  let set: TestReplicaSet
  let root: MongoClient
  const admin = { name: 'root', password: 'not-a-secret-1' }
  beforeAll(async () => {
    set = await startTestReplicaSet(1, admin)
    root = new MongoClient(set.uri(admin))
    await root
      .db('shop')
      .collection('c')
      .insertMany([{ a: 1 }, { a: 2 }])
    await root.db('admin').command({
      createRole: 'orxIndexReader',
      privileges: [
        { resource: { db: 'shop', collection: '' }, actions: ['find', 'listCollections', 'listIndexes', 'indexStats', 'collStats'] },
      ],
      roles: [],
    })
    await root.db('admin').command({
      createRole: 'orxIndexKeeper',
      privileges: [
        { resource: { db: 'shop', collection: '' }, actions: ['createIndex', 'dropIndex', 'collMod'] },
        { resource: { cluster: true }, actions: ['inprog'] },
      ],
      roles: ['orxIndexReader'],
    })
    const user = (title: string, roles: readonly unknown[]): Promise<unknown> =>
      root.db('admin').command({ createUser: title, pwd: 'not-a-secret-2', roles })
    await user('reader', ['orxIndexReader'])
    await user('keeper', ['orxIndexKeeper'])
    await user('find', [{ role: 'read', db: 'shop' }])
    await user('stranger', [{ role: 'read', db: 'other' }])
    await root.db('shop').collection('d').insertOne({ secret: 'hidden-1', a: 1 })
    const ofC = { resource: { db: 'shop', collection: 'c' }, actions: ['find', 'listIndexes', 'indexStats', 'collStats'] }
    await root.db('admin').command({ createRole: 'onlyC', privileges: [ofC], roles: [] })
    await user('onlyC', ['onlyC'])
  })
  afterAll(async () => {
    await root.close()
    await set.stop()
  })
  const as = (user: string, ...words: readonly string[]): Promise<Ended> =>
    start([...words, '--db-name', 'shop'], set.uri({ name: user, password: 'not-a-secret-2' })).ended

  test('the documented roles are enough, and no more than enough', async () => {
    const file = await catalogFile(
      [entry('c', { a: 1 }, {}, { serves: ['p'] })],
      [{ name: 'p', collection: 'c', find: { filter: { a: 1 } }, index: 'a_1' }],
    )
    expect((await as('reader', 'plan', '--catalog', file)).exitCode).toBe(0)
    expect((await as('reader', 'stats')).exitCode).toBe(0)
    expect(await as('reader', 'apply', '--catalog', file, '--yes')).toMatchObject({
      exitCode: 4,
      json: { error: { code: 'not_authorized' } },
    })
    expect(await as('keeper', 'apply', '--catalog', file, '--yes')).toMatchObject({ exitCode: 0 })
    expect(await as('reader', 'verify', '--no-gain', '--catalog', file)).toMatchObject({ exitCode: 0 })
    expect((await as('find', 'verify', '--no-gain', '--catalog', file)).exitCode).toBe(0)
  })

  test('who may see one collection is told of that one, and that nothing was checked of the other', async () => {
    const paths = [
      { name: 'p', collection: 'c', find: { filter: { a: '$$a' } }, params: { a: '$a' }, index: 'a_1' },
      { name: 'q', collection: 'd', find: { filter: { a: 1 } }, index: 'a_1' },
      {
        name: 'r',
        collection: 'c',
        aggregate: [{ $match: { a: '$$a', kind: 'hidden-1' } }, { $unionWith: 'd' }],
        params: { a: '$a' },
        index: 'a_1',
      },
    ]
    const file = await catalogFile([entry('c', { a: 1 }), entry('d', { a: 1 })], paths)
    expect((await as('keeper', 'apply', '--catalog', file, '--yes')).exitCode).toBe(0)
    const planned = await as('onlyC', 'plan', '--catalog', file, '--detailed-exitcode')
    expect(planned).toMatchObject({ exitCode: 97, json: { data: { actions: [], inSync: false } } })
    expect(planned.json.warnings).toEqual(expect.arrayContaining([expect.stringContaining('not checked: the indexes of d')]))
    const verified = await as('onlyC', 'verify', '--no-gain', '--catalog', file)
    expect(verified).toMatchObject({
      exitCode: 97,
      json: { data: { paths: [{ verdict: 'ok' }, { verdict: 'not-checked' }, { verdict: 'not-checked' }] } },
    })
    // The server quotes the whole command that it refuses.
    expect(JSON.stringify(verified)).not.toContain('hidden-1')
  })

  test('what a user may not see is not checked, and a user who may see nothing is refused', async () => {
    const { exitCode, json } = await as('find', 'stats')
    expect([exitCode, json.warnings.length > 0]).toEqual([json.warnings.length > 0 ? 97 : 0, json.warnings.length > 0])
    expect((await as('stranger', 'plan')).exitCode).toBe(4)
    const wrong = await start(['plan'], set.uri({ name: 'reader', password: 'not-a-secret-9' })).ended
    expect(wrong).toMatchObject({ exitCode: 4, json: { error: { code: 'credential_rejected' } } })
    expect(JSON.stringify(wrong)).not.toContain('not-a-secret')
  })
})

describe('a replica set of three', () => {
  let set: TestReplicaSet
  let direct: MongoClient
  beforeAll(async () => {
    set = await startTestReplicaSet(3)
    direct = new MongoClient(set.uri())
  })
  afterAll(async () => {
    await direct.close()
    await set.stop()
  })

  test('is asked member by member for the use of indexes, waits for a quorum, and survives a change of the primary', async () => {
    const c = direct.db('shop').collection('c')
    for (let at = 0; at < 10; at += 1)
      await c.insertMany(
        Array.from({ length: 10_000 }, (_, index) => ({ at, text: `${index * 7_919}`.padStart(60, 'x') })),
        { writeConcern: { w: 'majority' } },
      )
    const file = await catalogFile([entry('c', { text: 1, at: 1 }), entry('c', { at: 1 })])
    const words = ['apply', '--catalog', file, '--yes', '--db-name', 'shop']
    const { ended } = start(words, set.uri())
    await new Promise((resolve) => setTimeout(resolve, 600))
    await direct
      .db('admin')
      .command({ replSetStepDown: 5, force: true })
      .catch(() => undefined)
    const first = await ended
    if (first.exitCode !== 0) {
      expect(first.exitCode).toBe(69)
      expect((await start(words, set.uri()).ended).exitCode).toBe(0)
    }
    expect(await start(['plan', '--catalog', file, '--db-name', 'shop'], set.uri()).ended).toMatchObject({
      json: { data: { inSync: true } },
    })
    const { exitCode, json } = await start(['stats', '--db-name', 'shop'], set.uri()).ended
    expect(exitCode).toBe(0)
    const [index] = (json.data as unknown as { readonly indexes: readonly { readonly members: readonly { readonly member: string }[] }[] })
      .indexes
    expect(index?.members.map(({ member }) => member).toSorted()).toEqual([...set.hosts].toSorted())
    const [lost = ''] = set.hosts
    await set.kill(lost)
    const fewer = await start(['stats', '--db-name', 'shop'], set.uri()).ended
    expect(fewer).toMatchObject({ exitCode: 97, json: { warnings: [expect.stringContaining(lost)] } })
  })
})
