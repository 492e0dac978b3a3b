// The embedded MongoDB of a home: one detached mongod, a single-node replica set on loopback, shared by every orx process of that home.
// Invariant: it is started under a lock and found by its state file; it stays up until it is stopped.
import { readdirSync, rmSync } from 'node:fs'
import { messageOf, OrxError } from '../../core/errors.ts'
import { sleep, type Runtime } from '../../core/runtime.ts'
import type { Processes } from '../port.ts'
import { findMongod, type FindOptions, type FoundMongod } from './binary.ts'
import { homeOf, makeFolder, readState, writeState, type EmbeddedHome, type ServerState } from './home.ts'
import { withLock } from './lock.ts'
import { freePort, isFree, isListening } from './loopback.ts'
import { complaintIn, endMongod, spawnMongod, strayMongod } from './mongodProcess.ts'
import { becomePrimary, moveTo, replicaSet } from './replicaSet.ts'

export interface HomeOptions {
  /** ORX_HOME. */
  readonly home: string
  /** This process. */
  readonly pid: number
  readonly runtime: Runtime
  readonly processes: Processes
  /** One line for a person, without its line end. */
  readonly onProgress: (text: string) => void
}

export interface EmbeddedOptions
  extends HomeOptions, Pick<FindOptions, 'mongodPath' | 'env' | 'platform' | 'arch' | 'indexUrl' | 'usePip'> {}

export interface EmbeddedServer extends ServerState {
  readonly pid: number
  readonly uri: string
  /** Whether this call started it. */
  readonly started: boolean
}

/** From spawning to a primary; a server that recovers after a crash may take some seconds. */
const startMs = 30_000
const pollMs = 20

type RunningState = ServerState & { readonly pid: number }

export function uriOf(port: number): string {
  return `mongodb://127.0.0.1:${port}/orchestratex?replicaSet=${replicaSet}`
}

function serverOf(state: RunningState, started: boolean): EmbeddedServer {
  return { ...state, uri: uriOf(state.port), started }
}

/** Attaches to the running server of this home, or starts it. Throws `home_unwritable`, `mongod_unavailable`, `settings`, `database_unreachable`. */
export async function ensureMongod(options: EmbeddedOptions, signal: AbortSignal): Promise<EmbeddedServer> {
  const home = homeOf(options.home)
  const running = readyServer(home, options.processes)
  if (running !== null) return serverOf(running, false)
  makeFolder(home.root)
  return locked(
    home,
    options,
    async () => {
      const other = readyServer(home, options.processes)
      return other === null ? serverOf(await startServer(home, options, signal), true) : serverOf(other, false)
    },
    signal,
  )
}

/** The server of this home, running or not; null where there was never one. */
export function embeddedStatus(
  root: string,
  processes: Processes,
): { readonly state: ServerState; readonly running: boolean; readonly home: EmbeddedHome } | null {
  const home = homeOf(root)
  const state = readState(home)
  return state === null ? null : { state, running: isRunning(state, processes), home }
}

/** Stops the server, cleanly where it still listens. Resolves to its pid, or null when it did not run. */
export async function stopMongod(options: HomeOptions, signal: AbortSignal): Promise<number | null> {
  const home = homeOf(options.home)
  if (readState(home) === null && strayMongod(home, options.processes) === null) return null
  return locked(home, options, () => endServer(home, options, signal), signal)
}

async function endServer(home: EmbeddedHome, { processes, runtime }: HomeOptions, signal: AbortSignal): Promise<number | null> {
  const state = readState(home)
  const pid = state !== null && isRunning(state, processes) ? state.pid : strayMongod(home, processes)
  if (pid === null) return null
  await endMongod(pid, processes, runtime.clock, signal)
  if (state !== null) writeState(home, { ...state, pid: null, ready: false, startToken: null }, runtime.newId())
  return pid
}

function locked<T>(
  home: EmbeddedHome,
  { pid, processes, runtime, onProgress }: HomeOptions,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const onWait = (holder: number): void => onProgress(`waiting for process ${holder}, which is starting or stopping the embedded MongoDB`)
  return withLock({ path: home.lockPath, pid, token: runtime.newId(), processes, clock: runtime.clock, onWait }, work, signal)
}

function readyServer(home: EmbeddedHome, processes: Processes): RunningState | null {
  const state = readState(home)
  return state !== null && state.ready && isRunning(state, processes) ? state : null
}

function isRunning(state: ServerState, processes: Processes): state is RunningState {
  return state.pid !== null && processes.isAlive(state.pid) && processes.startToken(state.pid) === state.startToken
}

async function startServer(home: EmbeddedHome, options: EmbeddedOptions, signal: AbortSignal): Promise<RunningState> {
  const { runtime, onProgress } = options
  const binary = await findMongod({ ...options, cachePath: home.cachePath, clock: runtime.clock, token: runtime.newId() }, signal)
  // Whoever spawned it was killed before it was ready. It has no clients yet, so starting anew is right whatever state it is in.
  await endServer(home, options, signal)
  const before = readState(home)
  if (before?.everReady === false) rmSync(home.dbPath, { recursive: true, force: true, maxRetries: 3 })
  makeFolder(home.dbPath)
  const everReady = readdirSync(home.dbPath).length > 0
  const pinned = before?.port
  const port = pinned !== undefined && (await isFree(pinned)) ? pinned : await freePort(() => runtime.random())
  onProgress(`starting MongoDB ${binary.version} on 127.0.0.1:${port}, data in ${home.dbPath}`)
  if (everReady && pinned !== undefined && pinned !== port) {
    const plain = await launch(home, binary, { port, pinned, everReady, more: [] }, options, () => moveTo(port), signal)
    await endMongod(plain.pid, options.processes, runtime.clock, signal)
  }
  const set = { port, pinned: port, everReady, more: ['--replSet', replicaSet] }
  const state = await launch(home, binary, set, options, (pid, pause) => becomePrimary(port, pid, pause), signal)
  const ready = { ...state, ready: true, everReady: true }
  writeState(home, ready, runtime.newId())
  return ready
}

interface Launch {
  readonly port: number
  /** The port that the set has in its data. */
  readonly pinned: number
  readonly everReady: boolean
  readonly more: readonly string[]
}

/** Spawns a mongod and makes it ready. When that fails, nothing is left running. */
async function launch(
  home: EmbeddedHome,
  binary: FoundMongod,
  how: Launch,
  options: HomeOptions,
  makeReady: (pid: number, pause: () => Promise<void>) => Promise<void>,
  signal: AbortSignal,
): Promise<RunningState> {
  const { port, pinned, everReady, more } = how
  const { processes, runtime } = options
  const { clock } = runtime
  const deadlineMs = clock.monotonicMs() + startMs
  let pid: number | null = null
  try {
    pid = spawnMongod(home, binary.path, port, more)
    const startedAt = new Date(clock.now()).toISOString()
    const state = {
      pid,
      ready: false,
      everReady,
      port: pinned,
      startToken: processes.startToken(pid),
      version: binary.version,
      binary: binary.path,
      startedAt,
    }
    writeState(home, state, runtime.newId())
    const pause = async (): Promise<void> => {
      if (!isRunning(state, processes)) throw new Error('it ended')
      if (clock.monotonicMs() > deadlineMs) throw new Error(`it is not ready after ${startMs / 1_000} s`)
      await sleep(clock, pollMs, signal)
    }
    while (!(await isListening(port))) await pause()
    await makeReady(pid, pause)
    return state
  } catch (error) {
    if (pid !== null) processes.signal(pid, 'SIGKILL')
    signal.throwIfAborted()
    if (error instanceof OrxError) throw error
    const complaint = complaintIn(home.logPath)
    // A child that was forked by a killed process, and had not yet become a mongod when strays were looked for.
    const stray = complaint.includes('DBPathInUse') ? strayMongod(home, processes) : null
    if (stray !== null && stray !== pid) {
      await endMongod(stray, processes, clock, signal)
      return launch(home, binary, how, options, makeReady, signal)
    }
    throw new OrxError(
      'database_unreachable',
      `the embedded MongoDB ${binary.version} (${binary.path}) did not start: ${messageOf(error)}${complaint}`,
      {
        hint: `Read ${home.logPath}. With data of another MongoDB version set ORX_MONGOD to that version's mongod, or move ${home.dbPath} away.`,
        cause: error,
      },
    )
  }
}
