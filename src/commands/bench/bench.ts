// `orx bench`: measures, judges against stated targets, reports, and gates.
import { compareWithBaseline, duet } from '../../bench/compare.ts'
import type { BenchEvent } from '../../bench/live.ts'
import type { BenchReport, Environment } from '../../bench/report.ts'
import { runBench, withComparison } from '../../bench/run.ts'
import type { ScenarioSettings, ScenarioSpec } from '../../bench/scenario.ts'
import { scenarioOf, withinLoad, type Target } from '../../bench/targets.ts'
import { wholeVerdict } from '../../bench/verdict.ts'
import { exitCodes, messageOf, OrxError } from '../../core/errors.ts'
import { benchTable } from '../../ui/bench/benchTable.ts'
import { comparisonText } from '../../ui/bench/comparisonText.ts'
import { plainTable } from '../../ui/plainTable.ts'
import { command, type CommandContext, type CommandResult } from '../command.ts'
import { benchOptions } from './options.ts'
import { scenariosOf } from './generator.ts'
import { generate, limitsOf } from './generate.ts'
import { compare, history, keepBench } from './history.ts'
import { openOutputs, type Outputs } from './outputs.ts'
import { readBaseline, readTargets } from './files.ts'
import { openPlaces } from './places.ts'
import { makeSampler } from './sampler.ts'
import { selfTest } from './selfTest.ts'
import { openView } from './view.ts'
import { exitOfVerdict } from './verdictExit.ts'

function chosen(
  all: readonly ScenarioSpec[],
  names: readonly string[],
  targets: readonly Target[],
  ownTargets: boolean,
): readonly ScenarioSpec[] {
  const unknown = names.filter((name) => !all.some((scenario) => scenario.name === name))
  if (unknown.length > 0) {
    throw new OrxError('usage', `there is no scenario ${unknown.join(', ')}`, {
      hint: `There are ${all.map(({ name }) => name).join(', ')}; orx bench --list shows their targets.`,
    })
  }
  if (names.length > 0) return all.filter(({ name }) => names.includes(name))
  // A file of one's own says what is asked.
  return ownTargets ? all.filter(({ name }) => targets.some(({ scenario }) => scenarioOf(scenario) === name)) : all
}

function listText(scenarios: readonly ScenarioSpec[], targets: readonly Target[], context: CommandContext): string {
  const heads = [{ head: 'target' }, { head: 'scenario' }, { head: 'metric' }, { head: 'limit', align: 'right' }, { head: 'what' }] as const
  const cells = targets.map(({ id, scenario, metric, percentile, direction, limit, unit, description }) => [
    id,
    scenario,
    percentile === undefined ? metric : `${metric} P${percentile}`,
    `${direction === 'max' ? '<=' : '>='} ${limit} ${unit}`,
    description,
  ])
  return [...scenarios.map(({ name, summary }) => `${name}: ${summary}`), '', plainTable(heads, cells, context.out)].join('\n')
}

async function environmentOf({ io, version }: CommandContext, mongodb: string | null): Promise<Environment> {
  return {
    node: io.nodeVersion,
    platform: io.platform,
    arch: io.arch,
    cpus: io.samples.cpus,
    memoryMb: Math.round(io.samples.memoryBytes / 1_048_576),
    mongodb,
    orx: version,
    startedAt: new Date(io.runtime.clock.now()).toISOString(),
  }
}

/** Three minutes, less what reports and goodbyes take. */
const quickMs = 170_000

interface Measured {
  readonly scenarios: readonly ScenarioSpec[]
  readonly targets: readonly Target[]
  readonly settings: ScenarioSettings
  readonly scale: Parameters<typeof openPlaces>[1]['scale']
  readonly url: string | null
  readonly allowRemote: boolean
  readonly ui: 'auto' | 'live' | 'plain' | 'none'
  readonly fps: number
}

/** Starts what is measured, measures it, and stops it. */
async function measure(context: CommandContext, plan: Measured): Promise<BenchReport> {
  const { io, signal, out } = context
  const { scenarios, targets, settings } = plan
  const startedMs = io.runtime.clock.monotonicMs()
  const opened = await openPlaces(context, { ...plan, seed: settings.seed })
  const { database, places } = opened
  let generatorPid: number | null = null
  // Whether a process of its own is measured; else it is the generator's.
  let isServed = false
  const sampler = makeSampler(
    io,
    () => {
      const [own, generator] = [[io.pid, ...opened.pids], generatorPid === null ? [] : [generatorPid]]
      return { all: [...own, ...generator], measured: isServed ? opened.pids : generator }
    },
    database,
  )
  const view = await openView(context, { ui: plan.ui, fps: plan.fps })
  const emit = (event: BenchEvent): void => view.onEvent(event)
  try {
    const budgetMs = settings.quick ? quickMs - (io.runtime.clock.monotonicMs() - startedMs) : null
    const info = database === null ? null : String((await database.client.db('admin').command({ buildInfo: 1 }))['version'])
    const report = await runBench(
      { id: io.runtime.newId(), scenarios, targets, settings, environment: await environmentOf(context, info), budgetMs },
      {
        clock: io.runtime.clock,
        execute: (scenario, how, tell, stop) => {
          isServed = scenarios.some(({ name, needs }) => name === scenario && needs.service === true)
          const job = { scenario, settings: how, places, limits: limitsOf(targets) }
          return generate(io, job, { onPid: (pid) => (generatorPid = pid) }, tell, stop)
        },
        sampleResources: () => sampler.sample(),
      },
      emit,
      signal,
    )
    if (database !== null && !signal.aborted) {
      await keepBench(database, report, new Date(io.runtime.clock.now())).catch((error: unknown) => {
        context.warn(`the bench is not kept in the database: ${messageOf(error)}`)
      })
    }
    return report
  } finally {
    await view.close()
    sampler.stop()
    out.detail('stopping what was started')
    await opened.close()
  }
}

async function report(
  context: CommandContext,
  measured: BenchReport,
  baseline: BenchReport | null,
  name: string | null,
  outputs: Outputs,
): Promise<CommandResult> {
  const { out } = context
  const comparison = baseline === null || name === null ? null : compareWithBaseline(measured, baseline, name)
  const whole = comparison === null ? measured : withComparison(measured, comparison)
  for (const warning of comparison?.warnings ?? []) context.warn(warning)
  if (!out.json) {
    out.result(benchTable(whole, out))
    if (comparison !== null) out.result(comparisonText(comparison, out))
  }
  const problem = await outputs.write(whole)
  if (problem !== null) return { exitCode: problem.exitCode, data: whole, error: problem }
  return { exitCode: exitOfVerdict(whole.verdict), data: whole }
}

/** Runs this bench and another command in turn; the other one prints what `orx bench --json` prints. */
async function runDuet(context: CommandContext, plan: Measured, line: string, blocks: number): Promise<CommandResult> {
  const { io, out, signal } = context
  // A duet judges ratios; targets would make it look twice.
  const own = async (): Promise<BenchReport['scenarios']> => (await measure(context, { ...plan, targets: [] })).scenarios
  const other = async (): Promise<BenchReport['scenarios']> => {
    signal.throwIfAborted()
    out.note(`running ${line}`)
    const { stdout } = await io.shell(line, signal)
    try {
      const { data } = JSON.parse(stdout) as { readonly data: BenchReport }
      return data.scenarios
    } catch (cause) {
      throw new OrxError('failed', 'the other command did not print the JSON of a bench', {
        hint: 'For example: --duet "npx orx@1 bench cache --json"',
        cause,
      })
    }
  }
  const comparison = await duet(own, other, { blocks, seed: plan.settings.seed, name: line })
  for (const warning of comparison.warnings) context.warn(warning)
  if (!out.json) out.result(comparisonText(comparison, out))
  return { exitCode: exitOfVerdict(wholeVerdict(comparison.entries)), data: comparison }
}

export const bench = command({
  description:
    'Measures scenarios under load, judges them against stated targets by an exact test, and reports. 0: all targets hold; 99: one is missed; 98: a measurement is invalid; 97: too few samples to say.',
  arguments: [{ name: '[scenario...]', description: 'all of them unless some are named; --list shows them' }],
  examples: [
    'orx bench --list',
    'orx bench --quick',
    'orx bench http --rate 1000 --duration 30s',
    'orx bench http --url http://127.0.0.1:8080/ --targets mine.json --junit bench.xml',
    'orx bench cache queries --out now.json --baseline before.json',
    'orx bench cache --duration 2s --duet "npx orx@1 bench cache --duration 2s --json"',
    'orx bench --self-test',
  ],
  options: benchOptions,
  subcommands: { history, compare },
  run: async (context, names, values) => {
    const { out, signal } = context
    const all = scenariosOf(context)
    const targets = await readTargets(context, values.targets, all)
    const scenarios = chosen(all, names, targets, values.targets !== null)
    const chosenTargets = targets.filter(({ scenario }) => scenarios.some(({ name }) => name === scenarioOf(scenario)))
    // A file of one's own means what it says.
    const load =
      values.targets === null ? { ratePerSecond: values.rate, concurrency: values.concurrency } : { ratePerSecond: null, concurrency: null }
    const { asked, leftOut } = withinLoad(chosenTargets, load)
    if (leftOut.length > 0)
      context.warn(`left out, as they ask for more load than --rate or --concurrency give: ${leftOut.map(({ id }) => id).join(', ')}`)
    if (values.list) {
      if (!out.json) out.result(listText(scenarios, asked, context))
      return { exitCode: exitCodes.done, data: { scenarios: scenarios.map(({ name, summary }) => ({ name, summary })), targets: asked } }
    }
    if (values.selfTest) return selfTest(context, values.seed)
    const baseline = await readBaseline(context, values.baseline)
    const outputs = await openOutputs(context, values)
    const settings: ScenarioSettings = {
      seed: values.seed,
      durationMs: values.duration,
      warmupMs: values.warmup,
      ratePerSecond: values.rate,
      concurrency: values.concurrency,
      compareStrategies: values.compareStrategies,
      quick: values.quick,
      only: null,
    }
    const plan = { ...values, scenarios, targets: asked, settings }
    if (values.duet !== null) return runDuet(context, plan, values.duet, values.repeat)
    const measured = await measure(context, plan)
    if (signal.aborted && measured.scenarios.length === 0) throw signal.reason
    return report(context, measured, baseline, values.baseline, outputs)
  },
})
