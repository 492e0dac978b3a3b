// One line of progress on stderr: rewritten in place on a terminal, now and then a new line elsewhere. Invariant: no escape byte without one.
import type { Clock } from '../core/runtime.ts'
import type { Output } from './output.ts'
import { sanitiseLine } from './sanitise.ts'

export interface ProgressLine {
  update(text: string): void
  /** Takes it away, before anything else is printed. */
  clear(): void
}

const everyMs = { terminal: 100, elsewhere: 5_000 } as const

/** @param stream stderr where it is a terminal that can rewrite a line, else null */
export function makeProgressLine(
  { out, clock }: { readonly out: Output; readonly clock: Clock },
  stream: { readonly columns?: number; write(text: string): unknown } | null,
): ProgressLine {
  const onTerminal = stream !== null && !out.json && !out.quiet
  let lastMs = Number.NEGATIVE_INFINITY
  let isShown = false
  return {
    update: (text) => {
      const nowMs = clock.monotonicMs()
      if (nowMs - lastMs < (onTerminal ? everyMs.terminal : everyMs.elsewhere)) return
      lastMs = nowMs
      if (onTerminal) stream.write(`\r\u001b[K${sanitiseLine(text).slice(0, Math.max(1, (stream.columns ?? 80) - 1))}`)
      else out.note(text)
      isShown = onTerminal
    },
    clear: () => {
      if (isShown) stream?.write('\r\u001b[K')
      isShown = false
    },
  }
}
