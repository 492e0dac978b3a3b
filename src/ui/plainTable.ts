// A table that reads the same in a terminal and in a log: columns, one rule, no colour of its own.
import Table from 'cli-table3'
import type { Output } from './output.ts'
import { sanitiseLine } from './sanitise.ts'

const rules = {
  'top': '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  'bottom': '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  'left': '',
  'left-mid': '',
  'mid': '-',
  'mid-mid': '-',
  'right': '',
  'right-mid': '',
  'middle': ' ',
}

export interface Column {
  readonly head: string
  /** @default 'left' */
  readonly align?: 'left' | 'right'
  /** On a terminal of fewer columns it is left out. @default 0 */
  readonly dropBelow?: number
}

/** Every cell is made safe for a terminal and kept on one line. */
export function plainTable(columns: readonly Column[], rows: readonly (readonly string[])[], out: Output): string {
  const shown = columns.map(({ dropBelow = 0 }) => !out.interactive || out.columns >= dropBelow)
  const keep = <T>(cells: readonly T[]): T[] => cells.filter((_, index) => shown[index])
  const table = new Table({
    head: keep(columns).map(({ head }) => out.styleResult('bold', head)),
    colAligns: keep(columns).map(({ align = 'left' }) => align),
    style: { head: [], border: [], compact: true },
    chars: rules,
  })
  for (const row of rows) table.push(keep(row).map(sanitiseLine))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
