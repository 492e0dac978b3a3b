// The indexes without which the record itself would be slow or would never forget. Made once, quickly, beside the first run's first call;
// `orx db:index` makes all and proves them.
import { createHash } from 'node:crypto'
import { MongoServerError, type Db, type Document } from 'mongodb'
import { collectionOf } from '../documents.ts'
import type { CatalogIndex } from '../indexes/catalog.ts'
import { ownCatalog } from '../indexes/ownCatalog.ts'
import { runFind } from '../queryPath.ts'
import { queryPaths } from '../queryPaths.ts'

/** `collection.name` of each. The others only make lists faster: a large collection gets them when somebody asks for it. */
const needed: ReadonlySet<string> = new Set([
  'model_attempts.step_1_state_1',
  'model_attempts.simulated_1_created_at_-1',
  'model_evaluations.simulated_1_created_at_-1',
  'model_evaluations.thread_id_1_iteration_1',
  'criticism_responses.thread_id_1_iteration_1',
  'model_selection_history.thread_id_1_iteration_1',
  'conversation_threads.session_id_1_total_cost_1',
  'conversation_threads.run_id_1_created_at_-1',
  'conversation_threads.created_at_-1',
  'orchestration_logs.thread_id_1_run_started_1_seq_1',
  'orchestration_logs.expires_1',
  'response_cache.expires_at_1',
])

const recordIndexes: readonly CatalogIndex[] = ownCatalog.indexes.filter(({ collection, name }) => needed.has(`${collection}.${name}`))

const markId = 'record_indexes'
const fingerprint = createHash('sha256').update(JSON.stringify(recordIndexes)).digest('hex').slice(0, 16)

/** Makes what is missing. Costs one read where they were made before; what somebody changed since stays as it is, `orx db:index` tells it. */
export async function ensureRecordIndexes(db: Db, signal?: AbortSignal): Promise<void> {
  const [mark] = await runFind(db, queryPaths.meta, { id: markId }, signal)
  if (mark?.fingerprint === fingerprint) return
  const collections = new Set(recordIndexes.map(({ collection }) => collection))
  await Promise.all(
    [...collections].map((collection) =>
      createIndexes(
        db,
        collection,
        recordIndexes.filter((index) => index.collection === collection),
      ),
    ),
  )
  await collectionOf(db, 'orx_meta').updateOne({ _id: markId }, { $set: { fingerprint } }, { upsert: true })
}

async function createIndexes(db: Db, collection: string, indexes: readonly CatalogIndex[]): Promise<void> {
  try {
    await db.command({ createIndexes: collection, indexes: indexes.map(specOf) })
  } catch (error) {
    // The same key with other options, or the same name with another key: somebody's own choice. It must not cost the others.
    if (!(error instanceof MongoServerError && (error.code === 85 || error.code === 86))) throw error
    if (indexes.length > 1) for (const index of indexes) await createIndexes(db, collection, [index])
  }
}

function specOf({ name, key, options }: CatalogIndex): Document {
  return { name, key: new Map(key), ...options }
}
