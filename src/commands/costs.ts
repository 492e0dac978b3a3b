// `orx costs`: what each model cost, from the daily figures.
import { exitCodes } from '../core/errors.ts'
import { formatDuration, formatUsd } from '../core/units.ts'
import { runAggregate } from '../database/queryPath.ts'
import { queryPaths } from '../database/queryPaths.ts'
import { integer, onOff } from '../settings/option.ts'
import { plainTable } from '../ui/plainTable.ts'
import { command } from './command.ts'
import { withDatabase } from './recordedRun.ts'

const dayMs = 86_400_000

export const costs = command({
  description: 'Shows what each model cost over all sessions, the dearest first, from figures that are kept by day (UTC).',
  examples: ['orx costs', 'orx costs --days 7 --json | jq ".data.models[0]"'],
  options: {
    days: { flags: '--days <n>', description: 'up to now', parse: integer(1, 3_650), fallback: 30 },
    simulate: { flags: '--simulate', description: 'the simulated models instead', parse: onOff, fallback: false },
  },
  run: async (context, _words, { days, simulate }) => {
    const { out, io, signal } = context
    const today = Math.floor(io.runtime.clock.now() / dayMs) * dayMs
    const since = new Date(today - (days - 1) * dayMs)
    const rows = await withDatabase(context, ({ reads }) =>
      runAggregate(reads, queryPaths.analyticsByDay, { since, simulated: simulate }, signal),
    )
    const models = rows.map((row) => ({
      model: row._id,
      totalCostUsd: row.total_cost,
      totalTokens: row.total_tokens,
      avgResponseTimeMs: row.avg_response_time,
      count: row.count,
    }))
    if (!out.json) {
      const heads = [
        { head: 'model' },
        { head: 'cost', align: 'right' },
        { head: 'tokens', align: 'right' },
        { head: 'calls', align: 'right' },
        { head: 'mean time', align: 'right' },
      ] as const
      const cells = models.map(({ model, totalCostUsd, totalTokens, count, avgResponseTimeMs }) => [
        model,
        formatUsd(totalCostUsd),
        String(totalTokens),
        String(count),
        formatDuration(avgResponseTimeMs),
      ])
      out.result(models.length === 0 ? `no calls are recorded since ${since.toISOString().slice(0, 10)}` : plainTable(heads, cells, out))
    }
    return { exitCode: exitCodes.done, data: { since: since.toISOString(), simulated: simulate, models } }
  },
})
