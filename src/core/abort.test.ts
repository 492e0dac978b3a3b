import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { makeAborter, whenAborted } from './abort.ts'

test('all who listen hear it once, those who left do not', () => {
  const controller = new AbortController()
  const heard: string[] = []
  whenAborted(controller.signal, () => heard.push('a'))
  const leave = whenAborted(controller.signal, () => heard.push('b'))
  whenAborted(controller.signal, () => heard.push('c'))
  leave()
  leave()
  controller.abort()
  controller.abort()
  expect(heard).toEqual(['a', 'c'])
})

test('a signal carries one native listener while anybody listens, and none after', () => {
  const controller = new AbortController()
  const added: string[] = []
  const { signal } = controller
  const native = { add: signal.addEventListener.bind(signal), remove: signal.removeEventListener.bind(signal) }
  signal.addEventListener = (type: string, listener: never) => {
    added.push('add')
    native.add(type, listener)
  }
  signal.removeEventListener = (type: string, listener: never) => {
    added.push('remove')
    native.remove(type, listener)
  }
  const leaves = Array.from({ length: 1_000 }, () => whenAborted(signal, () => undefined))
  for (const leave of leaves) leave()
  expect(added).toEqual(['add', 'remove'])
  let heard = 0
  whenAborted(signal, () => {
    heard += 1
  })
  controller.abort()
  expect(heard).toBe(1)
})

test('a listener that leaves while others are told is still safe, and one that comes after an emptying is told', () => {
  const controller = new AbortController()
  const heard: string[] = []
  const leaveB: { off: () => void } = { off: () => undefined }
  whenAborted(controller.signal, () => {
    heard.push('a')
    leaveB.off()
  })
  leaveB.off = whenAborted(controller.signal, () => heard.push('b'))
  controller.abort()
  expect(heard).toEqual(['a'])
})

test('a signal of our own tells its listeners and native ones, once, and carries no native listener of ours', () => {
  const { signal, abort } = makeAborter()
  const heard: unknown[] = []
  const leave = whenAborted(signal, () => heard.push('left'))
  whenAborted(signal, () => heard.push(signal.reason))
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  signal.addEventListener('abort', () => heard.push('native'))
  leave()
  abort('first')
  abort('second')
  expect([heard, signal.aborted, signal.reason]).toEqual([['native', 'first'], true, 'first'])
})

test('one that has been left by all is told of still, when somebody listens again', () => {
  const { signal, abort } = makeAborter()
  whenAborted(signal, () => undefined)()
  let heard = 0
  whenAborted(signal, () => {
    heard += 1
  })
  abort(new Error('enough'))
  expect(heard).toBe(1)
})
