// `orx show`: one recorded run, as it was printed.
import { exitCodes, OrxError } from '../core/errors.ts'
import { resultOfThread } from '../database/record/readRun.ts'
import { formatDuration, formatUsd } from '../core/units.ts'
import { plainTable } from '../ui/plainTable.ts'
import { closingLine, printAnswer } from '../ui/runPlain.ts'
import { command } from './command.ts'
import { findRun, withDatabase } from './recordedRun.ts'

export const show = command({
  description: 'Shows a recorded run: its answer, its iterations, and what each request to a model came to.',
  arguments: [{ name: '<id>', description: 'of a run, as orx history and run --json name it' }],
  examples: ['orx show 6b057039e7c7d45f17fbed5a', 'orx show two-phase-commit --json | jq .data.attempts'],
  options: {},
  run: async (context, [id = '']) => {
    const { out, signal } = context
    const thread = await withDatabase(context, (database) => findRun(database, id, signal))
    const result = resultOfThread(thread)
    if (result === null) {
      throw new OrxError('failed', `run "${id}" has no result: it was cut off`, {
        hint: `Go on with it: orx run --resume ${thread.session_id.toHexString()} with the same prompt or file.`,
      })
    }
    if (!out.json) {
      printAnswer(out, result)
      const heads = [
        { head: 'role' },
        { head: 'model' },
        { head: 'outcome' },
        { head: 'tokens in', align: 'right' },
        { head: 'out', align: 'right' },
        { head: 'cost', align: 'right' },
        { head: 'time', align: 'right' },
      ] as const
      const cells = result.attempts.map(({ role, model, outcome, errorCode, inputTokens, outputTokens, costUsd, latencyMs }) => [
        role,
        model,
        errorCode === undefined ? outcome : `${outcome} (${errorCode})`,
        String(inputTokens),
        String(outputTokens),
        formatUsd(costUsd),
        formatDuration(latencyMs),
      ])
      out.note(`\n${plainTable(heads, cells, out)}\n${closingLine(result)}`)
    }
    return { exitCode: exitCodes.done, data: { ...result, persisted: true } }
  },
})
