// What the outside is: arguments, streams, environment, signals, the real clock, processes, children.
// Invariant: everything that a test would want to replace is in Io; only main.ts makes the real one.
import type * as ChildProcess from 'node:child_process'
import { homedir, userInfo } from 'node:os'
import { dirname } from 'node:path'
import type { Clock, Runtime } from './core/runtime.ts'
import type { Processes } from './database/port.ts'
import { makeLoopProbe, makeProcessSamples, statFields, type LoopProbe, type ProcessSamples } from './monitor/processSamples.ts'

export interface OutputStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface InputStream extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean
}

export type SignalName = 'SIGINT' | 'SIGTERM'

/** A child of the same binary, tied to this process: it ends when its parent does. */
export interface Child {
  /** For what the system tells of it: memory, time. */
  readonly pid: number | null
  /** The first message that the child reports; rejects when it ends before. */
  readonly ready: Promise<unknown>
  /** Every message after it was asked for. */
  onMessage(listener: (message: unknown) => void): void
  send(message: unknown): void
  /** Resolves with its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>
  stop(): Promise<void>
}

export interface Io {
  /** The words after `orx`. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly homeDir: string
  readonly userName: string
  readonly pid: number
  readonly nodeVersion: string
  readonly platform: string
  readonly arch: string
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Where a live view can be drawn: stderr, when a person watches it and it can move its cursor. Null elsewhere. */
  readonly terminal: NodeJS.WriteStream | null
  /** Where single keys can be read: stdin, when it is the terminal. Null elsewhere. */
  readonly keyboard: NodeJS.ReadStream | null
  readonly runtime: Runtime
  readonly processes: Processes
  /** Returns what takes the listener off again. */
  onSignal(name: SignalName, listener: () => void): () => void
  /** A line that a person types in answer to a question on stderr; rejects with the signal's reason. */
  ask(question: string, signal: AbortSignal): Promise<string>
  /** Runs a line of the user's shell to its end. Rejects with what it said when it could not be run, or with the signal's reason. */
  shell(line: string, signal: AbortSignal): Promise<{ readonly exitCode: number; readonly stdout: string }>
  /** Ends the process at once; for a second signal. */
  exitNow(code: number): void
  /** Starts this binary once more with other words. */
  fork(argv: readonly string[]): Child
  /** In a forked child: reports to the parent, and hears when the parent is gone. Null elsewhere. */
  readonly parent: {
    report(message: unknown): void
    onMessage(listener: (message: unknown) => void): void
    onGone(listener: () => void): void
  } | null
  /** Goes round the event loop once. */
  yieldNow(): Promise<void>
  /** Goes round it until it is over: awake, and without a promise for each round. */
  yieldUntil(isOver: () => boolean): Promise<void>
  /** What this process's event loop is busy with, since the last reset. */
  loopProbe(): LoopProbe
  readonly samples: ProcessSamples
}

function realClock(): Clock {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

const shellOutputBytes = 268_435_456

/** ObjectId's layout: seconds, five random bytes a process, a counter. Source: MongoDB's ObjectId specification. */
function objectIds(host: NodeJS.Process): () => string {
  let idOfProcess = ''
  let counter = 0
  return () => {
    if (idOfProcess === '') {
      // Read with the first id: it takes longer than --help may.
      const { randomBytes } = host.getBuiltinModule('node:crypto')
      idOfProcess = randomBytes(5).toString('hex')
      counter = randomBytes(3).readUIntBE(0, 3)
    }
    counter = (counter + 1) % 0x1000000
    const seconds = Math.floor(Date.now() / 1_000)
    return `${seconds.toString(16).padStart(8, '0')}${idOfProcess}${counter.toString(16).padStart(6, '0')}`
  }
}

function realProcesses(host: NodeJS.Process): Processes {
  const trySignal = (pid: number, signal: NodeJS.Signals | 0): boolean => {
    try {
      return host.kill(pid, signal)
    } catch (error) {
      // EPERM: it is there, but belongs to someone else.
      return error instanceof Error && 'code' in error && error.code === 'EPERM'
    }
  }
  return {
    isAlive: (pid) => trySignal(pid, 0) && !isZombie(pid),
    signal: (pid, name) => trySignal(pid, name),
    startToken: (pid) => statFields(pid)?.[19] ?? null,
  }
}

/** Whether the shell has given it the terminal: what it started with `&` must not draw on it, and is stopped when it sets it. */
function isInForeground(pid: number): boolean {
  const fields = statFields(pid)
  // -1: it has no terminal of its own that could stop it.
  return fields === null || fields[5] === '-1' || fields[2] === fields[5]
}

/** Ended, but not yet collected by its parent. While other threads of it end, it still holds its files and ports: then it lives. */
function isZombie(pid: number): boolean {
  const fields = statFields(pid)
  return fields?.[0] === 'Z' && Number(fields[17]) <= 1
}

/** Read when a child is wanted: with it comes the network, which --help has no use for. */
function childProcesses(host: NodeJS.Process): typeof ChildProcess {
  return host.getBuiltinModule('node:child_process')
}

function forkChild(entry: string, host: NodeJS.Process, argv: readonly string[]): Child {
  // A child takes its settings from its words alone: no variable and no file of the user's speaks to it.
  const folder = dirname(entry)
  const env = { ...Object.fromEntries(Object.entries(host.env).filter(([name]) => !name.startsWith('ORX_'))), ORX_HOME: folder }
  const child = childProcesses(host).fork(entry, [...argv], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    env,
    cwd: folder,
  })
  let ended = false
  const exit = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      ended = true
      resolve(code)
    })
  })
  const ready = new Promise<unknown>((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the child process ended with ${code ?? 'a signal'} before it was ready`)))
  })
  ready.catch(() => undefined)
  return {
    pid: child.pid ?? null,
    ready,
    onMessage: (listener) => void child.on('message', listener),
    send: (message) => {
      if (child.connected) child.send(message as object)
    },
    ended: exit,
    stop: async () => {
      if (ended) return
      if (child.connected) child.disconnect()
      const kill = setTimeout(() => child.kill('SIGKILL'), 2_000)
      await exit
      clearTimeout(kill)
    },
  }
}

/** A pipe that the reader closed is no failure of ours: what would be written is dropped. */
function tolerant(stream: NodeJS.WriteStream): OutputStream {
  let closed = false
  stream.on('error', () => {
    closed = true
  })
  return {
    get isTTY() {
      return stream.isTTY
    },
    get columns() {
      return stream.columns
    },
    write: (text) => closed || stream.write(text),
  }
}

/** @param entry the built file that a forked child runs */
export function makeIo(host: NodeJS.Process, entry: string): Io {
  const runtime: Runtime = {
    clock: realClock(),
    random: () => Math.random(),
    newId: objectIds(host),
  }
  const { env } = host
  return {
    argv: host.argv.slice(2),
    env,
    cwd: host.cwd(),
    homeDir: homedir(),
    get userName() {
      try {
        return userInfo().username
      } catch {
        return 'local'
      }
    },
    pid: host.pid,
    nodeVersion: host.version,
    platform: host.platform,
    arch: host.arch,
    get stdin() {
      return host.stdin
    },
    stdout: tolerant(host.stdout),
    stderr: tolerant(host.stderr),
    terminal: host.stderr.isTTY && env['TERM'] !== 'dumb' && !env['CI'] && isInForeground(host.pid) ? host.stderr : null,
    get keyboard() {
      return host.stdin.isTTY ? host.stdin : null
    },
    runtime,
    processes: realProcesses(host),
    onSignal: (name, listener) => {
      host.on(name, listener)
      return () => void host.off(name, listener)
    },
    ask: async (question, signal) => {
      // Not as a terminal: then Ctrl-C stays the signal that everything else hears.
      const { createInterface } = await import('node:readline/promises')
      const lines = createInterface({ input: host.stdin, output: host.stderr, terminal: false })
      try {
        return await lines.question(question, { signal })
      } catch (error) {
        signal.throwIfAborted()
        throw error
      } finally {
        lines.close()
        host.stdin.pause()
      }
    },
    shell: (line, signal) =>
      new Promise((resolve, reject) => {
        childProcesses(host).exec(line, { signal, maxBuffer: shellOutputBytes }, (error, stdout) => {
          const exitCode = error === null ? 0 : error.code
          if (typeof exitCode === 'number') resolve({ exitCode, stdout })
          else reject(error ?? new Error(line))
        })
      }),
    exitNow: (code) => host.exit(code),
    yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
    yieldUntil: (isOver) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (isOver()) resolve()
          else setImmediate(look)
        }
        setImmediate(look)
      }),
    loopProbe: () => makeLoopProbe(host),
    samples: makeProcessSamples(host),
    fork: (argv) => forkChild(entry, host, argv),
    parent: host.send
      ? {
          // A parent that has just gone is no failure of the child: it hears of it, and ends.
          report: (message) => void host.send?.(message, undefined, undefined, () => undefined),
          onMessage: (listener) => void host.on('message', listener),
          onGone: (listener) => void host.once('disconnect', listener),
        }
      : null,
  }
}
