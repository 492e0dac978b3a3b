// `orx run`: one prompt, or a file of them, answered by several models.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { exitCodes, messageOf, OrxError } from '../core/errors.ts'
import { untilAborted } from '../core/runtime.ts'
import type { Price } from '../models/call.ts'
import { domains } from '../models/catalog.ts'
import type { RunEvent, RunSettings } from '../orchestration/events.ts'
import {
  linesOf,
  promptOfBytes,
  promptOfLine,
  promptOfWord,
  promptSizeLimitBytes,
  type BrokenLine,
  type PromptLine,
} from '../orchestration/prompt.ts'
import { choice, decimal, duration, integer, list, onOff, words, type OptionTable, type Values } from '../settings/option.ts'
import { closingLine, plainListener, printAnswer } from '../ui/runPlain.ts'
import { command, type CommandContext, type CommandResult } from './command.ts'
import { startLive, wantsLive } from './liveRun.ts'
import type { RunSystem } from './openRunSystem.ts'
import { runFile, threadOfLine } from './runFile.ts'

function assumedPrice(text: string, what: string): Price {
  const [input, output, more] = text.split(',').map((part) => decimal(0, 1_000_000)(part, what))
  if (input === undefined || output === undefined || more !== undefined) {
    throw new OrxError('usage', `${what}: expected two prices, got "${text}"`, {
      hint: `USD per million tokens in and out, for example ${what} 0.5,1.5`,
    })
  }
  return { inputPerMillion: input, outputPerMillion: output }
}

/** A run that can be gone on with is named by its session: 24 hex digits. */
function sessionOf(text: string, what: string): string {
  if (/^[0-9a-f]{24}$/.test(text)) return text
  throw new OrxError('usage', `${what}: expected the 24 hex digits that the run named on stderr, got "${text}"`, {
    hint: 'orx history names runs and their sessions.',
  })
}

const options = {
  file: {
    flags: '--file <prompts.jsonl>',
    description: 'a prompt a line: {"prompt", "id"?, "domain"?, "priority"?}',
    parse: words,
    fallback: null,
  },
  models: {
    flags: '--models <names>',
    description: 'the models that take part, with commas; all that are known otherwise',
    parse: list,
    fallback: null,
  },
  model: { flags: '--model <name>', description: 'the author; the best for the prompt otherwise', parse: words, fallback: null },
  critics: { flags: '--critics <n>', description: 'how many other models judge an answer', parse: integer(0, 20), fallback: 2 },
  iterations: { flags: '--iterations <n>', description: 'answers at most, 1-10', parse: integer(1, 10), fallback: 5 },
  threshold: { flags: '--threshold <score>', description: 'a score that is good enough, 1-10', parse: decimal(1, 10), fallback: 8 },
  patience: {
    flags: '--patience <n>',
    description: 'stop at this many refinements in a row without gain',
    parse: integer(1, 10),
    fallback: 1,
  },
  maxCost: {
    flags: '--max-cost <usd>',
    description: 'never spend more than this on a prompt',
    parse: decimal(0, 1_000_000),
    fallback: null,
  },
  assumePrice: {
    flags: '--assume-price <in,out>',
    description: 'USD per million tokens, for models of unknown price',
    parse: assumedPrice,
    fallback: null,
  },
  maxTokens: { flags: '--max-tokens <n>', description: 'tokens of one answer at most', parse: integer(1, 1_000_000), fallback: 2_048 },
  deadline: {
    flags: '--deadline <duration>',
    description: 'a prompt takes no longer; the best answer so far is given',
    parse: duration(1),
    fallback: 120_000,
  },
  concurrency: { flags: '--concurrency <n>', description: 'prompts of a file at once', parse: integer(1, 1_000), fallback: 4 },
  priority: { flags: '--priority <n>', description: 'in the queue, 1-10, higher first', parse: integer(1, 10), fallback: 5 },
  resume: {
    flags: '--resume <run>',
    description: 'go on with a file or prompt that was cut off: what is finished is not sent again',
    parse: sessionOf,
    fallback: null,
    flagOnly: true as const,
  },
  strategy: {
    flags: '--strategy <name>',
    description:
      'critique (answer, judge, refine), single (one answer), best-of-n (--iterations answers of one model), fusion (one out of several)',
    parse: choice(['critique', 'single', 'best-of-n', 'fusion']),
    fallback: 'critique' as const,
  },
  cache: { flags: '--no-cache', description: 'ask anew, whatever was answered before', parse: onOff, fallback: true },
  stream: { flags: '--no-stream', description: 'take each answer in one piece', parse: onOff, fallback: true },
  db: {
    flags: '--db <which>',
    description: 'auto: ORX_MONGODB_URI or the embedded one; none: record nothing',
    parse: choice(['auto', 'none']),
    fallback: 'auto' as const,
  },
  seed: {
    flags: '--seed <n>',
    description: 'the same decisions, texts and costs each time',
    parse: integer(0, Number.MAX_SAFE_INTEGER),
    fallback: null,
  },
  simulate: {
    flags: '--simulate',
    description: 'ask the simulated provider, whatever keys are set: no money is spent',
    parse: onOff,
    fallback: false,
  },
  simScale: {
    flags: '--sim-scale <factor>',
    description: 'of the simulated latencies; 0 answers at once',
    parse: decimal(0, 1_000),
    fallback: 1,
  },
  ui: {
    flags: '--ui <kind>',
    description: 'auto, live, plain or none',
    parse: choice(['auto', 'live', 'plain', 'none']),
    fallback: 'auto' as const,
  },
} satisfies OptionTable

type RunValues = Values<typeof options>

function settingsOf(values: RunValues): RunSettings {
  return {
    strategy: values.strategy,
    critics: values.critics,
    iterations: values.iterations,
    threshold: values.threshold,
    patience: values.patience,
    maxCostUsd: values.maxCost,
    maxTokens: values.maxTokens,
    deadlineMs: values.deadline,
    stream: values.stream,
    useCache: values.cache,
    priority: values.priority,
  }
}

export const run = command({
  description:
    'Answers a prompt with several models: the best one answers, others judge, the author refines until the answer is good enough.',
  arguments: [{ name: '[prompt]', description: 'what is to be answered; - reads it from standard input' }],
  examples: [
    'orx run "Explain two-phase commit"',
    'orx run "Explain two-phase commit" --simulate --json',
    'orx run - --max-cost 0.05 < prompt.txt',
    'orx run "Summarise RFC 9110" --models openai/gpt-4.1,xai/grok-3-mini --iterations 2',
    'orx run --file prompts.jsonl --concurrency 8 --json > answers.ndjson',
  ],
  options,
  run: async (context, given, values) => {
    const settings = settingsOf(values)
    const lines = values.file === null ? null : await readLines(context, values.file, given)
    const prompt = lines === null ? await readPrompt(context, given) : ''
    if (values.resume !== null && values.db === 'none')
      throw new OrxError('usage', '--resume needs the database that the run was recorded in', { hint: 'Leave out --db none.' })
    // Drivers and agents are read when there is something to run: --help, completion and a wrong flag do without.
    const { openRunSystem } = await import('./openRunSystem.ts')
    const system = await openRunSystem(context, {
      ...values,
      settings,
      author: values.model,
      assumedPrice: values.assumePrice,
      concurrency: lines === null ? 1 : values.concurrency,
      maxWaiting: lines?.length ?? 1,
      resumedSessionId: values.resume,
    })
    if (system.sessionId !== null && lines !== null)
      context.out.note(`session ${system.sessionId}; after a kill go on with: --resume ${system.sessionId}`)
    let status: 'completed' | 'terminated' | 'error' = 'error'
    try {
      const result =
        lines === null
          ? await runOne(context, system, prompt, settings, values)
          : await runFile(context, system, lines, {
              settings,
              expectsRecord: values.db === 'auto',
              isSilent: values.ui === 'none',
              isLive: wantsLive(context, values.ui),
            })
      status = context.signal.aborted ? 'terminated' : 'completed'
      return result
    } finally {
      await system.shutDown(status)
    }
  },
})

async function readPrompt({ io, signal }: CommandContext, given: readonly string[]): Promise<string> {
  const [word] = given
  if (word === undefined) {
    throw new OrxError('bad_prompt', 'there is no prompt', {
      hint: 'Give one: orx run "Explain two-phase commit"; or - for standard input; or --file prompts.jsonl.',
    })
  }
  if (word !== '-') return promptOfWord(word)
  const pieces: Uint8Array[] = []
  let bytes = 0
  const read = async (): Promise<void> => {
    for await (const piece of io.stdin) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
      pieces.push(chunk)
      bytes += chunk.byteLength
      if (bytes > promptSizeLimitBytes) return
    }
  }
  await untilAborted(read(), signal)
  return promptOfBytes(Buffer.concat(pieces))
}

async function readLines({ io }: CommandContext, file: string, given: readonly string[]): Promise<readonly (PromptLine | BrokenLine)[]> {
  if (given.length > 0) throw new OrxError('usage', 'a prompt and --file exclude each other', { hint: 'Leave out one of them.' })
  const path = resolve(io.cwd, file)
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new OrxError('usage', `--file: cannot read ${path}: ${messageOf(error)}`, {
      hint: 'Give the path of a file with one JSON object a line.',
      cause: error,
    })
  })
  const lines = [...linesOf(bytes)].flatMap((line, index) => promptOfLine(line, index + 1, domains) ?? [])
  if (lines.length === 0)
    throw new OrxError('bad_prompt', `--file: ${path} has no prompts`, { hint: 'Write one JSON object a line: {"prompt": "..."}' })
  return lines
}

async function runOne(
  context: CommandContext,
  system: RunSystem,
  prompt: string,
  settings: RunSettings,
  values: RunValues,
): Promise<CommandResult> {
  const { out, signal } = context
  const live = wantsLive(context, values.ui) ? await startLive(context, system, null) : null
  const say = live?.listener('') ?? (out.json || values.ui === 'none' ? () => undefined : plainListener(out))
  const listen = (event: RunEvent): void => {
    if (event.type === 'warning-raised') context.warn(event.message)
    say(event)
  }
  const threadId = values.resume === null ? null : threadOfLine(values.resume, 1, prompt)
  const order = { prompt, id: null, threadId, domain: null, author: system.author, settings }
  const { result, persisted, error } = await system.run(order, listen, signal).finally(() => live?.end())
  if (!out.json) {
    printAnswer(out, result)
    if (values.ui !== 'none' && live === null) out.note(closingLine(result))
    if (values.db === 'auto' && !persisted) out.complain('persisted: false (this run is not, or not wholly, in the database)')
  }
  const data = { ...result, persisted }
  if (result.finalResponse === null) {
    const problem = new OrxError(error?.code ?? 'failed', error?.message ?? 'no model answered', {
      hint: error?.hint ?? 'Run it again with --verbose.',
    })
    return { data, exitCode: problem.exitCode, error: problem }
  }
  return { data, exitCode: values.db === 'auto' && !persisted ? exitCodes.partial : exitCodes.done }
}
