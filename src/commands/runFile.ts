// A file of prompts through the queue: each line ends as a result or as an error of its own, in order of completion.
import { createHash } from 'node:crypto'
import { exitCodes, OrxError } from '../core/errors.ts'
import type { Domain } from '../models/catalog.ts'
import type { RunSettings } from '../orchestration/events.ts'
import type { BrokenLine, PromptLine } from '../orchestration/prompt.ts'
import { closingLine, plainListener } from '../ui/runPlain.ts'
import { runTable, type RunRow } from '../ui/runTable.ts'
import { sanitiseLine } from '../ui/sanitise.ts'
import type { CommandContext, CommandResult } from './command.ts'
import { startLive } from './liveRun.ts'
import type { RunSystem } from './openRunSystem.ts'

interface FileOptions {
  readonly settings: RunSettings
  /** Whether a run that is not in the database has failed in part. */
  readonly expectsRecord: boolean
  readonly isSilent: boolean
  readonly isLive: boolean
}

/** One thread a line of a session, the same one each time: by it a resumed session finds what it has. */
export function threadOfLine(sessionId: string, line: number, prompt: string): string {
  return createHash('sha256')
    .update(JSON.stringify([sessionId, line, prompt]))
    .digest('hex')
    .slice(0, 24)
}

export async function runFile(
  context: CommandContext,
  system: RunSystem,
  lines: readonly (PromptLine | BrokenLine)[],
  { settings, expectsRecord, isSilent, isLive }: FileOptions,
): Promise<CommandResult> {
  const { out, signal } = context
  const live = isLive ? await startLive(context, system, lines.length) : null
  const rows: RunRow[] = []
  let failed = 0
  let unpersisted = 0
  const finish = (row: RunRow, document: unknown, note: string): void => {
    rows.push(row)
    live?.finished(row.id, note, row.problem !== null)
    // The problem of a broken line without an id names the line itself.
    const told = note.startsWith(`${row.id}: `) ? note : `${row.id}: ${note}`
    if (out.json) out.document(document)
    else if (!isSilent && live === null) out.note(`${rows.length} of ${lines.length} ${sanitiseLine(told)}`)
  }
  const one = async (entry: PromptLine | BrokenLine): Promise<void> => {
    const { line } = entry
    const id = entry.id ?? `line ${line}`
    try {
      if ('error' in entry) throw entry.error
      const listen = live?.listener(id) ?? (out.verbose && !out.json ? plainListener(out, `${sanitiseLine(id)}: `) : () => undefined)
      const order = {
        prompt: entry.prompt,
        id: entry.id,
        threadId: system.sessionId === null ? null : threadOfLine(system.sessionId, line, entry.prompt),
        domain: entry.domain as Domain | null,
        author: system.author,
        settings: { ...settings, priority: entry.priority ?? settings.priority },
      }
      const { result, persisted, error } = await system.run(order, listen, signal)
      if (result.finalResponse === null) failed += 1
      if (!persisted) unpersisted += 1
      const data = { ...result, line, persisted, ...(error === null ? {} : { error }) }
      finish({ id, line, result, problem: error?.message ?? null }, data, error?.message ?? closingLine(result))
    } catch (thrown) {
      // What never began because the command is ending is not an error of that line.
      if (signal.aborted || !(thrown instanceof OrxError)) throw thrown
      failed += 1
      const { code, message, hint } = thrown
      finish({ id, line, result: null, problem: message }, { line, id: entry.id, error: { code, message, hint } }, message)
    }
  }
  const settled = await Promise.allSettled(lines.map(one))
  await live?.end()
  const broken = settled.find((outcome) => outcome.status === 'rejected')
  if (broken !== undefined && (!signal.aborted || rows.length === 0)) throw broken.reason
  if (!out.json) out.result(runTable(rows, out))
  if (failed === lines.length) return { exitCode: exitCodes.failed, data: undefined }
  const isPartial = failed > 0 || (expectsRecord && unpersisted > 0)
  return { exitCode: isPartial ? exitCodes.partial : exitCodes.done, data: undefined }
}
