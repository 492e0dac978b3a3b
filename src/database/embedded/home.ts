// The folder of the embedded MongoDB: where each file is, and who may read it. Invariant: folders are 0700, files 0600.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { messageOf, OrxError, systemCodeOf } from '../../core/errors.ts'

export interface EmbeddedHome {
  readonly root: string
  readonly dbPath: string
  readonly logPath: string
  readonly statePath: string
  readonly lockPath: string
  /** Downloaded binaries. */
  readonly cachePath: string
}

/** @param folder a relative one stands under the working folder, also for mongod, which has another */
export function homeOf(folder: string): EmbeddedHome {
  const root = resolve(folder)
  return {
    root,
    dbPath: join(root, 'mongodb'),
    logPath: join(root, 'mongod.log'),
    statePath: join(root, 'mongod.json'),
    lockPath: join(root, 'mongod.lock'),
    cachePath: join(root, 'mongod'),
  }
}

/** Not Node's own way down a path: that goes round for ever where a file system says of a folder it will not make that it is not there (/proc). */
function makeFolders(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolders(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process was faster.
    if (systemCodeOf(error) !== 'EEXIST') throw error
  }
}

/** Makes a folder, and proves that it can be written to. Throws `home_unwritable`. */
export function makeFolder(path: string): void {
  try {
    makeFolders(path)
    if (!statSync(path).isDirectory()) throw new Error('a file is in its place')
    accessSync(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unwritable(path, error)
  }
}

function unwritable(path: string, error: unknown): OrxError {
  return new OrxError('home_unwritable', `cannot write to ${path}: ${messageOf(error)}`, {
    hint: 'Set ORX_HOME to a folder that you may write to, with space left, or ORX_MONGODB_URI to a server, or run with --db none.',
    cause: error,
  })
}

/** What is known of this home's server; kept when it stops, because a replica set keeps its port. */
export interface ServerState {
  /** Null while it is stopped. */
  readonly pid: number | null
  /** False from spawning it until it is primary; who finds it so starts it anew. */
  readonly ready: boolean
  /** False until the first primary: up to then there is no data of anybody's, only files that a kill may leave half made. */
  readonly everReady: boolean
  readonly port: number
  readonly startToken: string | null
  readonly version: string
  readonly binary: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** Null where there is none, or none that can be read: then the server is set up anew. */
export function readState(home: EmbeddedHome): ServerState | null {
  try {
    const state = JSON.parse(readFileSync(home.statePath, 'utf8')) as Partial<ServerState>
    const {
      pid = null,
      ready = false,
      everReady = true,
      port,
      startToken = null,
      version = 'unknown',
      binary = 'unknown',
      startedAt = '',
    } = state
    return typeof port === 'number' ? { pid, ready, everReady, port, startToken, version, binary, startedAt } : null
  } catch (error) {
    if (error instanceof SyntaxError || ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return null
    throw new OrxError('home_unwritable', `cannot read ${home.statePath}: ${messageOf(error)}`, {
      hint: 'Check the permissions of ORX_HOME.',
      cause: error,
    })
  }
}

export function writeState(home: EmbeddedHome, state: ServerState, token: string): void {
  const temporary = join(dirname(home.statePath), `.${token}.tmp`)
  try {
    writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
    renameSync(temporary, home.statePath)
  } catch (error) {
    throw unwritable(home.statePath, error)
  }
}
