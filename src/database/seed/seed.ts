// Fills the bench's database with sample data. Invariant: what was written is never written twice; a seeding that was cut off goes on.
import { MongoBulkWriteError, type Db } from 'mongodb'
import { untilAborted, type Clock } from '../../core/runtime.ts'
import { bounded } from '../connection.ts'
import { rollUpDays } from '../rollup.ts'
import { watchServer } from '../serverWatch.ts'
import { emptyBenchDatabase, updateMark, type BenchMark } from './benchDatabase.ts'
import { sampleData, type Chunk, type Scale } from './sampleData.ts'

export interface SeedOptions {
  readonly db: Db
  readonly clock: Clock
  /** Of claimBenchDatabase. */
  readonly mark: BenchMark
  readonly scale: Scale
  readonly seed: number
  readonly onProgress: (progress: SeedProgress) => void
}

export interface SeedProgress {
  readonly documents: number
  readonly totalDocuments: number
  readonly perSecond: number
  readonly leftMs: number | null
}

export interface SeedReport {
  readonly scale: Scale
  readonly seed: number
  readonly collections: Readonly<Record<string, number>>
  readonly insertedNow: number
  readonly elapsedMs: number
  readonly documentsPerSecond: number
  /** An earlier seeding was gone on with. */
  readonly resumed: boolean
  /** Sample data of another scale or seed were removed first. */
  readonly replaced: boolean
}

/** Chunks on their way at once: the server writes one while the next is made. */
const inFlight = 4
const markEveryMs = 1_000
/** The last mark is worth no longer wait: what it does not tell is found there by the next call. */
const markMs = 1_000

const pingMs = 3_000

/** Rejects with the signal's reason, and when the server stops answering; what is written stays, and the next call goes on there. */
export async function seedDatabase(options: SeedOptions, signal: AbortSignal): Promise<SeedReport> {
  const { db, clock } = options
  const ping = (): Promise<unknown> => bounded(clock, pingMs, (soon) => db.command({ ping: 1 }, { signal: soon }))
  const server = watchServer({ clock, ping }, signal)
  try {
    return await seedWatched(options, server.signal)
  } finally {
    server.stop()
  }
}

async function seedWatched(options: SeedOptions, signal: AbortSignal): Promise<SeedReport> {
  const { db, clock, scale, seed, onProgress } = options
  const data = sampleData(scale, seed)
  const isSame = options.mark.scale === scale && options.mark.seed === seed
  const replaced = !isSame && options.mark.scale !== null
  if (replaced) await untilAborted(emptyBenchDatabase(db, signal), signal)
  if (!isSame) await untilAborted(updateMark(db, { scale, seed, chunksDone: 0, complete: false }), signal)
  const first = isSame ? options.mark.chunksDone : 0
  const fromMs = clock.monotonicMs()
  const totalDocuments = Object.values(data.counts).reduce((sum, count) => sum + count, 0)
  let inserted = 0
  if (!(isSame && options.mark.complete)) {
    const done = new Set<number>()
    let contiguous = first
    let next = first
    let markedMs = fromMs
    const work = async (): Promise<void> => {
      for (let index = next++; index < data.chunkCount; index = next++) {
        signal.throwIfAborted()
        for (const part of data.chunk(index)) {
          const count = await insertChunk(db, part)
          inserted += count
        }
        done.add(index)
        while (done.delete(contiguous)) contiguous += 1
        const nowMs = clock.monotonicMs()
        const perSecond = (inserted / Math.max(1, nowMs - fromMs)) * 1_000
        const share = (index + 1 - first) / (data.chunkCount - first)
        onProgress({
          documents: Math.round(((index + 1) / data.chunkCount) * totalDocuments),
          totalDocuments,
          perSecond,
          leftMs: share > 0 ? ((nowMs - fromMs) / share) * (1 - share) : null,
        })
        if (nowMs - markedMs < markEveryMs) continue
        markedMs = nowMs
        await updateMark(db, { chunksDone: contiguous })
      }
    }
    try {
      await untilAborted(Promise.all(Array.from({ length: inFlight }, work)), signal)
    } finally {
      const chunksDone = contiguous
      await bounded(clock, markMs, () => updateMark(db, { chunksDone })).catch(() => undefined)
    }
    await untilAborted(seedRest(db, signal), signal)
    await untilAborted(updateMark(db, { chunksDone: data.chunkCount, complete: true }), signal)
  }
  const elapsedMs = clock.monotonicMs() - fromMs
  return {
    scale,
    seed,
    collections: data.counts,
    insertedNow: inserted,
    elapsedMs,
    documentsPerSecond: elapsedMs > 0 ? (inserted / elapsedMs) * 1_000 : 0,
    resumed: isSame && first > 0,
    replaced,
  }
}

const duplicateKey = 11_000

/** How many were new: of a chunk that was cut off, some are there. */
async function insertChunk(db: Db, { collection, documents }: Chunk): Promise<number> {
  if (documents.length === 0) return 0
  try {
    const { insertedCount } = await db.collection(collection).insertMany([...documents], { ordered: false, writeConcern: { w: 1 } })
    return insertedCount
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError)) throw error
    const errors = [error.writeErrors].flat()
    if (errors.some(({ code }) => code !== duplicateKey)) throw error
    return error.insertedCount
  }
}

const benchRuns = 400

/** What is made of the rest, or too small for chunks: the daily figures, and a history of bench runs. */
async function seedRest(db: Db, signal: AbortSignal): Promise<void> {
  await rollUpDays(db, new Date(0), new Date(Date.UTC(2100, 0, 1)), signal)
  const documents = Array.from({ length: benchRuns }, (_, index) => ({
    _id: `seeded-${index}` as never,
    data: null,
    verdict: index % 7 === 0 ? 'fail' : 'pass',
    created_at: new Date(Date.UTC(2026, 8, 1) + index * 3_600_000),
    simulated: true,
  }))
  await insertChunk(db, { collection: 'bench_runs', documents })
}
