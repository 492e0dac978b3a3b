import fc from 'fast-check'
import { Int32Histogram } from 'hdr-histogram-js'
import { expect, test } from 'vitest'
import { valuesAtPercentiles } from './percentiles.ts'

const percents = [0, 10, 50, 75, 90, 95, 99, 99.9, 99.99, 100]

test('one pass finds what HdrHistogram finds in a pass each', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60_000_000 }), { maxLength: 400, size: 'max' }), (values) => {
      const histogram = new Int32Histogram(1, 60_000_000, 3)
      for (const value of values) histogram.recordValue(value)
      const wanted = percents.map((percent) => (values.length === 0 ? 0 : histogram.getValueAtPercentile(percent)))
      expect(valuesAtPercentiles(histogram, percents)).toEqual(wanted)
    }),
  )
})
