// A real mongod for tests: a home of its own, a binary found as the product finds it and kept between runs.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'rolldown'
import { makeIo } from '../../io.ts'
import { findMongod } from './binary.ts'
import { ensureMongod, stopMongod, type EmbeddedOptions, type EmbeddedServer } from './server.ts'

const { runtime, processes } = makeIo(process, '')
const forever = new AbortController().signal

/** A binary that every test of this machine shares. ORX_MONGOD wins, as in the product. */
export async function testBinary(): Promise<string> {
  const found = await findMongod(
    {
      cachePath: join(tmpdir(), 'orx-test-mongod'),
      mongodPath: process.env['ORX_MONGOD'],
      env: process.env,
      platform: process.platform,
      arch: process.arch,
      clock: runtime.clock,
      token: runtime.newId(),
      onProgress: () => undefined,
    },
    forever,
  )
  return found.path
}

export async function embeddedOptions(home: string, mongodPath?: string): Promise<EmbeddedOptions> {
  return {
    home,
    mongodPath: mongodPath ?? (await testBinary()),
    env: process.env,
    platform: process.platform,
    arch: process.arch,
    pid: process.pid,
    runtime,
    processes,
    onProgress: () => undefined,
  }
}

export interface TestMongod {
  readonly home: string
  readonly uri: string
  server(): EmbeddedServer
  /** kill -9. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** Starts it again after kill. */
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** A stop signal reaches the threads one by one: until the last has it, a request may still be served. Off Linux: true. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return true
  return readdirSync(tasks).every((task) => {
    const stat = readFileSync(`${tasks}/${task}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  })
}

/** A binary that also takes commands that are for tests alone, such as configureFailPoint. */
async function withTestCommands(home: string): Promise<string> {
  const script = join(home, 'mongod-with-test-commands')
  await writeFile(script, `#!/bin/sh\nexec '${await testBinary()}' "$@" --setParameter enableTestCommands=1\n`, { mode: 0o755 })
  return script
}

/** SIGSTOP, until the last thread has stopped. */
export function freezeProcess(pid: number): void {
  process.kill(pid, 'SIGSTOP')
  while (!isStopped(pid));
}

export async function startTestMongod({ testCommands = false } = {}): Promise<TestMongod> {
  const home = await mkdtemp(join(tmpdir(), 'orx-test-home-'))
  const options = await embeddedOptions(home, testCommands ? await withTestCommands(home) : undefined)
  let server = await ensureMongod(options, forever)
  const gone = async (): Promise<void> => {
    while (processes.isAlive(server.pid)) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return {
    home,
    uri: server.uri,
    server: () => server,
    kill: async () => {
      processes.signal(server.pid, 'SIGKILL')
      await gone()
    },
    freeze: () => freezeProcess(server.pid),
    thaw: () => {
      if (processes.isAlive(server.pid)) process.kill(server.pid, 'SIGCONT')
    },
    start: async () => {
      server = await ensureMongod(options, forever)
    },
    stop: async () => {
      if (processes.isAlive(server.pid)) process.kill(server.pid, 'SIGCONT')
      await stopMongod(options, forever)
      await rm(home, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** A script of its own, with what it imports bundled as the product is, for a test that needs processes. Resolves to its path. */
export async function bundle(folder: string, code: string): Promise<string> {
  const entry = join(folder, 'entry.mjs')
  await writeFile(entry, code)
  await build({
    input: { script: entry },
    platform: 'node',
    logLevel: 'silent',
    output: { dir: join(folder, 'script'), format: 'esm', entryFileNames: 'script.mjs', chunkFileNames: '[name].mjs' },
  })
  return join(folder, 'script', 'script.mjs')
}
