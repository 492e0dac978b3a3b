// `orx bench --self-test`: measures servers that know the truth, and says whether the figures, the counts and the verdicts are right.
import type { KnownKind } from '../../bench/knownServer.ts'
import type { Percentiles, SeriesReport, Verdict } from '../../bench/report.ts'
import { emptyRoundTripMs } from '../../bench/roundTrip.ts'
import type { ScenarioSettings } from '../../bench/scenario.ts'
import type { Target } from '../../bench/targets.ts'
import { judgeTargets, wholeVerdict } from '../../bench/verdict.ts'
import { exitCodes, OrxError } from '../../core/errors.ts'
import type { Child } from '../../io.ts'
import { plainTable } from '../../ui/plainTable.ts'
import type { CommandContext, CommandResult } from '../command.ts'
import { generate, limitsOf } from './generate.ts'
import { exitOfVerdict } from './verdictExit.ts'

interface Check {
  readonly server: string
  readonly what: string
  readonly expected: string
  readonly measured: string
  /** wrong: in every look. late: the machine was busy with something else, so that nothing can be said. */
  readonly outcome: 'ok' | 'wrong' | 'late'
}

interface Trial {
  readonly kind: KnownKind | 'refuse'
  readonly durationMs: number
  readonly perSecond: number
  /** P99 of the response below it, ms. */
  readonly limitMs: number
  readonly verdict: Verdict
  /** What every request fails with; null: none does. */
  readonly error: string | null
  /** Whether the server's own percentiles are the truth. */
  readonly isTold: boolean
  readonly leastMs: number
}

const warmupMs = 2_000
const trials: readonly Trial[] = [
  { kind: 'known', durationMs: 8_000, perSecond: 200, limitMs: 500, verdict: 'pass', error: null, isTold: true, leastMs: 0 },
  { kind: 'known', durationMs: 2_000, perSecond: 200, limitMs: 50, verdict: 'fail', error: null, isTold: false, leastMs: 0 },
  { kind: 'stall', durationMs: 9_000, perSecond: 200, limitMs: 500, verdict: 'fail', error: null, isTold: true, leastMs: 0 },
  { kind: 'trickle', durationMs: 2_000, perSecond: 100, limitMs: 250, verdict: 'fail', error: null, isTold: true, leastMs: 300 },
  { kind: 'error', durationMs: 2_000, perSecond: 200, limitMs: 1_000, verdict: 'fail', error: 'http 500', isTold: false, leastMs: 0 },
  { kind: 'hang', durationMs: 1_000, perSecond: 50, limitMs: 1_000, verdict: 'fail', error: 'timeout', isTold: false, leastMs: 0 },
  { kind: 'refuse', durationMs: 2_000, perSecond: 200, limitMs: 1_000, verdict: 'fail', error: 'ECONNREFUSED', isTold: false, leastMs: 0 },
]

/** What an open-loop generator reaches: 1 %, or a millisecond of network and timers. */
const leastErrorMs = 1
const mostErrorShare = 0.01
/** Where a round trip with nothing in it takes most of that millisecond, so many of them. */
const mostErrorTrips = 2
/** A generator that is later than this, sending or receiving, cannot know the truth to a millisecond. */
const mostLatenessMs = 2
/**
 * What is not right is measured again, so many times in all. A fault of the harness is there each time; a process that lost its processor for
 * some milliseconds, which neither the server nor the generator can see of itself, is not.
 */
const mostLooks = 5

export async function selfTest(context: CommandContext, seed: number): Promise<CommandResult> {
  const { out, signal } = context
  const checks: Check[] = []
  const tripMs = await roundTrip(context, seed)
  for (const [index, trial] of trials.entries()) {
    signal.throwIfAborted()
    out.note(`[${index + 1}/${trials.length}] a server that is ${trial.kind === 'known' ? 'known' : `made to ${trial.kind}`}`)
    let found = await runTrial(context, trial, seed, tripMs)
    for (let look = 1; look < mostLooks && found.some(({ outcome }) => outcome !== 'ok'); look += 1) {
      const doubtful = found
        .filter(({ outcome }) => outcome !== 'ok')
        .map(({ what, expected, measured }) => `${what} ${measured}, not ${expected}`)
      out.note(`${doubtful.join('; ')}: once more, to see whether it stays so`)
      const again = await runTrial(context, trial, seed, tripMs)
      found = found.map((check, place) => clearer(check, again[place] ?? check))
    }
    checks.push(...found)
  }
  const counted = (wanted: Check['outcome']): number => checks.filter(({ outcome }) => outcome === wanted).length
  if (!out.json) {
    const heads = [
      { head: 'server' },
      { head: 'what' },
      { head: 'expected', align: 'right' },
      { head: 'measured', align: 'right' },
      { head: '' },
    ] as const
    out.result(
      plainTable(
        heads,
        checks.map(({ server, what, expected, measured, outcome }) => [server, what, expected, measured, outcome]),
        out,
      ),
    )
    out.result(
      `${counted('ok')} of ${checks.length} figures are right, ${counted('wrong')} wrong, ${counted('late')} could not be measured\n` +
        `An empty round trip takes ${tripMs.toFixed(2)} ms here: latencies are right within ${errorMs(0, tripMs).toFixed(1)} ms, or 1 %.`,
    )
  }
  const data = { checks, roundTripMs: tripMs }
  if (counted('wrong') > 0) {
    const error = new OrxError('failed', `${counted('wrong')} of ${checks.length} figures of the self-test are wrong`, {
      hint: 'Measurements of this machine are not to be trusted; please report it with the output of orx bench --self-test --json.',
    })
    return { exitCode: error.exitCode, data, error }
  }
  if (counted('late') === 0) return { exitCode: exitCodes.done, data }
  context.warn('the machine is busy with something else: repeat the self-test when that is done')
  return { exitCode: exitCodes.invalid, data }
}

/** Of two looks at one figure: right where one look found it right, wrong where both did not and neither was late. */
function clearer(before: Check, after: Check): Check {
  const order: readonly Check['outcome'][] = ['ok', 'late', 'wrong']
  return order.indexOf(after.outcome) < order.indexOf(before.outcome) ? after : before
}

interface Told {
  readonly count: number
  readonly percentiles: Percentiles
}

function startKnown(io: CommandContext['io'], kind: KnownKind, seed: number): Child {
  return io.fork(['bench:known', '--kind', kind, '--seed', String(seed), '--warmup', `${warmupMs}ms`])
}

async function roundTrip({ io, signal }: CommandContext, seed: number): Promise<number> {
  const child = startKnown(io, 'prompt', seed)
  try {
    const { port } = (await child.ready) as { readonly port: number }
    return await emptyRoundTripMs(io.runtime.clock, `http://127.0.0.1:${port}`, signal)
  } finally {
    await child.stop()
  }
}

function errorMs(truthMs: number, tripMs: number): number {
  return Math.max(leastErrorMs, mostErrorShare * truthMs, mostErrorTrips * tripMs)
}

async function runTrial({ io, signal }: CommandContext, trial: Trial, seed: number, tripMs: number): Promise<readonly Check[]> {
  const { kind, durationMs, perSecond, limitMs } = trial
  const child = kind === 'refuse' ? null : startKnown(io, kind, seed)
  try {
    const up = (await child?.ready) as { readonly port: number } | undefined
    // The discard port: nothing listens there.
    const service = `http://127.0.0.1:${up?.port ?? 9}/`
    const settings: ScenarioSettings = {
      seed,
      durationMs,
      warmupMs,
      ratePerSecond: perSecond,
      concurrency: null,
      compareStrategies: false,
      quick: false,
      only: null,
    }
    const target: Target = {
      id: kind,
      source: 'self-test',
      description: kind,
      scenario: 'http',
      metric: 'response',
      percentile: 99,
      direction: 'max',
      limit: limitMs,
      unit: 'ms',
      model: 'open',
    }
    const places = { mongodb: null, service, isForeign: true, provider: null }
    const job = { scenario: 'http', settings, places, limits: limitsOf([target]) }
    const [series] = await generate(io, job, { onPid: () => undefined }, () => undefined, signal)
    if (series === undefined) throw new OrxError('internal', 'the self-test gave no measurement')
    const told =
      child === null
        ? null
        : await new Promise<Told>((resolve) => {
            child.onMessage((message) => resolve(message as Told))
            child.send({ type: 'tell' })
          })
    return checksOf(trial, series, told, target, tripMs)
  } finally {
    await child?.stop()
  }
}

function checksOf(
  { kind, perSecond, durationMs, limitMs, verdict, error, isTold, leastMs }: Trial,
  series: SeriesReport,
  told: Told | null,
  target: Target,
  tripMs: number,
): readonly Check[] {
  const isLate = series.lateness.p99 > mostLatenessMs || series.generator.lagP99Ms > mostLatenessMs
  const check = (what: string, expected: string, measured: string, ok: boolean, dependsOnTime: boolean): Check => ({
    server: kind,
    what,
    expected,
    measured,
    outcome: ok ? 'ok' : dependsOnTime && isLate ? 'late' : 'wrong',
  })
  const expectedCount = (perSecond * durationMs) / 1_000
  const checks = [check('requests', String(expectedCount), String(series.count), series.count === expectedCount, false)]
  const wrong = error === null ? 0 : series.count
  checks.push(
    check(
      'errors',
      String(wrong),
      `${series.errors}${Object.keys(series.errorsByKind).length === 0 ? '' : ` ${Object.keys(series.errorsByKind).join(', ')}`}`,
      series.errors === wrong && (error === null || series.errorsByKind[error] === wrong),
      false,
    ),
  )
  if (isTold && told !== null) {
    for (const percentile of ['p50', 'p95', 'p99'] as const) {
      const truth = told.percentiles[percentile]
      const seen = series.response[percentile]
      checks.push(
        check(
          percentile.toUpperCase(),
          `${truth.toFixed(1)} ms`,
          `${seen.toFixed(1)} ms`,
          Math.abs(seen - truth) <= errorMs(truth, tripMs),
          true,
        ),
      )
    }
  }
  if (leastMs > 0)
    checks.push(
      check('P50 at least', `${leastMs} ms`, `${series.response.p50.toFixed(1)} ms`, series.response.p50 >= leastMs - leastErrorMs, false),
    )
  const [judged] = judgeTargets([target], [series], [])
  const whole = wholeVerdict(judged === undefined ? [] : [judged])
  checks.push(
    check(
      `P99 <= ${limitMs} ms`,
      `${verdict}, exit ${exitOfVerdict(verdict)}`,
      `${whole}, exit ${exitOfVerdict(whole)}`,
      whole === verdict,
      true,
    ),
  )
  return checks
}
