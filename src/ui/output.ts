// Where text leaves the program. Invariant: results on stdout, everything else on stderr; all of it redacted;
// no escape byte into a pipe unless it was asked for, and never with --json.
import { styleText } from 'node:util'
import type { Redactor } from '../core/redact.ts'
import { safeJson } from './sanitise.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

interface TextStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface OutputOptions {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly color: 'auto' | 'always' | 'never'
  readonly env: Readonly<Record<string, string | undefined>>
  readonly redact: Redactor
}

export interface Output {
  readonly json: boolean
  readonly verbose: boolean
  /** Columns of the terminal; 80 without one. */
  readonly columns: number
  /** Whether stdout is a person's terminal. */
  readonly interactive: boolean
  readonly quiet: boolean
  /** Whether notes on stderr may be coloured. */
  readonly colorNotes: boolean
  /** A result, as text; a newline is added. Not for --json. */
  result(text: string): void
  /** One JSON document on one line. */
  document(value: unknown): void
  /** Progress and notes; silent with --quiet. */
  note(text: string): void
  /** Detail for --verbose only. */
  detail(text: string): void
  /** Errors and warnings: always. */
  complain(text: string): void
  styleResult(style: Style, text: string): string
  styleNote(style: Style, text: string): string
  /** Keeps what would go to stderr while a live view owns the screen; what it returns lets it out and ends the keeping. */
  hold(): () => void
}

function wantsColor(options: OutputOptions, stream: TextStream): boolean {
  if (options.json || options.color === 'never') return false
  if (options.color === 'always') return true
  const { env } = options
  if (env['NO_COLOR']) return false
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0' && stream.isTTY === true) return true
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

export function makeOutput(options: OutputOptions): Output {
  const { stdout, stderr } = options
  const colorResult = wantsColor(options, stdout)
  const colorNote = wantsColor(options, stderr)
  const { redact } = options
  let held: string[] | null = null
  const style = (enabled: boolean, name: Style, text: string): string => (enabled ? styleText(name, text, { validateStream: false }) : text)
  const err = (text: string): void => {
    if (held === null) stderr.write(`${redact(text)}\n`)
    else held.push(text)
  }
  return {
    json: options.json,
    verbose: options.verbose,
    columns: stdout.columns ?? stderr.columns ?? 80,
    interactive: stdout.isTTY === true,
    quiet: options.quiet,
    colorNotes: colorNote,
    result: (text) => void stdout.write(`${redact(text)}\n`),
    document: (value) => void stdout.write(`${redact(safeJson(value))}\n`),
    note: (text) => {
      if (!options.quiet) err(text)
    },
    detail: (text) => {
      if (options.verbose) err(text)
    },
    complain: err,
    styleResult: (name, text) => style(colorResult, name, text),
    styleNote: (name, text) => style(colorNote, name, text),
    hold: () => {
      const kept: string[] = []
      held = kept
      return () => {
        held = null
        for (const text of kept) err(text)
      }
    },
  }
}
