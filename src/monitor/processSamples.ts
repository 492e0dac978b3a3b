// What the system tells of processes and of the machine: memory, processor time, how late the event loop comes round. Off Linux, what it does not
// tell is null.
import { readFileSync } from 'node:fs'
import { cpus, freemem, totalmem } from 'node:os'

export interface LoopProbe {
  /** Share of the time that it was busy, and how late it came round at the 99th percentile. */
  read(): { readonly eventLoopUtilization: number; readonly lagP99Ms: number }
  reset(): void
  stop(): void
}

/** What the system tells of processes and of the machine. */
export interface ProcessSamples {
  /** Memory of a process that is held in RAM, bytes; null when it is gone or the system does not tell. */
  residentBytes(pid: number): number | null
  /** Processor time that a process has used so far, ms; null when it is gone or the system does not tell. */
  processorMs(pid: number): number | null
  /** Processor time that this machine wanted and its host gave to other machines, of all processors since it started, ms; null where nobody tells. */
  stolenMs(): number | null
  readonly cpus: number
  readonly memoryBytes: number
  /** Of the memory that this process may use: of its control group, else of the machine; 0-100. */
  memoryPercent(): number
}

/** The system's part of it is read when somebody asks: it takes longer than --help may. */
export function makeLoopProbe(host: Pick<NodeJS.Process, 'getBuiltinModule'>): LoopProbe {
  const { monitorEventLoopDelay, performance } = host.getBuiltinModule('node:perf_hooks')
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  let since = performance.eventLoopUtilization()
  return {
    read: () => ({
      eventLoopUtilization: performance.eventLoopUtilization(since).utilization,
      lagP99Ms: Math.max(0, delay.percentile(99) / 1e6 - 10),
    }),
    reset: () => {
      since = performance.eventLoopUtilization()
      delay.reset()
    },
    stop: () => void delay.disable(),
  }
}

/** The fields of /proc/PID/stat behind the command's name, which may hold blanks itself; null off Linux. Source: proc(5). */
export function statFields(pid: number): readonly string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** What is free or can be freed at once; Linux counts caches as used elsewhere. */
function freeBytes(): number {
  try {
    const available = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
    return available === undefined ? freemem() : Number(available) * 1_024
  } catch {
    return freemem()
  }
}

/** The kernel counts processor time for programs in hundredths of a second. Source: USER_HZ of Linux. */
const msPerTick = 10

/** The eighth count of the line of all processors. Source: proc(5), steal. */
function stolenMs(): number | null {
  try {
    const ticks = Number(/^cpu +(?:\d+ ){7}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1])
    return Number.isNaN(ticks) ? null : ticks * msPerTick
  } catch {
    return null
  }
}

/** The bounds of a container; null without one. Source: the Linux kernel's cgroup v2. */
function controlGroupBytes(): { readonly used: number; readonly limit: number } | null {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'utf8'))
    return limit > 0 ? { used: Number(readFileSync('/sys/fs/cgroup/memory.current', 'utf8')), limit } : null
  } catch {
    return null
  }
}

export function makeProcessSamples(host: Pick<NodeJS.Process, 'pid' | 'memoryUsage' | 'cpuUsage'>): ProcessSamples {
  return {
    cpus: cpus().length,
    memoryBytes: totalmem(),
    memoryPercent: () => {
      const group = controlGroupBytes()
      return group === null ? (100 * (totalmem() - freeBytes())) / totalmem() : (100 * group.used) / group.limit
    },
    residentBytes: (pid) => {
      if (pid === host.pid) return host.memoryUsage.rss()
      try {
        const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
        return pages > 0 ? pages * 4_096 : null
      } catch {
        return null
      }
    },
    processorMs: (pid) => {
      if (pid === host.pid) {
        const { user, system } = host.cpuUsage()
        return (user + system) / 1_000
      }
      // Behind the name, the 12th and 13th field are the times.
      const fields = statFields(pid)
      return fields === null ? null : (Number(fields[11]) + Number(fields[12])) * msPerTick
    },
    stolenMs,
  }
}
