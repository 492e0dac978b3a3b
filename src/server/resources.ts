// Documents as the service tells them: camelCase, ids in hex, times in ISO 8601. Pure.
import type { SessionDocument } from '../database/documents.ts'
import type { AnalyticsRow, SessionRow, ThreadListRow } from '../database/queryPaths.ts'
import type { Cursor, PageOf } from './store.ts'

export const sessionResource = (session: SessionDocument): object => ({
  id: session._id.toHexString(),
  userId: session.user_id,
  status: session.status,
  sessionStart: session.session_start.toISOString(),
  sessionEnd: session.session_end?.toISOString() ?? null,
  maxIterations: session.max_iterations,
  totalCost: session.total_cost,
  settings: session.settings,
  createdAt: session.created_at.toISOString(),
  updatedAt: session.updated_at.toISOString(),
})

/** The three fields that the documented query reads. */
export const sessionRowResource = ({ _id, session_start, status, total_cost }: SessionRow): object => ({
  id: _id.toHexString(),
  sessionStart: session_start.toISOString(),
  status,
  totalCost: total_cost,
})

export const threadResource = (thread: ThreadListRow): object => ({
  id: thread._id.toHexString(),
  sessionId: thread.session_id.toHexString(),
  prompt: thread.original_prompt,
  domain: thread.domain,
  complexity: thread.complexity_level,
  language: thread.language,
  status: thread.thread_status,
  currentIteration: thread.current_iteration,
  model: thread.best_model_id,
  finalResponse: thread.final_response,
  qualityScore: thread.final_quality_score,
  stopReason: thread.stop_reason,
  totalTokens: thread.total_tokens_used,
  totalCost: thread.total_cost,
  totalTimeMs: thread.total_time_ms,
  createdAt: thread.created_at.toISOString(),
  completedAt: thread.completed_at?.toISOString() ?? null,
})

export const analyticsResource = ({ _id, total_tokens, total_cost, avg_response_time, count }: AnalyticsRow): object => ({
  model: _id,
  totalTokens: total_tokens,
  totalCost: total_cost,
  avgResponseTimeMs: avg_response_time,
  count,
})

export function listResource<Row>({ rows, next }: PageOf<Row>, resource: (row: Row) => object): object {
  return { items: rows.map(resource), next: next === null ? null : writeCursor(next) }
}

function writeCursor({ beforeMs, except }: Cursor): string {
  return Buffer.from(JSON.stringify([beforeMs, ...except])).toString('base64url')
}

/** Null for what is no cursor of ours. */
export function readCursor(text: string): Cursor | null {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    if (!Array.isArray(parts)) return null
    const [beforeMs, ...except] = parts as readonly unknown[]
    const ids = except.filter((id): id is string => typeof id === 'string' && /^[0-9a-f]{24}$/.test(id))
    return Number.isSafeInteger(beforeMs) && ids.length === except.length ? { beforeMs: beforeMs as number, except: ids } : null
  } catch {
    return null
  }
}
