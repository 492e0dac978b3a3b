// `orx replay`: the events of a recorded run once more, without a provider and without a key.
import { exitCodes, OrxError } from '../core/errors.ts'
import { sleep } from '../core/runtime.ts'
import { readRunEvents } from '../database/record/readRun.ts'
import { foldRun } from '../orchestration/fold.ts'
import { decimal } from '../settings/option.ts'
import { closingLine, plainListener, printAnswer } from '../ui/runPlain.ts'
import { command } from './command.ts'
import { findRun, withDatabase } from './recordedRun.ts'

export const replay = command({
  description: 'Tells a recorded run again from its events: no provider is asked, no key is needed, nothing is written.',
  arguments: [{ name: '<id>', description: 'of a run, as orx history and run --json name it' }],
  examples: [
    'orx replay 6b057039e7c7d45f17fbed5a',
    'orx replay two-phase-commit --speed 1',
    'orx replay two-phase-commit --json | jq ".data.events[].type"',
  ],
  options: {
    speed: {
      flags: '--speed <factor>',
      description: 'of the original pace: 1 as it was, 0 at once',
      parse: decimal(0, 1_000),
      fallback: 0,
    },
  },
  run: async (context, [id = ''], { speed }) => {
    const { io, out, signal } = context
    const events = await withDatabase(context, async (database) => readRunEvents(database.db, await findRun(database, id, signal), signal))
    if (events === null) {
      throw new OrxError('not_found', `the events of run "${id}" are not whole: it was cut off, or its log has expired`, {
        hint: `orx show ${id} tells what is left of it.`,
      })
    }
    const result = foldRun(events)
    if (!out.json) {
      const listen = plainListener(out)
      let lastMs = events[0]?.atMs ?? 0
      for (const event of events) {
        if (speed > 0) await sleep(io.runtime.clock, Math.max(0, event.atMs - lastMs) / speed, signal)
        lastMs = event.atMs
        listen(event)
      }
      printAnswer(out, result)
      out.note(closingLine(result))
    }
    return { exitCode: exitCodes.done, data: { ...result, persisted: true, events } }
  },
})
