// A bench as lines, where there is no terminal. Invariant: no escape byte; a line every two seconds at most while something is measured.
import type { BenchEvent } from '../../bench/live.ts'
import type { Clock } from '../../core/runtime.ts'
import { formatDuration } from '../../core/units.ts'
import { sanitiseLine } from '../sanitise.ts'
import { short } from './figures.ts'

const everyMs = 2_000

export interface BenchPlain {
  onEvent(event: BenchEvent): void
}

export function makeBenchPlain({ clock, print }: { readonly clock: Clock; readonly print: (line: string) => void }): BenchPlain {
  let lastMs = Number.NEGATIVE_INFINITY
  const now = (line: string): void => {
    lastMs = clock.monotonicMs()
    print(sanitiseLine(line))
  }
  const sometimes = (line: string): void => {
    if (clock.monotonicMs() - lastMs >= everyMs) now(line)
  }
  return {
    onEvent: (event) => {
      switch (event.type) {
        case 'scenario-started':
          now(`${event.scenario}: about ${formatDuration(event.plannedMs)}`)
          break
        case 'preparing': {
          const far = event.done === null || event.total === null ? '' : ` (${event.done} of ${event.total})`
          sometimes(`${event.scenario}: ${event.text}${far}`)
          break
        }
        case 'interval': {
          const { series, phase, total, unit } = event
          if (phase === 'measuring')
            sometimes(`${series}: ${total.count} made, ${total.errors} errors, P50 ${short(total.p50)} P99 ${short(total.p99)} ${unit}`)
          break
        }
        case 'scenario-finished':
          for (const { name, count, errors, response, invalid } of event.series) {
            const trouble = invalid.length === 0 ? '' : `; invalid: ${invalid.join('; ')}`
            now(
              `${name}: done, ${count} made, ${errors} errors, P50 ${short(response.p50)} P95 ${short(response.p95)} P99 ${short(response.p99)} ${response.unit}${trouble}`,
            )
          }
          break
        case 'bench-started':
        case 'resources':
        case 'targets':
        case 'bench-finished':
          break
      }
    },
  }
}
