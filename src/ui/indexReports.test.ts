import { expect, test } from 'vitest'
import type { Verification } from '../database/indexes/proof.ts'
import { verificationJunit, verificationMarkdown } from './indexReports.ts'

const verification: Verification = {
  database: 'shop',
  indexes: [
    { collection: 'orders', name: 'a_1', state: 'ready' },
    { collection: 'orders', name: 'b|1', state: 'missing' },
  ],
  paths: [],
  notChecked: ['the indexes of users: this user may not list the indexes of users'],
  ok: false,
}

test('a report names each index that is not as it should be, and what was not checked is no success', () => {
  expect(verificationMarkdown(verification)).toContain(
    '- missing: index orders.b\\|1\n- not checked: the indexes of users: this user may not list the indexes of users\n',
  )
  const junit = verificationJunit(verification)
  expect(junit).toContain('<testsuites tests="3" failures="1" errors="0" skipped="1">')
  expect(junit).toContain('name="orders.b|1"><failure message="missing"/>')
})
