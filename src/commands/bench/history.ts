// Benches of earlier days: `orx bench history` lists them, `orx bench compare A B` sets two side by side.
import { ObjectId } from 'mongodb'
import { compareWithBaseline } from '../../bench/compare.ts'
import type { BenchReport } from '../../bench/report.ts'
import { wholeVerdict } from '../../bench/verdict.ts'
import { exitCodes, OrxError } from '../../core/errors.ts'
import { databaseError } from '../../database/connection.ts'
import { collectionOf } from '../../database/documents.ts'
import { runFind } from '../../database/queryPath.ts'
import { queryPaths } from '../../database/queryPaths.ts'
import { benchDatabaseName } from '../../database/seed/benchDatabase.ts'
import { integer } from '../../settings/option.ts'
import { plainTable } from '../../ui/plainTable.ts'
import { command, type CommandContext } from '../command.ts'
import { openDatabase, type OpenedDatabase } from '../openDatabase.ts'
import { comparisonText } from '../../ui/bench/comparisonText.ts'
import { exitOfVerdict } from './verdictExit.ts'

/** Keeps a bench, without its samples: those are for the reports of the day. */
export async function keepBench({ db }: OpenedDatabase, report: BenchReport, now: Date): Promise<void> {
  const scenarios = report.scenarios.map((series) => ({ ...series, intervals: series.intervals.slice(-400) }))
  const data = { ...report, scenarios, resources: { ...report.resources, samples: [] } }
  await collectionOf(db, 'bench_runs').insertOne({
    _id: new ObjectId(report.id),
    data,
    verdict: report.verdict,
    created_at: now,
    simulated: false,
  })
}

async function withBench<T>(context: CommandContext, work: (database: OpenedDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase(context, benchDatabaseName)
  try {
    return await work(database)
  } catch (error) {
    throw databaseError(error)
  } finally {
    await database.close()
  }
}

export const history = command({
  description: 'Lists the newest benches of this database.',
  examples: ['orx bench history', 'orx bench history --json | jq ".data.runs[0].id"'],
  options: { limit: { flags: '--limit <n>', description: 'benches at most', parse: integer(1, 200), fallback: 20 } },
  run: async (context, _words, { limit }) => {
    const rows = await withBench(context, ({ db }) => runFind(db, queryPaths.benchRuns, { limit }, context.signal))
    // Sample data have a history too, so that its query can be measured.
    const runs = rows
      .filter(({ simulated }) => !simulated)
      .map(({ _id, verdict, created_at }) => ({ id: String(_id), createdAt: created_at.toISOString(), verdict }))
    if (!context.out.json) {
      const heads = [{ head: 'id' }, { head: 'when' }, { head: 'verdict' }]
      const cells = runs.map(({ id, createdAt, verdict }) => [id, createdAt.slice(0, 16).replace('T', ' '), verdict])
      context.out.result(runs.length === 0 ? 'no bench is recorded in this database yet' : plainTable(heads, cells, context.out))
    }
    return { exitCode: exitCodes.done, data: { runs } }
  },
})

async function benchOf({ db }: OpenedDatabase, id: string, signal: AbortSignal): Promise<BenchReport> {
  const [row] = ObjectId.isValid(id) ? await runFind(db, queryPaths.benchRunById, { id: new ObjectId(id) }, signal) : []
  if (row === undefined)
    throw new OrxError('not_found', `there is no bench "${id}" in this database`, { hint: 'orx bench history lists them.' })
  return row.data as BenchReport
}

export const compare = command({
  description: 'Compares two benches of this database, series by series. Fails (99) when the second is slower beyond what is noise.',
  arguments: [
    { name: '<before>', description: 'id of a bench' },
    { name: '<after>', description: 'id of a later one' },
  ],
  examples: ['orx bench compare 6b057039e7c7d45f17fbed5a 6b057192e7c7d45f17fbed9c'],
  options: {},
  run: async (context, [before = '', after = '']) => {
    const [older, newer] = await withBench(
      context,
      async (database) => [await benchOf(database, before, context.signal), await benchOf(database, after, context.signal)] as const,
    )
    const comparison = compareWithBaseline(newer, older, before)
    for (const warning of comparison.warnings) context.warn(warning)
    if (!context.out.json) context.out.result(comparisonText(comparison, context.out))
    return { exitCode: exitOfVerdict(wholeVerdict(comparison.entries)), data: comparison }
  },
})
