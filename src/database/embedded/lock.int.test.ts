import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeIo } from '../../io.ts'
import { withLock, type LockOptions } from './lock.ts'
import { bundle } from './mongod.testkit.ts'

const { runtime, processes } = makeIo(process, '')
const signal = new AbortController().signal
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orx-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const options = (more: Partial<LockOptions> = {}): LockOptions => ({
  path: join(folder, 'mongod.lock'),
  pid: process.pid,
  token: runtime.newId(),
  processes,
  clock: runtime.clock,
  onWait: () => undefined,
  ...more,
})

test('holds others off until the work is done, tells them once who holds it, and leaves nothing behind', async () => {
  const order: string[] = []
  const waitedFor: number[] = []
  let finish = (): void => undefined
  const first = withLock(
    options(),
    () =>
      new Promise<void>((resolve) => {
        order.push('first in')
        finish = () => {
          order.push('first out')
          resolve()
        }
      }),
    signal,
  )
  const second = withLock(options({ onWait: (pid) => waitedFor.push(pid) }), async () => void order.push('second in'), signal)
  await new Promise((resolve) => setTimeout(resolve, 80))
  finish()
  await Promise.all([first, second])
  expect(order).toEqual(['first in', 'first out', 'second in'])
  expect(waitedFor).toEqual([process.pid])
  expect(await readdir(folder)).toEqual([])
})

test('a wait that is aborted ends with the reason, and the lock stays with its holder', async () => {
  const controller = new AbortController()
  await withLock(
    options(),
    async () => {
      const waiting = withLock(options(), async () => 'never', controller.signal)
      controller.abort(new Error('stopped'))
      await expect(waiting).rejects.toThrow('stopped')
      expect(JSON.parse(await readFile(join(folder, 'mongod.lock'), 'utf8'))).toMatchObject({ pid: process.pid })
    },
    signal,
  )
})

test.each([
  ['of a process that is gone', { pid: 999_999_999, startToken: '1' }],
  ['of an earlier process with the pid of a living one', { pid: process.pid, startToken: 'another time' }],
  ['that says nothing', ''],
])('a lock %s is taken over, with what else its holder left', async (_, content) => {
  const text = JSON.stringify(content)
  await writeFile(join(folder, 'mongod.lock'), text)
  await writeFile(join(folder, 'mongod.lock.left'), text)
  expect(await withLock(options(), async () => 'mine', signal)).toBe('mine')
  expect(await readdir(folder)).toEqual([])
})

test('two that find the same lock left do not both take it over', async () => {
  await writeFile(join(folder, 'mongod.lock'), JSON.stringify({ pid: 999_999_999, startToken: '1' }))
  let inside = 0
  let most = 0
  const work = async (): Promise<void> => {
    inside += 1
    most = Math.max(most, inside)
    await new Promise((resolve) => setTimeout(resolve, 60))
    inside -= 1
  }
  // The quicker one takes it between the moment in which the slower one has read the old lock and the moment in which it acts on it.
  const quicker: Promise<void>[] = []
  const isAlive = (pid: number): boolean => {
    if (quicker.length === 0) quicker.push(withLock(options(), work, signal))
    return processes.isAlive(pid)
  }
  await withLock(options({ processes: { ...processes, isAlive } }), work, signal)
  await Promise.all(quicker)
  expect(quicker).toHaveLength(1)
  expect(most).toBe(1)
})

test('a folder that is not there is said to be unwritable', async () => {
  const refused = withLock(options({ path: join(folder, 'none', 'mongod.lock') }), async () => 1, signal)
  await expect(refused).rejects.toMatchObject({ code: 'home_unwritable', exitCode: 2 })
})

test.runIf(process.platform === 'linux')('processes that are killed and start again never hold it two at a time', async () => {
  // Each holder says that it is inside, and looks whether another living process says so too; one in four is killed on its way.
  const script = await bundle(
    folder,
    `import { readdirSync, rmSync, writeFileSync } from 'node:fs'
     import { dirname } from 'node:path'
     import { withLock } from '${new URL('lock.ts', import.meta.url).pathname}'
     import { makeIo } from '${new URL('../../io.ts', import.meta.url).pathname}'
     const { runtime, processes } = makeIo(process, '')
     const [path, seed] = process.argv.slice(2)
     if (Number(seed) % 4 === 0) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 30 + (Number(seed) * 7) % 60)
     for (let turn = 0; turn < 20; turn += 1) {
       const options = { path, pid: process.pid, token: runtime.newId(), processes, clock: runtime.clock, onWait: () => undefined }
       await withLock(options, async () => {
         const inside = path + '-inside-' + process.pid
         writeFileSync(inside, '')
         for (const name of readdirSync(dirname(path))) {
           const pid = Number(name.split('-inside-')[1])
           if (pid > 0 && pid !== process.pid && processes.isAlive(pid)) { console.log('two holders'); process.exit(3) }
         }
         await new Promise((resolve) => setTimeout(resolve, 1))
         rmSync(inside)
       }, new AbortController().signal)
     }`,
  )
  const runs = Array.from({ length: 12 }, (_, seed) =>
    promisify(execFile)(process.execPath, [script, join(folder, 'mongod.lock'), String(seed)]),
  )
  const ends = (await Promise.allSettled(runs)).map((run) => {
    if (run.status === 'fulfilled') return 'done'
    const { signal, stdout, stderr } = run.reason as { readonly signal: string | null; readonly stdout: string; readonly stderr: string }
    return signal ?? stdout + stderr
  })
  expect(ends.filter((end) => end !== 'done' && end !== 'SIGKILL')).toEqual([])
  expect(ends).toContain('done')
  expect(ends).toContain('SIGKILL')
})
