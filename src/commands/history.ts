// `orx history`: the newest runs of this database.
import { MongoServerError, type Db } from 'mongodb'
import { exitCodes, OrxError } from '../core/errors.ts'
import { formatDuration, formatUsd } from '../core/units.ts'
import { runFind } from '../database/queryPath.ts'
import { queryPaths, type ThreadRow } from '../database/queryPaths.ts'
import { integer, onOff, words } from '../settings/option.ts'
import { plainTable } from '../ui/plainTable.ts'
import { command } from './command.ts'
import { withDatabase } from './recordedRun.ts'

const noTextIndex = 27

async function searchRuns(db: Db, reads: Db, found: string, limit: number, signal: AbortSignal): Promise<ThreadRow[]> {
  try {
    return await runFind(reads, queryPaths.runsWithWords, { words: found, limit }, signal)
  } catch (cause) {
    if (!(cause instanceof MongoServerError && cause.code === noTextIndex)) throw cause
    throw new OrxError('failed', `the database ${db.databaseName} has no index to search prompts by`, {
      hint: 'Make it: orx db:index apply --yes',
      cause,
    })
  }
}

const newestFirst = (rows: readonly ThreadRow[]): readonly ThreadRow[] =>
  rows.toSorted((a, b) => b.created_at.getTime() - a.created_at.getTime())

export const history = command({
  description:
    'Lists the newest runs of this database, with the ids that show, replay and diff take, and the sessions that --resume takes.',
  examples: [
    'orx history',
    'orx history --search "two-phase commit"',
    'orx history --unfinished',
    'orx history --limit 50 --json | jq ".data.runs[] | select(.stopReason == \\"cost\\")"',
  ],
  options: {
    limit: { flags: '--limit <n>', description: 'runs at most', parse: integer(1, 200), fallback: 20 },
    search: {
      flags: '--search <words>',
      description: 'only runs with one of these words in the prompt',
      parse: words,
      fallback: null as string | null,
    },
    unfinished: { flags: '--unfinished', description: 'only runs that were cut off, or are under way', parse: onOff, fallback: false },
  },
  run: async (context, _words, { limit, search, unfinished }) => {
    const rows = await withDatabase(context, async ({ db, reads }) => {
      if (search !== null) return newestFirst(await searchRuns(db, reads, search, limit, context.signal))
      return runFind(reads, unfinished ? queryPaths.unfinishedRuns : queryPaths.recentRuns, { limit }, context.signal)
    })
    const runs = rows.map((row) => ({
      id: row.run_id,
      sessionId: row.session_id.toHexString(),
      threadId: row._id.toHexString(),
      createdAt: row.created_at.toISOString(),
      status: row.thread_status,
      prompt: row.original_prompt,
      domain: row.domain,
      model: row.best_model_id,
      qualityScore: row.final_quality_score,
      stopReason: row.stop_reason,
      costUsd: row.total_cost,
      totalMs: row.total_time_ms,
      simulated: row.simulated,
    }))
    const { out } = context
    if (!out.json) {
      const heads = [
        { head: 'id' },
        { head: 'when' },
        { head: 'score', align: 'right' },
        { head: 'stopped' },
        { head: 'cost', align: 'right' },
        { head: 'time', align: 'right' },
        { head: 'prompt' },
      ] as const
      const cells = runs.map((run) => [
        run.id,
        run.createdAt.slice(0, 16).replace('T', ' '),
        run.qualityScore?.toFixed(1) ?? '-',
        run.stopReason ?? run.status,
        formatUsd(run.costUsd),
        formatDuration(run.totalMs),
        run.prompt.length > 40 ? `${run.prompt.slice(0, 39)}…` : run.prompt,
      ])
      out.result(runs.length === 0 ? 'no runs are recorded in this database yet' : plainTable(heads, cells, out))
    }
    return { exitCode: exitCodes.done, data: { runs } }
  },
})
