// `orx config show`: every setting with its value and where it came from; of a secret only whether it is set.
import { exitCodes } from '../core/errors.ts'
import { redactUris } from '../core/redact.ts'
import { variableOf, type OptionTable } from '../settings/option.ts'
import { resolveOptions } from '../settings/resolve.ts'
import { placeOf, settingVariables } from '../settings/providers.ts'
import type { Sources } from '../settings/sources.ts'
import { plainTable } from '../ui/plainTable.ts'
import { command, type CommandContext, type CommandResult, type CommandSpec } from './command.ts'

interface ShownSetting {
  /** The key in orx.config.json, or the variable of what is no flag. */
  readonly name: string
  readonly value: unknown
  readonly source: string
  readonly variable: string
  /** The commands that read it; empty where all do. */
  readonly commands: readonly string[]
}

function tablesOf(name: string, spec: CommandSpec): readonly (readonly [string, OptionTable])[] {
  const below = Object.entries(spec.subcommands ?? {}).flatMap(([sub, subSpec]) => tablesOf(`${name} ${sub}`, subSpec))
  return [[name, spec.options], ...below]
}

function settingsOf(table: OptionTable, sources: Sources, commands: readonly string[]): readonly ShownSetting[] {
  const { values, origins } = resolveOptions(table, {}, sources)
  const shown: Readonly<Record<string, unknown>> = values
  return Object.entries(table)
    .filter(([, option]) => !option.flagOnly)
    .map(([name, option]) => ({
      name,
      value: shown[name] ?? null,
      source: origins[name] ?? 'default',
      variable: variableOf(option),
      commands,
    }))
}

async function allSettings({ sources, commands, globalOptions }: CommandContext): Promise<readonly ShownSetting[]> {
  const merged = new Map<string, ShownSetting>()
  const add = (setting: ShownSetting): void => {
    // One flag may have another default in another command: then it is another setting.
    const key = JSON.stringify([setting.name, setting.value])
    const before = merged.get(key)
    merged.set(key, before === undefined ? setting : { ...before, commands: [...before.commands, ...setting.commands] })
  }
  for (const setting of settingsOf(globalOptions, sources, [])) add(setting)
  for (const [name, entry] of Object.entries(commands)) {
    if (entry.hidden) continue
    for (const [path, table] of tablesOf(name, await entry.load())) for (const setting of settingsOf(table, sources, [path])) add(setting)
  }
  return [...merged.values()]
}

/** Variables that no file of a folder may set: what they name is run or written to. */
function places({ env, home }: Sources): readonly ShownSetting[] {
  const sourceOf = (variable: string, otherwise: string): string => (env[variable] ? 'environment' : otherwise)
  return [
    { name: 'ORX_HOME', value: home, source: sourceOf('ORX_HOME', 'default'), variable: 'ORX_HOME', commands: [] },
    {
      name: 'ORX_MONGOD',
      value: env['ORX_MONGOD'] || null,
      source: sourceOf('ORX_MONGOD', 'not set'),
      variable: 'ORX_MONGOD',
      commands: [],
    },
  ]
}

async function showSettings(context: CommandContext): Promise<CommandResult> {
  const { out, sources } = context
  const settings = [...(await allSettings(context)), ...places(sources)]
  const others = settingVariables.map((variable) => {
    const found = placeOf(variable, sources)
    const isSecret = !variable.endsWith('_BASE_URL')
    return {
      name: variable,
      value: found === null ? null : isSecret ? 'set' : redactUris(found.text),
      source: found?.place ?? 'not set',
      variable,
      commands: [],
    }
  })
  const files = { home: sources.home, projectFile: sources.project?.path ?? null, userFile: sources.user?.path ?? null }
  if (!out.json) {
    const heads = [{ head: 'setting' }, { head: 'value' }, { head: 'source' }, { head: 'variable' }]
    const cells = [...settings, ...others].map(({ name, value, source, variable }) => [
      name,
      value === null ? '-' : JSON.stringify(value),
      source,
      variable,
    ])
    out.result(plainTable(heads, cells, out))
    out.note(`\nhome ${files.home}; project file ${files.projectFile ?? 'none'}; user file ${files.userFile ?? 'none'}`)
  }
  return { exitCode: exitCodes.done, data: { settings: [...settings, ...others], ...files } }
}

const show = command({
  description: 'Shows every setting with its value and where the value came from. Secrets are only said to be set.',
  examples: ['orx config show', 'ORX_CRITICS=3 orx config show --json | jq ".data.settings[] | select(.source != \\"default\\")"'],
  options: {},
  run: showSettings,
})

export const config = command({ ...show, subcommands: { show } })
