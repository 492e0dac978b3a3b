// The harness against servers that know the truth. On a machine that is busy with something else nothing can be said: then it is skipped, aloud.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startOrx } from '../../binary.testkit.ts'

interface Check {
  readonly server: string
  readonly what: string
  readonly expected: string
  readonly measured: string
  readonly outcome: 'ok' | 'wrong' | 'late'
}

test('the self-test finds its own figures, counts and verdicts right', { timeout: 600_000 }, async ({ skip }) => {
  const folder = await mkdtemp(join(tmpdir(), 'orx-self-test-'))
  try {
    const { exitCode, stdout, stderr } = await startOrx(folder, ['bench', '--self-test', '--json']).ended
    const { data } = JSON.parse(stdout) as { readonly data: { readonly checks: readonly Check[] } }
    expect(data.checks.filter(({ outcome }) => outcome === 'wrong')).toEqual([])
    expect(new Set(data.checks.map(({ server }) => server))).toEqual(new Set(['known', 'stall', 'trickle', 'error', 'hang', 'refuse']))
    const late = data.checks.filter(({ outcome }) => outcome === 'late').length
    skip(late > 0, `the machine was too busy to measure ${late} of ${data.checks.length} figures`)
    expect([exitCode, stderr]).toEqual([0, expect.any(String)])
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
})
