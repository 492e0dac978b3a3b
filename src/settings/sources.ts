// Where settings come from: the environment, .env of the working folder, the project's and the user's file.
// Invariant: a file that is there but cannot be read or parsed is an error that names it, never skipped.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { messageOf, OrxError, systemCodeOf } from '../core/errors.ts'

export interface SettingsFile {
  readonly path: string
  /** The user named it (--config, ORX_CONFIG): it is not the working folder that speaks. */
  readonly isNamed?: true
  readonly values: Readonly<Record<string, unknown>>
}

export interface Sources {
  /** ORX_HOME: data, cache and the user's file; `~/.orx` unless set. */
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly dotenv: Readonly<Record<string, string | undefined>>
  readonly project: SettingsFile | null
  readonly user: SettingsFile | null
}

export interface SourcesInput {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly homeDir: string
  /** What --config names instead of orx.config.json; it must exist. */
  readonly configFile?: string | undefined
}

function readText(path: string, mustExist: boolean): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (!mustExist && ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCodeOf(error) ?? '')) return null
    throw new OrxError('settings', `cannot read ${path}: ${messageOf(error)}`, {
      hint: 'Check the path and its permissions, or leave the file out.',
      cause: error,
    })
  }
}

function readSettingsFile(path: string, mustExist: boolean): SettingsFile | null {
  const text = readText(path, mustExist)
  if (text === null) return null
  let values: unknown
  try {
    values = JSON.parse(text)
  } catch (error) {
    // What the parser says quotes the text, and a key may stand there: only the place is said.
    const position = /position \d+/.exec(messageOf(error))?.[0]
    const where = position === undefined ? '' : ` (it ceases to be JSON at ${position})`
    throw new OrxError('settings', `${path}: expected JSON, got something else${where}`, {
      hint: 'Write one JSON object, for example { "maxCost": 0.5 }.',
    })
  }
  if (values === null || typeof values !== 'object' || Array.isArray(values)) {
    throw new OrxError('settings', `${path}: expected one JSON object`, { hint: 'For example { "maxCost": 0.5 }.' })
  }
  return { path, values: values as Record<string, unknown> }
}

export function readSources(input: SourcesInput): Sources {
  const { env, cwd } = input
  const home = env['ORX_HOME'] ? resolve(cwd, env['ORX_HOME']) : join(input.homeDir, '.orx')
  const configFile = input.configFile ?? (env['ORX_CONFIG'] || undefined)
  const dotenvText = readText(join(cwd, '.env'), false)
  const project = readSettingsFile(resolve(cwd, configFile ?? 'orx.config.json'), configFile !== undefined)
  return {
    home,
    env,
    dotenv: dotenvText === null ? {} : parseEnv(dotenvText),
    project: project === null || configFile === undefined ? project : { ...project, isNamed: true },
    user: readSettingsFile(join(home, 'config.json'), false),
  }
}
