import { expect, test } from 'vitest'
import { initialControls, keysOfText, pressKey, type Controls, type OnScreen } from './benchKeys.ts'

const onScreen: OnScreen = { series: ['cache', 'cache:stampede', 'limiter'], followed: 'limiter', targets: 20, firstTarget: 4 }
const press = (text: string, from: Controls = initialControls, screen = onScreen): Controls =>
  keysOfText(text).reduce((controls, key) => pressKey(controls, key, screen), from)

test.each([
  ['f', { isFrozen: true }],
  ['F', { isFrozen: true }],
  [' ', { isFrozen: true }],
  ['ff', { isFrozen: false }],
  ['?', { hasHelp: true }],
  ['?\u001b', { hasHelp: false }],
  ['n', { shown: 'cache' }],
  ['p', { shown: 'cache:stampede' }],
  ['pp', { shown: 'cache' }],
  ['p\u001b', { shown: null }],
  ['s', { sort: 'margin' }],
  ['ssss', { sort: 'scenario' }],
  ['j', { firstTarget: 5 }],
  ['k', { firstTarget: 3 }],
  ['q', { stops: 1 }],
  ['qq', { stops: 1 }],
  ['\u0003', { stops: 1 }],
  ['q\u0003', { stops: 2 }],
  ['\u0003\u0003', { stops: 2 }],
  ['xyz1 é', { isFrozen: true }],
])('%j changes %j', (text, changed) => {
  expect(press(text)).toEqual({ ...initialControls, ...changed })
})

test('nothing to switch to is no fault, and scrolling stays among the targets', () => {
  const nothing: OnScreen = { series: [], followed: null, targets: 0, firstTarget: 0 }
  expect(press('np', initialControls, nothing).shown).toBeNull()
  expect(press('jk', initialControls, nothing).firstTarget).toBe(0)
  expect(press('j', initialControls, { ...onScreen, firstTarget: 19 }).firstTarget).toBe(19)
})
