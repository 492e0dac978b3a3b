// Ctrl-C, SIGTERM and --timeout. Invariant: the first asks the command to end with what it has, the second ends at once.
import { exitCodes, OrxError, type ExitCode } from './core/errors.ts'
import type { Io, SignalName } from './io.ts'
import { formatDuration } from './core/units.ts'

/** How long a command may take to end after --timeout before it is left behind. */
const graceMs = 5_000

export interface Interruptions {
  readonly signal: AbortSignal
  /** 124, 130 or 143 once the command was interrupted. */
  exitCode(): ExitCode | null
  /** The command's outcome, or an error when it does not end within the grace after --timeout. */
  guard<T>(work: Promise<T>): Promise<T>
  release(): void
}

const exitOf: Record<SignalName, ExitCode> = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated }

export function interruptions(io: Io, timeoutMs: number | null): Interruptions {
  const controller = new AbortController()
  const { clock } = io.runtime
  const releases: (() => void)[] = []
  let interrupted: ExitCode | null = null
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    const off = io.onSignal(name, () => {
      if (interrupted !== null && interrupted !== exitCodes.timeout) io.exitNow(exitOf[name])
      interrupted = exitOf[name]
      controller.abort(
        new OrxError('aborted', `stopped by ${name} before there was a result`, {
          hint: 'A second Ctrl-C ends at once. Run the command again to start over.',
        }),
      )
    })
    releases.push(off)
  }
  let outOfTime: (error: OrxError) => void = () => undefined
  const never = new Promise<never>((_, reject) => {
    outOfTime = reject
  })
  never.catch(() => undefined)
  if (timeoutMs !== null) {
    const expired = new OrxError('deadline', `--timeout of ${formatDuration(timeoutMs)} was reached before there was a result`, {
      hint: 'Give it more time, for example --timeout 2m.',
    })
    const timer = clock.setTimer(() => {
      interrupted ??= exitCodes.timeout
      controller.abort(expired)
      const grace = clock.setTimer(() => outOfTime(expired), graceMs)
      releases.push(() => grace.cancel())
    }, timeoutMs)
    releases.push(() => timer.cancel())
  }
  return {
    signal: controller.signal,
    exitCode: () => interrupted,
    guard: (work) => Promise.race([work, never]),
    release: () => {
      for (const release of releases) release()
    },
  }
}
