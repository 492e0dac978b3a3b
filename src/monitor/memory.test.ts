import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { alertText, watchMemory, type MemoryAlert } from './memory.ts'

const mb = 1_048_576

function watched(readings: readonly (number | Error)[]) {
  const clock = fakeClock()
  const alerts: MemoryAlert[] = []
  let asked = 0
  const monitor = watchMemory({
    clock,
    residentBytes: () => {
      const reading = readings[Math.min(asked, readings.length - 1)]
      asked += 1
      if (reading instanceof Error) throw reading
      return (reading ?? 0) * mb
    },
    onAlert: (alert) => alerts.push(alert),
  })
  return { clock, alerts, monitor, asked: () => asked }
}

test('asks every 30 s, and alerts once a crossing, not once a megabyte', async () => {
  const { clock, alerts, monitor, asked } = watched([900, 1_024, 1_100, 1_500, 1_000, 950, 1_100, 1_200, 800])
  await clock.advance(1)
  expect(asked()).toBe(1)
  await clock.advance(29_998)
  expect(asked()).toBe(1)
  await clock.advance(30_000 * 8)
  // 1,000 and 950 MB are below the limit, but not by the tenth that a new crossing needs.
  expect(alerts.map(({ kind, residentMb }) => [kind, residentMb])).toEqual([
    ['above', 1_024],
    ['below-again', 800],
  ])
  expect(alerts.map(alertText)[0]).toBe('memory is above 1024 MB: 1024 MB')
  expect(monitor.latest()).toEqual({ residentMb: 800, peakMb: 1_500, isAbove: false })
  monitor.stop()
  expect(clock.pending()).toBe(0)
})

test('leaves a probe that failed alone for a minute, and then goes on', async () => {
  const { clock, monitor, asked } = watched([new Error('no such file'), 10])
  await clock.advance(1)
  await clock.advance(59_000)
  expect([asked(), monitor.latest()]).toEqual([1, null])
  await clock.advance(2_000)
  expect([asked(), monitor.latest()?.residentMb]).toEqual([2, 10])
  monitor.stop()
})
