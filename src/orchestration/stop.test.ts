import { describe, expect, it } from 'vitest'
import { decideStop, isGain, type Standing } from './stop.ts'

const settings = { threshold: 8, patience: 1, iterations: 5 }
const second: Standing = { iteration: 2, score: 6.5, bestBefore: 6, withoutGain: 0, interrupted: null, costReached: false }

describe('a run', () => {
  it.each<[string, Partial<Standing>, Partial<typeof settings>, ReturnType<typeof decideStop>]>([
    ['goes on after a gain', {}, {}, null],
    ['goes on after a first answer that is not good enough', { iteration: 1, score: 3, bestBefore: null }, {}, null],
    ['stops at the threshold', { score: 8 }, {}, 'threshold'],
    ['does not stop just below the threshold', { score: 7.99 }, {}, null],
    ['stops at the deadline', { interrupted: 'deadline' }, {}, 'deadline'],
    ['stops when it may spend no more', { costReached: true }, {}, 'cost'],
    ['stops on a fall of more than 0.5', { score: 5.4, withoutGain: 1 }, {}, 'regression'],
    ['calls a fall of exactly 0.5 a plateau', { score: 7.4, bestBefore: 7.9, withoutGain: 1 }, {}, 'plateau'],
    ['stops on a gain under 0.2', { score: 6.1, withoutGain: 1 }, {}, 'plateau'],
    ['stops after its last iteration', { iteration: 5 }, {}, 'iterations'],
    ['stops after its only iteration', { iteration: 1, bestBefore: null }, { iterations: 1 }, 'iterations'],
    ['stops without a verdict', { score: null }, {}, 'unjudged'],
    ['lets patience minus one refinements pass', { score: 6, withoutGain: 1 }, { patience: 2 }, null],
    ['lets a fall pass as a refinement without gain', { score: 4, withoutGain: 1 }, { patience: 2 }, null],
    ['stops when patience is used up', { score: 6, withoutGain: 2 }, { patience: 2 }, 'plateau'],
    ['stops after its last iteration with patience left', { iteration: 5, score: 6, withoutGain: 1 }, { patience: 2 }, 'iterations'],
    ['puts the abort before the threshold', { interrupted: 'aborted', score: 9, costReached: true }, {}, 'aborted'],
    ['puts the threshold before the deadline', { interrupted: 'deadline', score: 9 }, {}, 'threshold'],
    ['puts the deadline before the cost', { interrupted: 'deadline', costReached: true }, {}, 'deadline'],
    ['puts the cost before the regression', { costReached: true, score: 4, withoutGain: 1 }, {}, 'cost'],
    ['puts the regression before the last iteration', { iteration: 5, score: 4, withoutGain: 1 }, {}, 'regression'],
    ['puts the plateau before the last iteration', { iteration: 5, score: 6, withoutGain: 1 }, {}, 'plateau'],
    ['puts the cost before a missing verdict', { score: null, costReached: true }, {}, 'cost'],
    ['puts the deadline before a missing verdict', { score: null, interrupted: 'deadline' }, {}, 'deadline'],
  ])('%s', (_name, standing, bounds, expected) => {
    expect(decideStop({ ...second, ...standing }, { ...settings, ...bounds })).toBe(expected)
  })
})

it('takes a gain of exactly 0.2 as one, whatever floating point makes of it', () => {
  expect(8.1 - 7.9).toBeLessThan(0.2)
  expect(isGain(8.1, 7.9)).toBe(true)
  expect(isGain(8.09, 7.9)).toBe(false)
  expect(isGain(1, null)).toBe(true)
})
