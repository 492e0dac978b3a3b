// An Io for tests: given words, environment and input; what was printed is kept.
import type { Runtime } from './core/runtime.ts'
import type { Io, SignalName } from './io.ts'

export interface FakeIoOptions {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly homeDir?: string
  readonly stdin?: string | Uint8Array
  readonly runtime: Runtime
  readonly terminal?: boolean
  readonly fork?: Io['fork']
}

export interface FakeIo extends Io {
  printed(): string
  complained(): string
  raise(name: SignalName): void
  exitedWith(): number | null
}

export function fakeIo(options: FakeIoOptions): FakeIo {
  const printed: string[] = []
  const complained: string[] = []
  const listeners = new Map<SignalName, Set<() => void>>()
  let exited: number | null = null
  const stream = (into: string[]) => ({
    isTTY: options.terminal ?? false,
    columns: 80,
    write: (text: string) => {
      into.push(text)
      return true
    },
  })
  return {
    argv: options.argv,
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    homeDir: options.homeDir ?? '/nowhere',
    userName: 'tester',
    pid: 4_711,
    nodeVersion: 'v20.19.0',
    platform: 'linux',
    arch: 'x64',
    stdin: {
      isTTY: false,
      async *[Symbol.asyncIterator]() {
        if (options.stdin !== undefined) yield options.stdin
      },
    },
    stdout: stream(printed),
    stderr: stream(complained),
    terminal: null,
    keyboard: null,
    runtime: options.runtime,
    processes: { isAlive: () => false, signal: () => false, startToken: () => null },
    onSignal: (name, listener) => {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => void set.delete(listener)
    },
    ask: () => Promise.resolve(''),
    shell: () => Promise.reject(new Error('this test has no shell')),
    exitNow: (code) => {
      exited = code
    },
    fork:
      options.fork ??
      (() => {
        throw new Error('this test has no children')
      }),
    parent: null,
    yieldNow: () => Promise.resolve(),
    yieldUntil: () => Promise.resolve(),
    loopProbe: () => ({ read: () => ({ eventLoopUtilization: 0, lagP99Ms: 0 }), reset: () => undefined, stop: () => undefined }),
    samples: { residentBytes: () => null, processorMs: () => 0, stolenMs: () => null, cpus: 1, memoryBytes: 1, memoryPercent: () => 50 },
    printed: () => printed.join(''),
    complained: () => complained.join(''),
    raise: (name) => {
      for (const listener of listeners.get(name) ?? []) listener()
    },
    exitedWith: () => exited,
  }
}
