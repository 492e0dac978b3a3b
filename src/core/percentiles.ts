// Percentiles of an HDR histogram, many in one pass over its counts: a pass each would stop whoever is measured, or measures, for milliseconds.
// Source of the rule: HdrHistogram's getValueAtPercentile, which this agrees with.

/** What an hdr-histogram-js histogram tells of itself. */
export interface Counts {
  readonly totalCount: number
  readonly countsArrayLength: number
  getCountAtIndex(index: number): number
  valueFromIndex(index: number): number
  lowestEquivalentValue(value: number): number
  highestEquivalentValue(value: number): number
}

/** @param percents 0-100, ascending; a value for each, 0 without samples */
export function valuesAtPercentiles(counts: Counts, percents: readonly number[]): readonly number[] {
  const { totalCount, countsArrayLength } = counts
  if (totalCount === 0) return percents.map(() => 0)
  // The smallest whole count that reaches the share, however the product was rounded.
  const wanted = percents.map((percent) => Math.max(1, Math.ceil((Math.min(100, percent) / 100) * totalCount * (1 - Number.EPSILON))))
  const values: number[] = []
  let sum = 0
  for (let index = 0; index < countsArrayLength && values.length < wanted.length; index += 1) {
    sum += counts.getCountAtIndex(index)
    for (let next = wanted[values.length]; next !== undefined && sum >= next; next = wanted[values.length]) {
      const value = counts.valueFromIndex(index)
      values.push(percents[values.length] === 0 ? counts.lowestEquivalentValue(value) : counts.highestEquivalentValue(value))
    }
  }
  return values
}
