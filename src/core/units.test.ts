import { expect, test } from 'vitest'
import { formatBytes, formatDuration, formatUsd, parseDuration } from './units.ts'

test.each([
  ['250ms', 250],
  ['30s', 30_000],
  ['2m', 120_000],
  ['1.5s', 1_500],
  ['1h', 3_600_000],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text, '--deadline')).toBe(ms)
})

test.each(['30', 's', '-1s', '1d', '', '1e3s', '999999h', 'NaNms'])('"%s" is no duration, and the error names the flag', (text) => {
  expect(() => parseDuration(text, '--deadline')).toThrow(/^--deadline: expected a duration/)
})

test('durations, money and sizes read like a person writes them', () => {
  expect([38.4, 4_230, 125_000, 3_599_600, 86_400_000].map(formatDuration)).toEqual(['38 ms', '4.2 s', '2 m 05 s', '1 h 00 m', '24 h 00 m'])
  expect([0, 1e-7, 0.000042, 0.0421, 12.5, null].map(formatUsd)).toEqual(['$0', '$0.00000010', '$0.000042', '$0.0421', '$12.50', 'unknown'])
  expect([12, 42_156, 140_783_984].map(formatBytes)).toEqual(['12 B', '42.2 kB', '140.8 MB'])
})
