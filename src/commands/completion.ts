// `orx completion bash|zsh|fish`: a script that completes commands and flags.
import { exitCodes, OrxError } from '../core/errors.ts'
import { longName, type OptionTable } from '../settings/option.ts'
import { command, type CommandContext, type CommandSpec } from './command.ts'

interface Completed {
  /** `run`, `db:index plan`. */
  readonly path: string
  readonly summary: string
  readonly words: readonly string[]
}

const flagsOf = (table: OptionTable): readonly string[] => Object.values(table).map((option) => `--${longName(option)}`)

function completedOf(path: string, summary: string, spec: CommandSpec, forAll: readonly string[]): readonly Completed[] {
  const below = Object.entries(spec.subcommands ?? {})
  const words = [...below.map(([name]) => name), ...flagsOf(spec.options), ...forAll]
  return [{ path, summary, words }, ...below.flatMap(([name, sub]) => completedOf(`${path} ${name}`, sub.description, sub, forAll))]
}

async function allCommands({ commands, globalOptions }: CommandContext): Promise<readonly Completed[]> {
  const forAll = [...flagsOf(globalOptions), '--help']
  const entries = Object.entries(commands).filter(([, entry]) => !entry.hidden)
  return (await Promise.all(entries.map(async ([name, entry]) => completedOf(name, entry.summary, await entry.load(), forAll)))).flat()
}

const topLevel = (commands: readonly Completed[]): readonly Completed[] => commands.filter(({ path }) => !path.includes(' '))

/** Bash splits words at colons: what stands before the last one is taken off again. */
function bash(commands: readonly Completed[]): string {
  const cases = commands.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`)
  return `# orx completion for bash: source <(orx completion bash)
_orx() {
  local line="\${COMP_LINE:0:COMP_POINT}" current words path
  current="\${line##* }"
  path="$(printf '%s\\n' "\${line% *}" | tr ' ' '\\n' | tail -n +2 | grep -v '^-' | head -n 2 | tr '\\n' ' ')"
  path="\${path% }"
  while :; do
    words=''
    case "$path" in
${cases.join('\n')}
    '') words='${topLevel(commands)
      .map(({ path }) => path)
      .join(' ')} --help --version' ;;
    esac
    [ -n "$words" ] || [ -z "$path" ] && break
    case "$path" in *' '*) path="\${path%% *}" ;; *) path='' ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  local prefix="\${current%"\${current##*:}"}" index
  if [ -n "$prefix" ]; then for index in "\${!COMPREPLY[@]}"; do COMPREPLY[index]="\${COMPREPLY[index]#"$prefix"}"; done; fi
}
complete -o default -F _orx orx`
}

const escaped = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(':', '\\:')

function zsh(commands: readonly Completed[]): string {
  const cases = commands.map(({ path, words }) => `    '${path}') compadd -- ${words.join(' ')} ;;`)
  const described = topLevel(commands).map(({ path, summary }) => `    '${path.replaceAll(':', '\\:')}:${escaped(summary)}'`)
  return `#compdef orx
# orx completion for zsh: orx completion zsh > "\${fpath[1]}/_orx"
_orx() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe 'command' commands; return; fi
  local path="$words[2]"
  (( CURRENT > 3 )) && [[ "$words[3]" != -* ]] && path="$words[2] $words[3]"
  case "$path" in
${cases.join('\n')}
    "$words[2] "*) case "$words[2]" in
${topLevel(commands)
  .map(({ path, words }) => `      '${path}') compadd -- ${words.join(' ')} ;;`)
  .join('\n')}
    esac ;;
  esac
  _files
}
compdef _orx orx`
}

function fish(commands: readonly Completed[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const names = topLevel(commands).map(
    ({ path, summary }) => `complete -c orx -n __fish_use_subcommand -f -a ${quoted(path)} -d ${quoted(summary)}`,
  )
  const flags = commands.flatMap(({ path, words }) => {
    const condition = quoted(
      path
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and '),
    )
    return words.map((word) => `complete -c orx -n ${condition} ${word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`}`)
  })
  return `# orx completion for fish: orx completion fish > ~/.config/fish/completions/orx.fish\n${[...names, ...flags].join('\n')}`
}

const shells = { bash, zsh, fish }

export const completion = command({
  description: 'Prints a script that completes the commands and flags of orx in your shell.',
  arguments: [{ name: '<shell>', description: 'bash, zsh or fish' }],
  examples: [
    'source <(orx completion bash)',
    'orx completion zsh > "${fpath[1]}/_orx"',
    'orx completion fish > ~/.config/fish/completions/orx.fish',
  ],
  options: {},
  run: async (context, [shell = '']) => {
    const { out } = context
    const script = Object.entries(shells).find(([name]) => name === shell)?.[1]
    if (script === undefined)
      throw new OrxError('usage', `expected bash, zsh or fish, got "${shell}"`, { hint: 'For example: source <(orx completion bash)' })
    const text = script(await allCommands(context))
    if (!out.json) out.result(text)
    return { exitCode: exitCodes.done, data: { shell, script: text } }
  },
})
