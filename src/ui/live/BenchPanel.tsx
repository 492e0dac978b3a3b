// The dashboard of a bench in Ink: lines that are ready, and keys as they are typed. Invariant: it draws what it is given; what is on the screen is
// decided in ui/bench, where it can be tested without a terminal.
import { Text, useInput, type Key as InkKey } from 'ink'
import type { ReactNode } from 'react'

/** Keys without a character stand for those that do the same. */
function typed(input: string, { leftArrow, rightArrow, upArrow, downArrow, tab, shift, escape, ctrl }: InkKey): string {
  if (leftArrow || (tab && shift)) return 'p'
  if (rightArrow || tab) return 'n'
  if (upArrow) return 'k'
  if (downArrow) return 'j'
  if (escape) return '\u001b'
  if (ctrl) return input === 'c' ? '\u0003' : ''
  return input
}

export interface BenchPanelProps {
  /** Of ready lines. */
  readonly marks: string
  /** Several characters may come at once. Null: nothing is typed here. */
  readonly onTyped: ((text: string) => void) | null
}

export function BenchPanel({ marks, onTyped }: BenchPanelProps): ReactNode {
  useInput((input, key) => onTyped?.(typed(input, key)), { isActive: onTyped !== null })
  return <Text wrap="truncate">{marks}</Text>
}
