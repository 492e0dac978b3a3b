// What a setting is: one entry gives the flag, the variable, the key of the file, the check and the default.
// Invariant: a value is parsed from text by the same function wherever it was written.
import { OrxError } from '../core/errors.ts'
import { parseDuration } from '../core/units.ts'

export interface Option<T> {
  /** As commander reads it: `--max-cost <usd>`, `-q, --quiet`, `--no-cache`. */
  readonly flags: string
  readonly description: string
  /** Throws OrxError `usage`, naming `what`, for a text that is no such value. */
  parse(text: string, what: string): T
  readonly fallback: T
  /** A confirmation: only ever a flag, never a variable or a line of a file. */
  readonly flagOnly?: true
  /** What it names is trusted, so a file does not set it: only a flag or a variable of the user's. */
  readonly notFromFiles?: true
}

// oxlint-disable-next-line typescript/no-explicit-any -- the one place where a table mixes options of many types
export type OptionTable = Readonly<Record<string, Option<any>>>

export type Values<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer Value> ? Value : never
}

function unfit(what: string, expected: string, text: string): OrxError {
  return new OrxError('usage', `${what}: expected ${expected}, got "${text}"`, { hint: `Give ${what} ${expected}.` })
}

export function integer(min: number, max: number) {
  return (text: string, what: string): number => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw unfit(what, `a whole number from ${min} to ${max}`, text)
    return value
  }
}

export function decimal(min: number, max: number) {
  return (text: string, what: string): number => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw unfit(what, `a number from ${min} to ${max}`, text)
    return value
  }
}

export function choice<const Name extends string>(names: readonly Name[]) {
  return (text: string, what: string): Name => {
    const found = names.find((name) => name === text)
    if (found === undefined) throw unfit(what, `one of ${names.join(', ')}`, text)
    return found
  }
}

export function words(text: string, what: string): string {
  if (text.trim() === '') throw unfit(what, 'some text', text)
  return text
}

export function list(text: string, what: string): readonly string[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.some((part) => part === '')) throw unfit(what, 'names with commas between them', text)
  return [...new Set(parts)]
}

export function duration(minMs: number) {
  return (text: string, what: string): number => {
    const valueMs = parseDuration(text, what)
    if (valueMs < minMs) throw unfit(what, `a duration of at least ${minMs}ms`, text)
    return valueMs
  }
}

export function onOff(text: string, what: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  if (/^(0|false|no|off)$/i.test(text)) return false
  throw unfit(what, 'true or false', text)
}

/** The long name of an option without dashes: `max-cost`; `no-cache` for a negated one. */
export function longName(option: Option<unknown>): string {
  return /--([a-z][a-z0-9-]*)/.exec(option.flags)?.[1] ?? option.flags
}

/** The variable of an option: ORX_ and the flag in upper case. */
export function variableOf(option: Option<unknown>): string {
  return `ORX_${longName(option).toUpperCase().replaceAll('-', '_')}`
}
