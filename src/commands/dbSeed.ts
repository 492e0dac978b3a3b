// `orx db:seed`: sample data for measurements, in the bench's own database.
import { exitCodes } from '../core/errors.ts'
import { formatDuration } from '../core/units.ts'
import { databaseError } from '../database/connection.ts'
import { benchDatabaseName, claimBenchDatabase } from '../database/seed/benchDatabase.ts'
import { scaleNames, type Scale } from '../database/seed/sampleData.ts'
import { seedDatabase, type SeedReport } from '../database/seed/seed.ts'
import { choice, integer, onOff, words, type OptionTable } from '../settings/option.ts'
import { makeProgressLine } from '../ui/progressLine.ts'
import { command, type CommandContext } from './command.ts'
import { openDatabase, type OpenedDatabase } from './openDatabase.ts'

export const parseScale = choice(scaleNames)

export const remoteOption = {
  allowRemote: {
    flags: '--allow-remote',
    description: 'also on a server that is not on this machine',
    parse: onOff,
    fallback: false,
    flagOnly: true as const,
  },
} satisfies OptionTable

/** Seeds the database that is opened, when it may; tells how far it is. */
export async function seedHere(
  context: CommandContext,
  { client, db }: OpenedDatabase,
  { scale, seed, allowRemote }: { readonly scale: Scale; readonly seed: number; readonly allowRemote: boolean },
): Promise<SeedReport> {
  const { io, out, signal } = context
  const { clock } = io.runtime
  const line = makeProgressLine({ out, clock }, io.terminal)
  const mark = await claimBenchDatabase({ client, db, now: new Date(clock.now()), allowRemote }, signal)
  if (mark.scale !== null && (mark.scale !== scale || mark.seed !== seed)) {
    out.note(`${db.databaseName} has sample data of scale ${mark.scale} and seed ${mark.seed}: they are replaced`)
  }
  const onProgress: Parameters<typeof seedDatabase>[0]['onProgress'] = ({ documents, totalDocuments, perSecond, leftMs }) => {
    const left = leftMs === null ? '' : ` · ${formatDuration(leftMs)} left`
    line.update(
      `seeding ${db.databaseName}: ${Math.floor((100 * documents) / totalDocuments)} % · ${Math.round(perSecond)} documents/s${left}`,
    )
  }
  try {
    return await seedDatabase({ db, clock, mark, scale, seed, onProgress }, signal)
  } finally {
    line.clear()
  }
}

export const dbSeed = command({
  description: `Fills ${benchDatabaseName} with invented data of realistic skew: the same seed gives the same documents. Cut off, it goes on where it was.`,
  examples: ['orx db:seed --scale small', 'orx db:seed --scale large --into bench_of_mine'],
  options: {
    scale: {
      flags: '--scale <size>',
      description: 'small (10,000 responses), medium (200,000) or large (2,000,000)',
      parse: parseScale,
      fallback: 'small' as const,
    },
    seed: { flags: '--seed <n>', description: 'of the data', parse: integer(0, Number.MAX_SAFE_INTEGER), fallback: 1 },
    into: {
      flags: '--into <database>',
      description: 'another database, which has to be absent, empty or the bench’s own',
      parse: words,
      fallback: null as string | null,
      flagOnly: true,
    },
    ...remoteOption,
  },
  run: async (context, _words, { scale, seed, into, allowRemote }) => {
    const database = await openDatabase(context, into ?? benchDatabaseName)
    try {
      const report = await seedHere(context, database, { scale, seed, allowRemote })
      const { insertedNow, elapsedMs, documentsPerSecond, collections } = report
      if (!context.out.json) {
        const how =
          insertedNow === 0
            ? 'everything was there'
            : `${insertedNow} documents in ${formatDuration(elapsedMs)}, ${Math.round(documentsPerSecond)}/s${report.resumed ? ', going on where it was cut off' : ''}`
        context.out.result(`${database.name}: ${collections['model_responses'] ?? 0} responses (${scale}, seed ${seed}); ${how}`)
      }
      return { exitCode: exitCodes.done, data: { database: database.name, ...report } }
    } catch (error) {
      if (context.signal.aborted) throw error
      throw databaseError(error)
    } finally {
      await database.close()
    }
  },
})
