import { EventEmitter } from 'node:events'
import { createElement } from 'react'
import { expect, test, vi } from 'vitest'
import { fakeClock } from '../../core/clock.testkit.ts'
import { BenchPanel } from './BenchPanel.tsx'
import { mountPanel, type Terminal } from './mount.tsx'
import { makeReadyLines } from './readyLines.ts'

// Ink draws less where CI is set; what is tested here is what a person's terminal gets.
vi.hoisted(() => {
  process.env['CI'] = '0'
  process.env['CONTINUOUS_INTEGRATION'] = '0'
})

function fakeTerminal(columns: number, rows: number) {
  const written: string[] = []
  const terminal = Object.assign(new EventEmitter(), {
    columns,
    rows,
    isTTY: true,
    writable: true,
    write: (text: string, done?: unknown) => {
      written.push(text)
      if (typeof done === 'function') (done as () => void)()
      return true
    },
  })
  return { terminal: terminal as unknown as Terminal & { columns: number; rows: number }, all: () => written.join('') }
}

function mounted(columns: number, rows: number) {
  const clock = fakeClock()
  const { terminal, all } = fakeTerminal(columns, rows)
  const ready = makeReadyLines()
  let frame = 0
  let node = createElement(BenchPanel, { marks: '', onTyped: null })
  let count = 0
  const live = mountPanel(
    { terminal, keyboard: null, color: false, clock, frameMs: 250, idleMs: 1_000, ownScreen: true, ready },
    (screen) => {
      count += 1
      const lines = Array.from({ length: screen.rows - 1 }, (_, index) => `frame ${frame} line ${index}`.slice(0, screen.columns))
      node = createElement(BenchPanel, { marks: ready.marksOf(lines), onTyped: null })
      return node
    },
  )
  return { clock, terminal, all, live, next: () => (frame += 1), drawn: () => count }
}

test('lines take the place of their marks, on a screen of its own that is left at the end', async () => {
  const { all, live, next } = mounted(40, 10)
  expect(all()).toContain('\u001b[?1049h')
  expect(all()).toContain('frame 0 line 0')
  expect(all()).toContain('frame 0 line 8')
  next()
  await live.end()
  expect(all()).toContain('frame 1 line 8')
  expect(all()).not.toMatch(/[\ue000-\uf8ff]/)
  // Nothing but the cursor comes after it.
  expect(all().split('\u001b[?1049l').at(-1)).toBe('\u001b[?25h')
})

test('a screen that loses rows is drawn anew, and its scrollback is never cleared', async () => {
  const { all, live, terminal, clock } = mounted(120, 40)
  for (const [columns, rows] of [
    [120, 12],
    [20, 5],
    [200, 60],
  ] as const) {
    Object.assign(terminal, { columns, rows })
    terminal.emit('resize')
    await clock.advance(100)
    expect(all().split('\u001b[2J').at(-1)).toContain('line 0')
  }
  await live.end()
  expect(all()).not.toContain('\u001b[3J')
  expect(all().split('\u001b[?1049l')).toHaveLength(2)
})

test('however often something changes, frames are bounded; without change there is one a second', async () => {
  const { live, clock, drawn } = mounted(40, 10)
  const before = drawn()
  for (let index = 0; index < 400; index += 1) {
    live.update()
    await clock.advance(10)
  }
  expect(drawn() - before).toBeLessThanOrEqual(17)
  expect(drawn() - before).toBeGreaterThanOrEqual(14)
  const busy = drawn()
  await clock.advance(10_000)
  expect(drawn() - busy).toBeLessThanOrEqual(12)
  await live.end()
  expect(clock.pending()).toBe(0)
})
