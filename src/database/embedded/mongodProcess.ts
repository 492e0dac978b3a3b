// The process of an embedded mongod: how it is spawned, found again, ended, and what its log says. Invariant: it listens on loopback alone.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { messageOf } from '../../core/errors.ts'
import { sleep, type Clock } from '../../core/runtime.ts'
import type { Processes } from '../port.ts'
import type { EmbeddedHome } from './home.ts'

const cacheGb = 0.5
const pollMs = 20
const cleanEndMs = 6_000
const killedEndMs = 2_000

/** Spawns a mongod that outlives this process; its pid is there in the same turn, so that the caller can write it down before anything else. */
export function spawnMongod(home: EmbeddedHome, binary: string, port: number, more: readonly string[]): number {
  // A log of its own for each start bounds it.
  closeSync(openSync(home.logPath, 'w', 0o600))
  const args = ['--dbpath', home.dbPath, '--port', String(port), '--bind_ip', '127.0.0.1', ...more]
  const storage = ['--storageEngine', 'wiredTiger', '--wiredTigerCacheSizeGB', String(cacheGb), '--logpath', home.logPath, '--logappend']
  const quiet = [
    '--quiet',
    '--setParameter',
    'diagnosticDataCollectionEnabled=false',
    ...(binary.endsWith('.exe') ? [] : ['--nounixsocket']),
  ]
  const child = spawn(binary, [...args, ...storage, ...quiet], { detached: true, stdio: 'ignore', cwd: home.root })
  child.once('error', () => undefined)
  child.unref()
  if (child.pid === undefined) throw new Error('the system refused to run it')
  return child.pid
}

/** Ends a process, cleanly where it still listens. */
export async function endMongod(pid: number, processes: Processes, clock: Clock, signal: AbortSignal): Promise<void> {
  const goneWithin = async (ms: number): Promise<boolean> => {
    for (const untilMs = clock.monotonicMs() + ms; processes.isAlive(pid); await sleep(clock, pollMs, signal)) {
      if (clock.monotonicMs() > untilMs) return false
    }
    return true
  }
  processes.signal(pid, 'SIGTERM')
  if (await goneWithin(cleanEndMs)) return
  processes.signal(pid, 'SIGKILL')
  await goneWithin(killedEndMs)
}

/**
 * The server that works on this home's data although no state tells of it: who spawned it was killed in the same moment. Found by its words,
 * since it holds its folder some time before it writes its pid there. Null where there is none, and where the system does not show the words
 * of a process (then mongod itself says that its folder is in use).
 */
export function strayMongod(home: EmbeddedHome, processes: Processes): number | null {
  const pids = processIds()
  return (
    pids.find((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return words.includes(home.dbPath) && words.includes(home.logPath) && processes.isAlive(pid)
      } catch {
        return false
      }
    }) ?? null
  )
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0)
  } catch {
    return []
  }
}

/** The last errors of a mongod's log, as text to append to a sentence. Each line of the log is a JSON object. */
export function complaintIn(logPath: string): string {
  try {
    const lines = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-50)
    const complaints = lines.flatMap((line) => {
      const entry = JSON.parse(line || '{}') as { s?: string; msg?: string; attr?: { error?: unknown; reason?: unknown } }
      if (entry.s !== 'E' && entry.s !== 'F') return []
      const reason = entry.attr?.error ?? entry.attr?.reason
      return [`${entry.msg ?? ''}${reason === undefined ? '' : ` ${typeof reason === 'string' ? reason : JSON.stringify(reason)}`}`]
    })
    const last = complaints.slice(-3).join('; ')
    return last === '' ? '' : `. Its log says: ${last.slice(0, 600)}`
  } catch (error) {
    return `. Its log cannot be read: ${messageOf(error)}`
  }
}
