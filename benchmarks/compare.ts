// How the micro-benchmarks are taken and told: rounds of all cases interleaved, medians with their least and greatest, ratios to a floor.
import { Bench } from 'tinybench'

export type Case = readonly [name: string, run: () => unknown]

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** `median (least-greatest)`. */
export const spread = (values: readonly number[], digits = 1): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)})`

/** Processor time of the whole process, its garbage collector included, ms: what neighbours on the machine do hardly shows in it. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/**
 * Times the cases of one group by processor time, all of them in each round, the best of some runs; the first case is the floor. `operations` is
 * what one run does.
 * Returns the lines of a table.
 */
export async function compare(
  operations: number,
  cases: readonly Case[],
  { rounds = 7, iterations = 5 }: { readonly rounds?: number; readonly iterations?: number } = {},
): Promise<readonly string[]> {
  const perOperationNs = new Map<string, number[]>()
  const ratios = new Map<string, number[]>()
  for (let round = 0; round < rounds; round += 1) {
    const bench = new Bench({ time: 0, iterations, warmup: round === 0, warmupTime: 0, warmupIterations: 1, now: cpuMs })
    for (const [name, run] of cases) bench.add(name, run)
    const tasks = await bench.run()
    const ns = tasks.map(({ name, result }): readonly [string, number] => {
      if (result.state !== 'completed') throw new Error(`${name} did not complete`)
      return [name, (result.latency.min * 1e6) / operations]
    })
    const floor = ns[0]?.[1] ?? Number.NaN
    for (const [name, value] of ns) {
      perOperationNs.set(name, [...(perOperationNs.get(name) ?? []), value])
      ratios.set(name, [...(ratios.get(name) ?? []), value / floor])
    }
  }
  const rows = cases.map(([name]) => `| ${name} | ${spread(perOperationNs.get(name) ?? [], 0)} | ${spread(ratios.get(name) ?? [])} |`)
  return ['| | ns an operation | x floor |', '|---|---|---|', ...rows]
}
