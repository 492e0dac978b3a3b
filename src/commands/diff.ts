// `orx diff`: two recorded runs compared.
import { exitCodes, OrxError } from '../core/errors.ts'
import { resultOfThread } from '../database/record/readRun.ts'
import type { RunResult } from '../orchestration/events.ts'
import { plainTable } from '../ui/plainTable.ts'
import { differences, lineChanges } from '../ui/runDiff.ts'
import { sanitiseLine } from '../ui/sanitise.ts'
import { command } from './command.ts'
import { findRun, withDatabase } from './recordedRun.ts'

const marks = { same: '  ', removed: '- ', added: '+ ' } as const

export const diff = command({
  description: 'Compares two recorded runs: how they went, and their answers line by line.',
  arguments: [
    { name: '<a>', description: 'the id of a run' },
    { name: '<b>', description: 'the id of another' },
  ],
  examples: ['orx diff 6b057039e7c7d45f17fbed5a 6b05703ae7c7d45f17fbed60', 'orx diff first second --json | jq ".data.differences[].field"'],
  options: {},
  run: async (context, ids) => {
    const { out, signal } = context
    const [a, b] = await withDatabase(context, (database) =>
      Promise.all(
        ids.map(async (id): Promise<RunResult> => {
          const result = resultOfThread(await findRun(database, id, signal))
          if (result === null)
            throw new OrxError('failed', `run "${id}" has no result: it was cut off`, {
              hint: 'Compare runs that have ended; orx history tells which.',
            })
          return result
        }),
      ),
    )
    if (a === undefined || b === undefined) throw new OrxError('usage', 'expected two runs', { hint: 'orx diff A B' })
    const changed = differences(a, b)
    const answer = lineChanges(a.finalResponse ?? '', b.finalResponse ?? '')
    if (!out.json) {
      const heads = [{ head: 'differs' }, { head: a.id }, { head: b.id }]
      out.result(
        changed.length === 0
          ? 'the runs went alike'
          : plainTable(
              heads,
              changed.map((entry) => [entry.field, entry.a, entry.b]),
              out,
            ),
      )
      const isSame = answer.every(({ kind }) => kind === 'same')
      out.result(isSame ? '\nthe answers are the same' : '')
      for (const { kind, text } of isSame ? [] : answer) {
        const line = `${marks[kind]}${sanitiseLine(text)}`
        out.result(kind === 'same' ? line : out.styleResult(kind === 'added' ? 'green' : 'red', line))
      }
    }
    return { exitCode: exitCodes.done, data: { a: a.id, b: b.id, differences: changed, answer } }
  },
})
