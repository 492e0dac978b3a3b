// One process at a time starts or stops the server of a home. Invariant: at most one living process holds a lock; one whose holder is gone is
// replaced, never removed first, and only by whoever holds the lock's own mark.
import { createHash } from 'node:crypto'
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { messageOf, OrxError, systemCodeOf } from '../../core/errors.ts'
import { sleep, type Clock } from '../../core/runtime.ts'
import type { Processes } from '../port.ts'

export interface LockOptions {
  readonly path: string
  /** This process. */
  readonly pid: number
  /** Tells this holder from every other one, of this process too. */
  readonly token: string
  readonly processes: Processes
  readonly clock: Clock
  /** Hears once that another process holds it. */
  readonly onWait: (holderPid: number) => void
}

const pollMs = 25

/** Runs `work` while holding the lock. Waits as long as its holder lives; rejects with the signal's reason. Throws `home_unwritable`. */
export async function withLock<T>(options: LockOptions, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const { path, pid, token, processes } = options
  const own = `${path}.${token}`
  try {
    writeFileSync(own, JSON.stringify({ pid, startToken: processes.startToken(pid), token }), { flag: 'wx', mode: 0o600 })
    await acquire(own, options, signal)
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
    throw new OrxError('home_unwritable', `cannot write the lock ${path}: ${messageOf(error)}`, {
      hint: 'Set ORX_HOME to a folder on a local disk that you may write to.',
      cause: error,
    })
  } finally {
    rmSync(own, { force: true })
  }
  try {
    sweep(path, processes)
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

async function acquire(own: string, { path, processes, clock, onWait }: LockOptions, signal: AbortSignal): Promise<void> {
  let told = false
  for (;;) {
    signal.throwIfAborted()
    if (tryTake(path, own, processes)) return
    const holder = holderOf(readLock(path))
    if (holder !== null && !told) {
      told = true
      onWait(holder.pid)
    }
    await sleep(clock, pollMs, signal)
  }
}

/** A link appears with its content or not at all, so a lock that is being made is never mistaken for one that is empty. */
function tryTake(path: string, own: string, processes: Processes): boolean {
  if (tryLink(own, path)) return true
  const text = readLock(path)
  if (text === null || isHeld(text, processes)) return false
  // Its holder is gone. Only who holds the mark of this very text may replace it; the mark may be a dead taker's, and is taken in the same way.
  const mark = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
  if (!tryTake(mark, own, processes)) return false
  if (readLock(path) === text) {
    renameSync(mark, path)
    return true
  }
  rmSync(mark, { force: true })
  return false
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  }
}

function readLock(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

interface Holder {
  readonly pid: number
  readonly startToken: string | null
}

function holderOf(text: string | null): Holder | null {
  try {
    const { pid, startToken = null } = JSON.parse(text ?? '') as Partial<Holder>
    return typeof pid === 'number' ? { pid, startToken } : null
  } catch {
    return null
  }
}

function isHeld(text: string, processes: Processes): boolean {
  const holder = holderOf(text)
  if (holder === null || !processes.isAlive(holder.pid)) return false
  return holder.startToken === null || processes.startToken(holder.pid) === holder.startToken
}

/** Removes what processes left beside the lock when they were killed while waiting for it. */
function sweep(path: string, processes: Processes): void {
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const beside = join(dirname(path), name)
    const text = readLock(beside)
    // An empty one is being written.
    if (text !== null && text !== '' && !isHeld(text, processes)) rmSync(beside, { force: true })
  }
}
