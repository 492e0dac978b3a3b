import { expect, test } from 'vitest'
import { makeRedactor } from '../core/redact.ts'
import type { RunEvent } from '../orchestration/events.ts'
import { foldRun, initialRun, stepRun } from '../orchestration/fold.ts'
import { sampleRun } from '../database/record/sampleRun.testkit.ts'
import { makeOutput, type OutputOptions } from './output.ts'
import { runView } from './live/runView.ts'
import { differences } from './runDiff.ts'
import { closingLine, plainListener, printAnswer } from './runPlain.ts'
import { runTable } from './runTable.ts'
import { scoreWithSpread } from './score.ts'

function outputFor(more: Partial<OutputOptions> = {}) {
  const stdout: string[] = []
  const stderr: string[] = []
  const stream = (into: string[]) => ({ isTTY: false, columns: 80, write: (text: string) => into.push(text) })
  const out = makeOutput({
    stdout: stream(stdout),
    stderr: stream(stderr),
    json: false,
    quiet: false,
    verbose: false,
    color: 'auto',
    env: {},
    redact: makeRedactor(['sesame-open']),
    ...more,
  })
  return { out, stdout: () => stdout.join(''), stderr: () => stderr.join('') }
}

const events = sampleRun({ sessionId: 'a'.repeat(24), threadId: 'b'.repeat(24) })
const result = foldRun(events)

test('a run is told line by line on stderr, its answer alone on stdout', () => {
  const { out, stdout, stderr } = outputFor()
  const listen = plainListener(out, 'tides: ')
  for (const event of events) listen(event)
  printAnswer(out, result)
  const lines = stderr().trimEnd().split('\n')
  expect(lines.every((line) => line.startsWith('tides: '))).toBe(true)
  expect(lines.filter((line) => line.includes('iteration ')).length).toBe(result.iterationsUsed)
  expect(stdout()).toBe(`${result.finalResponse?.trimEnd() ?? ''}\n`)
  expect(closingLine(result)).toContain(`stopped (${result.stopReason})`)
})

test('--quiet silences what is told, not the answer; secrets are hidden everywhere', () => {
  const { out, stdout, stderr } = outputFor({ quiet: true })
  plainListener(out)(events[0] ?? expect.fail('no events'))
  out.note('told')
  out.result('the key is sesame-open, at mongodb://u:hunter22@h/x')
  out.complain('sesame-open is wrong')
  expect(stdout()).toBe('the key is ***, at mongodb://u:***@h/x\n')
  expect(stderr()).toBe('*** is wrong\n')
})

test('colour goes only where it was asked for, and never into JSON', () => {
  const styled = (more: Partial<OutputOptions>): string => outputFor(more).out.styleResult('red', 'x')
  expect(styled({})).toBe('x')
  expect(styled({ color: 'always' })).toBe('\u001b[31mx\u001b[39m')
  expect(styled({ color: 'always', json: true })).toBe('x')
  const terminal = { isTTY: true, columns: 80, write: () => true }
  expect(styled({ stdout: terminal })).toContain('\u001b')
  expect(styled({ stdout: terminal, env: { NO_COLOR: '1' } })).toBe('x')
  expect(styled({ stdout: terminal, env: { TERM: 'dumb' } })).toBe('x')
})

test('the table has a row a prompt in the order of the file, and the sums below', () => {
  const { out } = outputFor()
  const table = runTable(
    [
      { id: 'second', line: 2, result, problem: null },
      { id: 'broken\u001b[2J', line: 3, result: null, problem: 'expected JSON' },
      { id: 'first', line: 1, result, problem: null },
    ],
    out,
  )
  const lines = table.split('\n')
  expect(lines.slice(2, 5).map((line) => line.trim().split(/\s/)[0])).toEqual(['first', 'second', 'broken'])
  expect(table).toContain('2 of 3 prompts answered')
  expect(table).not.toContain('\u001b')
})

/** The sample run, with judges who differ by `apart` points and a comparison that the last answer won. */
function judgedApart(apart: number): readonly RunEvent[] {
  return events.flatMap((event): readonly RunEvent[] => {
    if (event.type !== 'iteration-finished' || event.score === null) return [event]
    const spread = { lowest: event.score - apart, highest: event.score }
    const { responseId } = event
    const votes = [
      { judge: 'xai/three', prefers: 'new', reason: null },
      { judge: 'openai/two', prefers: null, reason: 'it contradicted itself when the order was turned' },
    ] as const
    const compared: RunEvent = {
      type: 'answers-compared',
      atMs: event.atMs,
      iteration: event.iteration,
      bestResponseId: 'c'.repeat(24),
      responseId,
      votes,
      decidedBy: 'majority',
      keptResponseId: responseId,
    }
    return [compared, { ...event, spread }]
  })
}

test('a score is shown with its spread in the log, the table, the live view and the diff where judges are a point apart, and alone where not', () => {
  const shown = (apart: number) => {
    const told = judgedApart(apart)
    const folded = foldRun(told)
    const { out, stderr } = outputFor()
    const listen = plainListener(out)
    for (const event of told) listen(event)
    const view = runView(told.reduce(stepRun, initialRun), 0, closingLine, folded)
    const table = runTable([{ id: 'one', line: 1, result: folded, problem: null }], out)
    const diff = differences(result, folded).map(({ b }) => b)
    return { log: stderr(), table, live: view.iterations.map(({ score }) => score).join(), diff: diff.join(), view }
  }
  const score = result.qualityScore ?? expect.fail('no score')
  const text = `${score.toFixed(1)} (${(score - 2).toFixed(1)}-${score.toFixed(1)})`
  const far = shown(2)
  for (const where of [far.log, far.table, far.live, far.diff]) expect(where).toContain(text)
  const near = shown(0.5)
  for (const where of [near.log, near.table, near.live, near.diff]) expect(where).not.toContain(`${score.toFixed(1)} (`)
  expect(far.log).toContain(
    'compared in both orders: 1 for the new answer, 0 for the best so far, 1 abstained; the majority keeps the new answer',
  )
  expect(far.view.iterations.at(-1)?.judges).toContain('preferred to the best so far')
})

test('a score of a run from before there was a spread is shown as it is', () => {
  expect(scoreWithSpread(8, undefined)).toBe('8.0')
  expect(scoreWithSpread(null, { lowest: 1, highest: 9 })).toBe('-')
})
