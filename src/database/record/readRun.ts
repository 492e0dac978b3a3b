// A recorded run, read back: for showing it, for replaying it without a provider, for comparing two.
import { ObjectId, type Db } from 'mongodb'
import type { RunEvent, RunResult } from '../../orchestration/events.ts'
import type { ThreadDocument } from '../documents.ts'
import { runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'

/** The newest run of this id, or the thread of this id; null when there is none. */
export async function readThread(db: Db, id: string, signal: AbortSignal): Promise<ThreadDocument | null> {
  const [run] = await runFind(db, queryPaths.runById, { runId: id }, signal)
  if (run !== undefined) return run
  if (!/^[0-9a-f]{24}$/iu.test(id)) return null
  const [thread] = await runFind(db, queryPaths.threadById, { threadId: new ObjectId(id) }, signal)
  return thread ?? null
}

/** The events of a recorded run in their order, without the pieces of streamed text; null when its log has expired or grew past its bound. */
export async function readRunEvents(db: Db, thread: ThreadDocument, signal: AbortSignal): Promise<readonly RunEvent[] | null> {
  // A thread that was taken up again has a log for each time; the thread's end belongs to the last.
  const { _id: threadId } = thread
  const [newest] = await runFind(db, queryPaths.lastLogOfThread, { threadId }, signal)
  if (newest === undefined) return null
  const entries = await runFind(db, queryPaths.logOfThread, { threadId, started: newest.run_started }, signal)
  const events = entries.flatMap(({ details }) => (details === null ? [] : [details]))
  return events.length === entries.length && events.length === newest.seq + 1 ? events : null
}

/** A thread's result as the run printed it; null while it has none. */
export function resultOfThread(thread: Pick<ThreadDocument, 'result' | 'original_prompt' | 'final_response'>): RunResult | null {
  if (thread.result === null) return null
  return { ...thread.result, prompt: thread.original_prompt, finalResponse: thread.final_response }
}
