// Every command by name with its one line for `orx --help`, and the flags that all of them take.
// Invariant: a command's file is read only when the command was named.
import { choice, duration, onOff, words, type OptionTable } from '../settings/option.ts'
import type { CommandEntry } from './command.ts'

export const commandTable: Readonly<Record<string, CommandEntry>> = {
  'run': {
    summary: 'answer a prompt with several models: the best answers, others criticise',
    load: async () => (await import('./run.ts')).run,
  },
  'history': { summary: 'list the newest runs', load: async () => (await import('./history.ts')).history },
  'show': { summary: 'show a recorded run', load: async () => (await import('./show.ts')).show },
  'replay': { summary: 'tell a recorded run again, without a provider', load: async () => (await import('./replay.ts')).replay },
  'costs': { summary: 'show what each model cost', load: async () => (await import('./costs.ts')).costs },
  'diff': { summary: 'compare two recorded runs', load: async () => (await import('./diff.ts')).diff },
  'models': { summary: 'list the models that can be asked, and why one would be', load: async () => (await import('./models.ts')).models },
  'bench': { summary: 'measure, judge against stated targets, and gate CI', load: async () => (await import('./bench/bench.ts')).bench },
  'db:index': {
    summary: 'plan, make and prove the indexes of the database',
    load: async () => (await import('./dbIndex/dbIndex.ts')).dbIndex,
  },
  'db:up': {
    summary: 'start the embedded MongoDB of this home',
    load: async () => (await import('./dbUp.ts')).dbUp,
  },
  'db:down': {
    summary: 'stop the embedded MongoDB of this home',
    load: async () => (await import('./dbDown.ts')).dbDown,
  },
  'db:status': {
    summary: 'say which database is used and whether it answers',
    load: async () => (await import('./dbStatus.ts')).dbStatus,
  },
  'db:seed': { summary: 'fill the bench’s database with sample data', load: async () => (await import('./dbSeed.ts')).dbSeed },
  'serve': { summary: 'serve sessions, threads and analytics over HTTP', load: async () => (await import('./serve.ts')).serve },
  'doctor': { summary: 'check what works here and what does not', load: async () => (await import('./doctor.ts')).doctor },
  'config': { summary: 'show every setting and where it came from', load: async () => (await import('./config.ts')).config },
  'completion': { summary: 'print a completion script for your shell', load: async () => (await import('./completion.ts')).completion },
  'bench:generator': {
    summary: 'run one scenario for the bench',
    hidden: true,
    load: async () => (await import('./bench/generator.ts')).benchGenerator,
  },
  'bench:known': {
    summary: 'serve known latencies for the self-test of the bench',
    hidden: true,
    load: async () => (await import('./bench/knownServer.ts')).benchKnown,
  },
  'simulator': {
    summary: 'serve the simulated provider',
    hidden: true,
    load: async () => (await import('./simulator.ts')).simulator,
  },
}

export const globalOptions = {
  json: { flags: '--json', description: 'print one JSON document instead of text', parse: onOff, fallback: false },
  quiet: { flags: '-q, --quiet', description: 'print results, warnings and errors only', parse: onOff, fallback: false },
  verbose: { flags: '-v, --verbose', description: 'print more, and the cause of errors', parse: onOff, fallback: false },
  color: {
    flags: '--color <when>',
    description: 'auto, always or never',
    parse: choice(['auto', 'always', 'never']),
    fallback: 'auto' as const,
  },
  config: {
    flags: '--config <file>',
    description: 'settings file instead of ./orx.config.json',
    parse: words,
    fallback: null,
    notFromFiles: true as const,
  },
  input: { flags: '--no-input', description: 'never ask a question', parse: onOff, fallback: true },
  timeout: {
    flags: '--timeout <duration>',
    description: 'end after this time with what is there (exit 124)',
    parse: duration(1),
    fallback: null,
  },
} satisfies OptionTable
