import { expect, test } from 'vitest'
import type { BenchReport } from '../../bench/report.ts'
import { benchHtml } from './benchHtml.ts'
import { finished, interval, target } from './benchView.testkit.ts'

const intervals = Array.from({ length: 40 }, (_, index) => {
  const event = interval('http', index)
  if (event.type !== 'interval') throw new TypeError('an interval')
  return event.interval
})

const report: BenchReport = {
  id: 'a-bench',
  environment: {
    node: 'v20',
    platform: 'linux',
    arch: 'x64',
    cpus: 2,
    memoryMb: 8_000,
    mongodb: null,
    orx: '0.1.0',
    startedAt: '2026-01-01T00:00:00.000Z',
  },
  seed: 1,
  scenarios: [
    { ...finished('http'), intervals, errors: 2, errorsByKind: { '<timeout>': 2 }, invalid: ['the generator was "late"'] },
    { ...finished('queue'), count: 0, intervals: [] },
  ],
  targets: [
    { ...target('fast<script>', 'http', { limit: 20 }), measured: 9, verdict: 'pass' },
    { ...target('far', 'http', { limit: 30_000 }), measured: 9, verdict: 'pass' },
    target('unmeasured', 'queue'),
  ],
  resources: { rssPeakMb: 300, cpuMeanPercent: 40, dbConnectionsPeak: 4, samples: [] },
  comparison: {
    with: 'before & after.json',
    warnings: ['another machine'],
    entries: [{ series: 'http', metric: 'P99', ratio: 1.5, low: 1.2, high: 1.8, tolerance: 1.1, verdict: 'fail' }],
  },
  verdict: 'fail',
}

const curve = [0, 50, 90, 99, 99.9, 100].map((percent, index) => [percent, 1 + 3 ** index] as const)
const html = benchHtml(report, ({ count }) => (count === 0 ? [] : curve))

test('the page needs nothing but itself, and every text in it is escaped', () => {
  expect(html).not.toMatch(/<script|https?:|src=|@import|url\(|NaN|undefined|Infinity/)
  for (const text of ['fast&lt;script&gt;', '&lt;timeout&gt; 2', 'the generator was &quot;late&quot;', 'before &amp; after.json'])
    expect(html).toContain(text)
})

test('a series that was measured has three charts, one without samples has none', () => {
  expect(html.match(/<figure>/g)).toHaveLength(3)
  for (const word of ['Latency over time, ms', 'Response by percentile, ms', 'Throughput', 'P99.9']) expect(html).toContain(word)
})

test('a limit is drawn where it is within sight, and only there', () => {
  expect(html.match(/class="tick limit-text"/g)).toHaveLength(2)
  expect(html).toContain('fast&lt;script&gt; &lt;= 20 ms</text>')
  expect(html).not.toContain('far &lt;= 30,000 ms</text>')
})

test('the comparison is part of it', () => {
  expect(html).toMatch(/1\.50<\/td>.*1\.20-1\.80/)
  expect(html).toContain('another machine')
})
