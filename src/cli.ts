// The commander program, and the one place where an error becomes an exit code.
// Invariant: only the command that was named is loaded; --json always ends in one document.
import { Command, CommanderError, Option as CommanderOption } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { CommandContext, CommandResult, CommandSpec } from './commands/command.ts'
import { commandTable, globalOptions } from './commands/table.ts'
import { exitCodes, messageOf, OrxError, type ExitCode } from './core/errors.ts'
import { isUriWithPassword, makeRedactor } from './core/redact.ts'
import type { Io } from './io.ts'
import { longName, type OptionTable } from './settings/option.ts'
import { resolveOptions } from './settings/resolve.ts'
import { secretsOf } from './settings/providers.ts'
import { readSources, type Sources } from './settings/sources.ts'
import { makeOutput, type Output } from './ui/output.ts'
import { sanitise } from './ui/sanitise.ts'
import { interruptions } from './interruptions.ts'

const schemaVersion = 1

interface Invocation {
  readonly names: readonly string[]
  readonly spec: CommandSpec
  readonly words: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
}

function addOptions(target: Command, table: OptionTable): void {
  for (const [key, option] of Object.entries(table)) {
    const commanderOption = new CommanderOption(option.flags, describe(option))
    commanderOption.attributeName = () => key
    target.addOption(commanderOption)
  }
}

function describe({ description, fallback, flags }: OptionTable[string]): string {
  const isShown = typeof fallback === 'number' || (typeof fallback === 'string' && fallback !== '')
  if (!isShown) return description
  return `${description} (default: ${flags.includes('<duration>') ? `${Number(fallback) / 1_000}s` : String(fallback)})`
}

/** Only what stood on the command line; commander's own defaults are not settings. */
function givenFlags(command: Command): Record<string, string | boolean | undefined> {
  const flags: Record<string, string | boolean | undefined> = {}
  for (let current: Command | null = command; current !== null; current = current.parent) {
    for (const [key, value] of Object.entries(current.opts<Record<string, string | boolean>>())) {
      if (current.getOptionValueSource(key) === 'cli') flags[key] ??= value
    }
  }
  return flags
}

function build(io: Io, name: string, spec: CommandSpec, path: readonly string[], found: (invocation: Invocation) => void): Command {
  const names = [...path, name]
  const command = quietly(new Command(name), io).description(spec.description).version(packageJson.version, '-V, --version')
  for (const argument of spec.arguments ?? []) command.argument(argument.name, argument.description)
  addOptions(command, spec.options)
  addOptions(command, globalOptions)
  command.addHelpText('after', `\nExamples:\n${spec.examples.map((example) => `  $ ${example}`).join('\n')}`)
  for (const [subName, sub] of Object.entries(spec.subcommands ?? {})) command.addCommand(build(io, subName, sub, names, found))
  command.action((...parameters: unknown[]) => {
    const given = parameters
      .slice(0, spec.arguments?.length ?? 0)
      .flat()
      .filter((word): word is string => typeof word === 'string')
    found({ names, spec, words: given, flags: givenFlags(command) })
  })
  return command
}

function quietly(command: Command, io: Io): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getOutHasColors: () => false,
    })
    .showSuggestionAfterError(true)
}

/** The words that are neither flags nor the values of flags that these tables know. */
function plainWords(argv: readonly string[], tables: readonly OptionTable[]): readonly string[] {
  const options = tables.flatMap((table) => Object.values(table))
  const withValue = new Set(options.flatMap((option) => (option.flags.includes('<') ? [`--${longName(option)}`] : [])))
  return argv.filter((word, index) => !word.startsWith('-') && !withValue.has(argv[index - 1] ?? ''))
}

/** The first word that names a command; flags with a value of their own may stand before it. */
function namedCommand(argv: readonly string[]): string | undefined {
  return plainWords(argv, [globalOptions])[0]
}

/** What the command line names, as an envelope says it (`db:index plan`), also where it could not be understood as a whole. */
async function namedPath(argv: readonly string[]): Promise<string> {
  const name = namedCommand(argv)
  if (name === undefined || !Object.hasOwn(commandTable, name)) return name ?? 'orx'
  const names = [name]
  const tables: OptionTable[] = [globalOptions]
  for (let spec = await commandTable[name]?.load(); spec !== undefined;) {
    tables.push(spec.options)
    const below = plainWords(argv, tables)[names.length]
    const sub = below !== undefined && Object.hasOwn(spec.subcommands ?? {}, below) ? below : undefined
    if (sub !== undefined) names.push(sub)
    spec = sub === undefined ? undefined : spec.subcommands?.[sub]
  }
  return names.join(' ')
}

const secretFlags = /^--?(api-?key|token|password|secret)(=|$)/i

function refuseSecrets(argv: readonly string[]): void {
  const flag = argv.find((word) => secretFlags.test(word))
  const uri = argv.some(isUriWithPassword)
  if (flag === undefined && !uri) return
  const what = flag === undefined ? 'a URI with a password' : `the flag ${flag.replace(/=.*/s, '')}`
  throw new OrxError('secret_on_argv', `${what} stands on the command line, where every user of this machine can read it`, {
    hint: 'Put it into the environment or a file: ORX_MONGODB_URI, OPENAI_API_KEY, ORX_API_KEY ... (see README, Settings).',
  })
}

function usageError(error: CommanderError): OrxError {
  // Whatever follows "=" in an unknown word may be a secret, so it is not said again.
  const message = error.message.replace(/^error: /, '').replace(/=[^'\s]*/g, '=...')
  return new OrxError('usage', message, { hint: 'See `orx --help`, or `orx <command> --help` for its flags and examples.' })
}

async function parse(io: Io): Promise<Invocation | 'shown'> {
  refuseSecrets(io.argv)
  const program = quietly(new Command('orx'), io)
    .description('OrchestrateX: several AI models on one prompt, MongoDB indexes that are proven, measurements against stated targets.')
    .version(packageJson.version, '-V, --version')
    .addHelpText(
      'after',
      '\nExamples:\n  $ orx run "Explain two-phase commit"\n  $ orx run --json --simulate "Explain two-phase commit" | jq .data.finalResponse\n  $ orx db:status',
    )
  addOptions(program, globalOptions)
  const name = namedCommand(io.argv)
  let invocation: Invocation | undefined
  for (const [entryName, entry] of Object.entries(commandTable)) {
    if (entryName === name) {
      const built = build(io, entryName, await entry.load(), [], (found) => {
        invocation = found
      })
      program.addCommand(built.summary(entry.summary), { hidden: entry.hidden ?? false })
    } else {
      program.addCommand(new Command(entryName).summary(entry.summary), { hidden: entry.hidden ?? false })
    }
  }
  try {
    await program.parseAsync(io.argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 'shown'
    if (error.code === 'commander.help')
      throw new OrxError('usage', 'no command was given', { hint: 'See `orx --help`; for a first answer: orx run --simulate "Hello".' })
    throw usageError(error)
  }
  if (invocation === undefined)
    throw new OrxError('usage', 'no command was given', { hint: 'See `orx --help`; for a first answer: orx run --simulate "Hello".' })
  return invocation
}

interface Ending {
  readonly command: string
  readonly exitCode: ExitCode
  readonly data: unknown
  readonly warnings: readonly string[]
  readonly error: OrxError | null
}

function asOrxError(error: unknown): OrxError {
  if (error instanceof OrxError) return error
  return new OrxError('internal', `this is a defect of orx: ${messageOf(error)}`, {
    hint: 'Run it again with --verbose and report what it says.',
    cause: error,
  })
}

function causes(error: unknown): string {
  const parts: string[] = []
  for (let current: unknown = error; current instanceof Error && parts.length < 5; current = current.cause)
    parts.push(current.stack ?? current.message)
  return parts.join('\ncaused by: ')
}

function report(out: Output, ending: Ending): void {
  const { command, exitCode, data, warnings, error } = ending
  if (out.json) {
    if (data === undefined && error === null) return
    out.document({
      schemaVersion,
      command,
      ok: exitCode === 0,
      exitCode,
      data: data ?? null,
      warnings,
      error: error === null ? null : { code: error.code, message: error.message, hint: error.hint },
    })
  }
  if (error === null) return
  // An error quotes names and texts of others: of a provider's models, of a file.
  if (!out.json)
    out.complain(`${out.styleNote('red', 'orx:')} ${sanitise(error.message)}\n  ${out.styleNote('dim', 'hint:')} ${sanitise(error.hint)}`)
  out.detail(sanitise(causes(error)))
}

async function execute(io: Io, invocation: Invocation): Promise<ExitCode> {
  const flags = invocation.flags
  const sources = readSources({ ...io, configFile: typeof flags['config'] === 'string' ? flags['config'] : undefined })
  const globals = resolveOptions(globalOptions, flags, sources).values
  const { values, origins } = resolveOptions(invocation.spec.options, flags, sources)
  const out = makeOutput({ ...globals, stdout: io.stdout, stderr: io.stderr, env: io.env, redact: makeRedactor(secretsOf(sources)) })
  const command = invocation.names.join(' ')
  const interruption = interruptions(io, globals.timeout)
  const warnings: string[] = []
  const context: CommandContext = {
    io,
    out,
    sources,
    signal: interruption.signal,
    warn: (text) => {
      warnings.push(text)
      // With --json too: a stream of lines has no document that would hold them.
      out.complain(`${out.styleNote('yellow', 'warning:')} ${sanitise(text)}`)
    },
    mayAsk: globals.input && io.stdin.isTTY === true && io.stderr.isTTY === true && !globals.json,
    version: packageJson.version,
    commands: commandTable,
    globalOptions,
  }
  try {
    const result: CommandResult = await interruption.guard(invocation.spec.run(context, invocation.words, values, origins))
    const interrupted = interruption.exitCode()
    const isAsked = result.drained === true && interrupted === exitCodes.terminated
    const exitCode = isAsked ? result.exitCode : (interrupted ?? result.exitCode)
    report(out, { command, exitCode, data: result.data, warnings, error: result.error ?? null })
    return exitCode
  } catch (thrown) {
    const error = asOrxError(thrown)
    const exitCode = interruption.exitCode() ?? error.exitCode
    report(out, { command, exitCode, data: null, warnings, error })
    return exitCode
  } finally {
    interruption.release()
  }
}

/** What can be read of the settings when they, or the command line, are at fault themselves. */
function sourcesLeft({ env, cwd, homeDir }: Io): Sources {
  try {
    return readSources({ env, cwd, homeDir })
  } catch {
    return { home: homeDir, env, dotenv: {}, project: null, user: null }
  }
}

function asksForJson(argv: readonly string[], sources: Sources): boolean {
  try {
    const { json } = globalOptions
    return resolveOptions({ json }, { json: argv.includes('--json') || undefined }, sources).values.json
  } catch {
    return false
  }
}

/** Runs one command line to its exit code. Never throws. */
export async function runCli(io: Io): Promise<ExitCode> {
  try {
    const invocation = await parse(io)
    return invocation === 'shown' ? exitCodes.done : await execute(io, invocation)
  } catch (thrown) {
    const error = asOrxError(thrown)
    const sources = sourcesLeft(io)
    const out = makeOutput({
      stdout: io.stdout,
      stderr: io.stderr,
      json: asksForJson(io.argv, sources),
      quiet: false,
      verbose: io.argv.includes('--verbose') || io.argv.includes('-v'),
      color: 'auto',
      env: io.env,
      redact: makeRedactor(secretsOf(sources)),
    })
    report(out, { command: await namedPath(io.argv), exitCode: error.exitCode, data: null, warnings: [], error })
    return error.exitCode
  }
}
