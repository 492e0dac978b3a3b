// The flags of `orx bench`.
import { choice, decimal, duration, integer, onOff, words, type OptionTable } from '../../settings/option.ts'
import { parseScale, remoteOption } from '../dbSeed.ts'

const text = (flags: string, description: string) => ({
  flags,
  description,
  parse: words,
  fallback: null as string | null,
  flagOnly: true as const,
})

export const benchOptions = {
  list: {
    flags: '--list',
    description: 'show scenarios and targets, and measure nothing',
    parse: onOff,
    fallback: false,
    flagOnly: true,
  },
  quick: { flags: '--quick', description: 'all documented targets within three minutes', parse: onOff, fallback: false },
  selfTest: {
    flags: '--self-test',
    description: 'measure servers that are known, and check the figures',
    parse: onOff,
    fallback: false,
    flagOnly: true,
  },
  targets: {
    flags: '--targets <file>',
    description: 'targets of your own instead of fixtures/targets.json',
    parse: words,
    fallback: null as string | null,
  },
  duration: {
    flags: '--duration <duration>',
    description: "of each measurement (default: the scenario's own)",
    parse: duration(1),
    fallback: null as number | null,
  },
  warmup: { flags: '--warmup <duration>', description: 'before it, not measured', parse: duration(0), fallback: null as number | null },
  rate: {
    flags: '--rate <n>',
    description: 'requests a second of open measurements; of sessions, by how long its users think',
    parse: decimal(0.1, 1_000_000),
    fallback: null as number | null,
  },
  concurrency: {
    flags: '--concurrency <n>',
    description: 'users at once of closed measurements',
    parse: integer(1, 100_000),
    fallback: null as number | null,
  },
  seed: { flags: '--seed <n>', description: 'of schedules, data and answers', parse: integer(0, Number.MAX_SAFE_INTEGER), fallback: 1 },
  scale: {
    flags: '--scale <size>',
    description: 'of the sample data: small, medium or large',
    parse: parseScale,
    fallback: 'medium' as const,
  },
  url: text('--url <url>', 'measure this server in http, by GET'),
  ...remoteOption,
  compareStrategies: {
    flags: '--compare-strategies',
    description: 'orchestrations: critique, single, best-of-n and fusion under one bound of cost',
    parse: onOff,
    fallback: false,
  },
  out: text('--out <file>', 'the report as JSON'),
  junit: text('--junit <file>', 'the report as JUnit, a case a target'),
  markdown: text('--markdown <file>', 'the report as Markdown'),
  html: text('--html <file>', 'the report as one HTML page'),
  hgrm: text('--hgrm <folder>', 'a .hgrm file for each series'),
  baseline: text('--baseline <file>', 'an earlier report: a regression is a missed target'),
  duet: text('--duet <command>', 'interleave with another command that prints the JSON of a bench: paired ratios'),
  repeat: { flags: '--repeat <n>', description: 'blocks of a duet', parse: integer(1, 100), fallback: 5 },
  ui: {
    flags: '--ui <kind>',
    description: 'auto, live, plain or none',
    parse: choice(['auto', 'live', 'plain', 'none']),
    fallback: 'auto' as const,
  },
  fps: { flags: '--fps <n>', description: 'frames a second of the live view', parse: integer(1, 30), fallback: 4 },
} satisfies OptionTable
