// One value for each setting, and where it came from: flags, ORX_* variables, .env, project file, user file, defaults, in this order.
import { messageOf, OrxError } from '../core/errors.ts'
import { longName, variableOf, type Option, type OptionTable, type Values } from './option.ts'
import type { Sources } from './sources.ts'

export type Origin = 'flag' | 'environment' | '.env' | 'project file' | 'user file' | 'default'

export interface Resolved<Table extends OptionTable> {
  readonly values: Values<Table>
  readonly origins: Readonly<Record<keyof Table, Origin>>
}

interface Given {
  readonly text: string
  readonly what: string
  readonly origin: Origin
  /** Set where a bare `--no-cache` or ORX_NO_CACHE=1 says the opposite of its key. */
  readonly negated: boolean
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

function find(key: string, option: Option<unknown>, flag: string | boolean | undefined, sources: Sources): Given | null {
  const name = longName(option)
  const negated = name.startsWith('no-') && typeof option.fallback === 'boolean'
  if (flag !== undefined) return { text: String(flag), what: `--${name}`, origin: 'flag', negated: false }
  if (option.flagOnly) return null
  const variable = variableOf(option)
  const inEnv = sources.env[variable]
  if (inEnv !== undefined && inEnv !== '') return { text: inEnv, what: variable, origin: 'environment', negated }
  if (option.notFromFiles) return null
  const inDotenv = sources.dotenv[variable]
  if (inDotenv !== undefined && inDotenv !== '') return { text: inDotenv, what: `${variable} in .env`, origin: '.env', negated }
  for (const [file, origin] of [
    [sources.project, 'project file'],
    [sources.user, 'user file'],
  ] as const) {
    const value = file?.values[key]
    if (file && value !== undefined && value !== null)
      return { text: textOf(value), what: `"${key}" in ${file.path}`, origin, negated: false }
  }
  return null
}

/**
 * Resolves every option of a table. `flags` holds what stood on the command line, by key.
 * Throws one OrxError `usage` that lists every value that does not fit.
 */
export function resolveOptions<Table extends OptionTable>(
  table: Table,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  sources: Sources,
): Resolved<Table> {
  const values: Record<string, unknown> = {}
  const origins: Record<string, Origin> = {}
  const problems: OrxError[] = []
  for (const [key, option] of Object.entries(table)) {
    const given = find(key, option, flags[key], sources)
    values[key] = option.fallback
    origins[key] = given?.origin ?? 'default'
    if (given === null) continue
    try {
      const value: unknown = option.parse(given.text, given.what)
      values[key] = given.negated ? !value : value
    } catch (error) {
      problems.push(error instanceof OrxError ? error : new OrxError('usage', `${given.what}: ${messageOf(error)}`))
    }
  }
  const [first] = problems
  if (first && problems.length === 1) throw first
  if (first) throw new OrxError('usage', problems.map((problem) => problem.message).join('; '), { hint: first.hint })
  return { values: values as Values<Table>, origins: origins as Record<keyof Table, Origin> }
}
