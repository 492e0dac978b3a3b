// The shape of a command: what it is called, what it takes, what it does. cli.ts turns it into a commander command.
import type { ExitCode, OrxError } from '../core/errors.ts'
import type { Io } from '../io.ts'
import type { OptionTable, Values } from '../settings/option.ts'
import type { Origin } from '../settings/resolve.ts'
import type { Sources } from '../settings/sources.ts'
import type { Output } from '../ui/output.ts'

/** How a command is found without being loaded. */
export interface CommandEntry {
  readonly summary: string
  /** Started by orx itself; not shown to people. */
  readonly hidden?: true
  load(): Promise<CommandSpec>
}

export interface CommandContext {
  readonly io: Io
  readonly out: Output
  readonly sources: Sources
  /** Aborts on SIGINT, SIGTERM and --timeout, with an OrxError as its reason. */
  readonly signal: AbortSignal
  /** Says a warning at once, and puts it into the JSON document where there is one. */
  warn(text: string): void
  /** --no-input was not given and a person can answer. */
  readonly mayAsk: boolean
  readonly version: string
  /** All commands and the flags that each of them takes: for those that speak of the others. */
  readonly commands: Readonly<Record<string, CommandEntry>>
  readonly globalOptions: OptionTable
}

export interface CommandResult {
  readonly exitCode: ExitCode
  /** `data` of the JSON envelope. Undefined: the command has printed its own stream of lines. */
  readonly data: unknown
  /** SIGTERM asked it to end, and it ended well: that is no failure. */
  readonly drained?: true
  /** Set where there is data, but not what was asked for. */
  readonly error?: OrxError
}

export interface CommandSpec<Table extends OptionTable = OptionTable> {
  /** Each word in brackets as commander writes it: `[prompt]`, `<id>`, `[scenario...]`. */
  readonly arguments?: readonly { readonly name: string; readonly description: string }[]
  readonly description: string
  readonly examples: readonly string[]
  readonly options: Table
  /** Commands below this one (`db:index plan`), by name. */
  readonly subcommands?: Readonly<Record<string, CommandSpec>>
  run(
    context: CommandContext,
    words: readonly string[],
    values: Values<Table>,
    origins: Readonly<Record<string, Origin>>,
  ): Promise<CommandResult>
}

/** Keeps the types of a table's options in the command that reads them. */
export function command<Table extends OptionTable>(spec: CommandSpec<Table>): CommandSpec {
  return spec
}
