import type { LookupAddress } from 'node:dns'
import { expect, test } from 'vitest'
import { fakeClock } from '../core/clock.testkit.ts'
import { keptLookup } from './agent.ts'

const addresses: LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

function lookups() {
  const clock = fakeClock()
  const asked: string[] = []
  const lookup = keptLookup(clock, 1_000, (hostname, _, callback) => {
    asked.push(hostname)
    if (hostname === 'nowhere') callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }), [])
    else callback(null, addresses)
  })
  const ask = (hostname: string, all = true): Promise<unknown> =>
    new Promise((resolve) => lookup(hostname, { all }, (error, found) => resolve(error?.code ?? found)))
  return { clock, asked, ask }
}

test('the addresses of a host are asked for once, until they are too old', async () => {
  const { clock, asked, ask } = lookups()
  expect([await ask('one'), await ask('one'), await ask('two')]).toEqual([addresses, addresses, addresses])
  expect(await ask('one', false)).toBe('127.0.0.1')
  expect(asked).toEqual(['one', 'two'])
  await clock.advance(1_000)
  await ask('one')
  expect(asked).toEqual(['one', 'two', 'one'])
})

test('a failure is not kept', async () => {
  const { asked, ask } = lookups()
  expect([await ask('nowhere'), await ask('nowhere')]).toEqual(['ENOTFOUND', 'ENOTFOUND'])
  expect(asked).toHaveLength(2)
})
