// Targets as data: what is to hold, where that is said, and how it is measured. Invariant: every problem of a file is told at once.
import { z } from 'zod'
import { OrxError } from '../core/errors.ts'

const target = z
  .object({
    id: z.string().min(1),
    source: z.string().min(1),
    description: z.string().min(1),
    scenario: z.string().min(1),
    metric: z.string().min(1),
    percentile: z.union([z.literal(50), z.literal(95), z.literal(99)]).optional(),
    direction: z.enum(['max', 'min']),
    limit: z.number(),
    unit: z.string().min(1),
    model: z.enum(['open', 'closed']).optional(),
  })
  .strict()

const file = z.object({ schemaVersion: z.literal(1), targets: z.array(target).min(1) }).strict()

export interface Target {
  readonly id: string
  readonly source: string
  readonly description: string
  /** A series: the scenario, or `scenario:part`. */
  readonly scenario: string
  /** response, service, achievedPerSecond, errorRatePercent, rssPeakMb, cpuMeanPercent, dbConnectionsPeak, or a figure of the scenario. */
  readonly metric: string
  readonly percentile?: 50 | 95 | 99
  readonly direction: 'max' | 'min'
  readonly limit: number
  readonly unit: string
  readonly model?: 'open' | 'closed'
}

/** The scenario of a series. */
export function scenarioOf(series: string): string {
  return series.split(':')[0] ?? series
}

/** Throws `settings` with every problem of the text. */
export function parseTargets(text: string, where: string, scenarios: readonly string[]): readonly Target[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw unusable(where, [`it is no JSON: ${(cause as Error).message}`])
  }
  const parsed = file.safeParse(json)
  if (!parsed.success) {
    throw unusable(
      where,
      parsed.error.issues.map(({ path, message }) => {
        const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
        return `${place.replace(/^\./, '') || 'the file'}: ${message}`
      }),
    )
  }
  const targets = parsed.data.targets as readonly Target[]
  const problems = targets.flatMap(({ id, scenario, percentile, metric, direction }, index) => {
    const found: string[] = []
    const first = targets.findIndex((other) => other.id === id)
    if (first !== index) found.push(`targets[${index}]: the id "${id}" stands in targets[${first}] already`)
    if (!scenarios.includes(scenarioOf(scenario)))
      found.push(`targets[${index}].scenario: there is no scenario "${scenario}"; there are ${scenarios.join(', ')}`)
    const isLatency = metric === 'response' || metric === 'service'
    if (isLatency && percentile === undefined) found.push(`targets[${index}].percentile: a latency needs one of 50, 95, 99`)
    if (!isLatency && percentile !== undefined) found.push(`targets[${index}].percentile: ${metric} is no latency`)
    if (isLatency && direction === 'min') found.push(`targets[${index}].direction: a latency is kept below its limit (max)`)
    return found
  })
  if (problems.length > 0) throw unusable(where, problems)
  return targets
}

/** Figures that cannot be more than what is asked for on the command line. */
const boundedBy: Readonly<Record<string, 'ratePerSecond' | 'concurrency'>> = {
  achievedPerSecond: 'ratePerSecond',
  concurrentSessions: 'concurrency',
  mostAtOnce: 'concurrency',
}

/** Without those that a smaller load than theirs could never reach: they are not missed, they are not asked. */
export function withinLoad(
  targets: readonly Target[],
  load: { readonly ratePerSecond: number | null; readonly concurrency: number | null },
): { readonly asked: readonly Target[]; readonly leftOut: readonly Target[] } {
  const isOut = ({ metric, direction, limit }: Target): boolean => {
    const bound = boundedBy[metric]
    const offered = bound === undefined ? null : load[bound]
    return direction === 'min' && offered !== null && offered < limit
  }
  return { asked: targets.filter((target) => !isOut(target)), leftOut: targets.filter(isOut) }
}

function unusable(where: string, problems: readonly string[]): OrxError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return new OrxError('settings', `${where} has ${count}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, {
    hint: 'See fixtures/targets.json for how a target is written; orx bench --list names the scenarios.',
  })
}
