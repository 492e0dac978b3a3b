// A series over time in bounded memory. Invariant: it always spans the whole measurement; when it is full, neighbours become one.
import type { Interval } from '../../bench/report.ts'

export interface History {
  readonly points: readonly Interval[]
  /** What one point spans at least, once it is whole. */
  readonly stepMs: number
}

export const mostPoints = 240

export const emptyHistory: History = { points: [], stepMs: 0 }

export function remember({ points, stepMs }: History, interval: Interval): History {
  const last = points.at(-1)
  if (last !== undefined && last.durationMs + interval.durationMs <= stepMs)
    return { points: [...points.slice(0, -1), join(last, interval)], stepMs }
  const more = [...points, interval]
  if (more.length <= mostPoints) return { points: more, stepMs }
  const halved: Interval[] = []
  for (let index = 0; index < more.length; index += 2) {
    const [first, second] = [more[index], more[index + 1]]
    if (first !== undefined) halved.push(second === undefined ? first : join(first, second))
  }
  return { points: halved, stepMs: Math.max(...halved.map(({ durationMs }) => durationMs)) }
}

/** For the eye: the middle is weighted, the tail is the worse of both. */
function join(first: Interval, second: Interval): Interval {
  const count = first.count + second.count
  return {
    atMs: first.atMs,
    durationMs: first.durationMs + second.durationMs,
    offered: first.offered + second.offered,
    count,
    errors: first.errors + second.errors,
    p50: count === 0 ? 0 : (first.p50 * first.count + second.p50 * second.count) / count,
    p95: Math.max(first.p95, second.p95),
    p99: Math.max(first.p99, second.p99),
    max: Math.max(first.max, second.max),
  }
}
