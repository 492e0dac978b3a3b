// What an explain says, in every shape that servers have had: classic, SBE, aggregation, EXPRESS, sharded.
// Invariant: what it cannot read it says so; it never takes an unknown shape for a good one.
import type { Document } from 'mongodb'

export interface Explained {
  /** Every stage of the winning plan, from the outside in; of all shards. */
  readonly stages: readonly string[]
  /** The names of the indexes that are used. */
  readonly indexes: readonly string[]
  readonly keysExamined: number
  readonly docsExamined: number
  readonly returned: number
  /** What a scan of the whole collection found to match; null where the plan has none. */
  readonly matched: number | null
  readonly collectionScan: boolean
  /** A sort that an index could have spared; one of groups is none, as no index knows them. */
  readonly inMemorySort: boolean
  /** The collection does not exist or is empty for the planner. */
  readonly nothingToRead: boolean
  /** Why it cannot be judged; null: it can. */
  readonly unreadable: string | null
}

interface Reading {
  readonly stages: string[]
  readonly indexes: Set<string>
  keysExamined: number
  docsExamined: number
  matched: number | null
  collectionScan: boolean
  inMemorySort: boolean
  hasAccess: boolean
  nothing: boolean
  hasCounts: boolean
  /** A stage at the bottom of a plan that says nothing known of how it finds documents. */
  unknown: string | null
}

const isDocument = (value: unknown): value is Document => value !== null && typeof value === 'object' && !Array.isArray(value)
const listOf = (value: unknown): readonly Document[] => (Array.isArray(value) ? value.filter(isDocument) : [])
const numberOf = (value: unknown): number => (Number.isFinite(Number(value)) ? Number(value) : 0)

/** Stages that read through an index, and say its name. */
const byIndex: ReadonlySet<string> = new Set([
  'IXSCAN',
  'EXPRESS_IXSCAN',
  'COUNT_SCAN',
  'DISTINCT_SCAN',
  'TEXT_MATCH',
  'TEXT',
  'GEO_NEAR_2DSPHERE',
  'GEO_NEAR_2D',
])
/** Stages that read through `_id`. */
const byId: ReadonlySet<string> = new Set(['IDHACK', 'CLUSTERED_IXSCAN', 'EXPRESS_CLUSTERED_IXSCAN'])
const scans: ReadonlySet<string> = new Set(['COLLSCAN', 'EXPRESS_COLLSCAN'])
const nothings: ReadonlySet<string> = new Set(['EOF', 'NONEXISTENT_NAMESPACE'])
/** Joins within SBE: how the other collection is read is their strategy. */
const joins: ReadonlySet<string> = new Set(['EQ_LOOKUP', 'EQ_LOOKUP_UNWIND'])
const groups: ReadonlySet<string> = new Set(['GROUP', '$group', 'COUNT', '$bucket', '$bucketAuto', '$sortByCount', '$count', '$facet'])

export function readExplain(explained: Document): Explained {
  const reading: Reading = {
    stages: [],
    indexes: new Set(),
    keysExamined: 0,
    docsExamined: 0,
    matched: null,
    collectionScan: false,
    inMemorySort: false,
    hasAccess: false,
    nothing: false,
    hasCounts: false,
    unknown: null,
  }
  const returned = readAny(explained, reading)
  const unreadable = whyUnreadable(reading)
  return {
    stages: reading.stages,
    indexes: [...reading.indexes],
    keysExamined: reading.keysExamined,
    docsExamined: reading.docsExamined,
    returned,
    matched: reading.matched,
    collectionScan: reading.collectionScan,
    inMemorySort: reading.inMemorySort,
    nothingToRead: reading.nothing && !reading.hasAccess,
    unreadable,
  }
}

function whyUnreadable({ hasAccess, nothing, hasCounts, unknown, stages }: Reading): string | null {
  if (!hasAccess && !nothing)
    return `the explain has no stage that says how documents are found (${stages.join(' > ') || 'no winning plan'})`
  if (unknown !== null) return `the explain has a stage that nothing is known of: ${unknown}`
  return hasCounts ? null : 'the explain has no counts of what was examined'
}

/** An explain of a find, of an aggregation, or of one of them over shards. Returns how many documents came out. */
function readAny(explained: Document, reading: Reading): number {
  // An aggregation over shards: one explain each.
  if (isDocument(explained['shards'])) {
    const shards = Object.values(explained['shards']).filter(isDocument)
    return shards.reduce((sum, shard) => sum + readAny(shard, reading), 0)
  }
  if (Array.isArray(explained['stages'])) return readPipeline(listOf(explained['stages']), reading)
  if (isDocument(explained['queryPlanner'])) return readPlanned(explained, reading)
  return 0
}

/** What the pipeline's first stage reads, and the stages that work on it in turn. */
function readPipeline(stages: readonly Document[], reading: Reading): number {
  let returned = 0
  let grouped = false
  for (const stage of stages) {
    const name = Object.keys(stage).find((key) => key.startsWith('$')) ?? '?'
    const body: unknown = stage[name]
    if (name === '$cursor' && isDocument(body)) {
      returned = readPlanned(body, reading)
      if (reading.stages.some((seen) => groups.has(seen))) grouped = true
      continue
    }
    reading.stages.push(name)
    if (name === '$geoNearCursor' && isDocument(body)) readPlanned(body, reading)
    if (groups.has(name)) grouped = true
    if (name === '$sort' && !grouped) reading.inMemorySort = true
    if (name === '$unionWith' && isDocument(body)) readUnion(body, reading)
    if (name === '$lookup') readLookup(stage, reading)
    if (stage['nReturned'] !== undefined) returned = numberOf(stage['nReturned'])
  }
  return returned
}

function readUnion(body: Document, reading: Reading): void {
  const inner = body['pipeline']
  if (Array.isArray(inner)) readPipeline(listOf(inner), reading)
  else if (isDocument(inner)) readAny(inner, reading)
}

/** The other collection of a join: its totals stand beside the stage. */
function readLookup(stage: Document, reading: Reading): void {
  if (stage['totalDocsExamined'] === undefined) return
  reading.keysExamined += numberOf(stage['totalKeysExamined'])
  reading.docsExamined += numberOf(stage['totalDocsExamined'])
  if (numberOf(stage['collectionScans']) > 0) reading.collectionScan = true
  const used: unknown = stage['indexesUsed']
  if (Array.isArray(used)) for (const name of used) reading.indexes.add(String(name))
}

function readPlanned(explained: Document, reading: Reading): number {
  const planner = explained['queryPlanner'] as Document | undefined
  const winning: unknown = planner?.['winningPlan']
  if (isDocument(winning)) readPlan(winning, reading, false)
  const stats = explained['executionStats'] as Document | undefined
  if (stats === undefined) return 0
  if (stats['totalKeysExamined'] !== undefined) {
    reading.hasCounts = true
    reading.keysExamined += numberOf(stats['totalKeysExamined'])
    reading.docsExamined += numberOf(stats['totalDocsExamined'])
  }
  if (isDocument(stats['executionStages'])) readMatched(stats['executionStages'], reading)
  return numberOf(stats['nReturned'])
}

/** @param isBelowGroup whether what comes out of this stage is grouped further up */
function readPlan(node: Document, reading: Reading, isBelowGroup: boolean): void {
  // SBE puts the tree that people read beside the one that the machine runs.
  if (isDocument(node['queryPlan'])) return readPlan(node['queryPlan'], reading, isBelowGroup)
  const stage = typeof node['stage'] === 'string' ? node['stage'] : null
  let below = isBelowGroup
  if (stage !== null) {
    reading.stages.push(stage)
    readStage(stage, node, reading)
    if (groups.has(stage)) below = true
  }
  const inner = ['inputStage', 'thenStage', 'elseStage', 'outerStage', 'innerStage', 'winningPlan'].map((key) => node[key] as unknown)
  const all = [...inner.filter(isDocument), ...listOf(node['inputStages']), ...listOf(node['shards'])]
  for (const child of all) readPlan(child, reading, below)
  if (all.length === 0 && (stage === null || !isAccess(stage))) reading.unknown ??= stage ?? 'a plan without stages'
  // Known only on the way back: a sort of groups has the grouping below it.
  if (stage === 'SORT' && !hasGroup(node)) reading.inMemorySort = true
}

function isAccess(stage: string): boolean {
  return byIndex.has(stage) || byId.has(stage) || scans.has(stage) || nothings.has(stage)
}

function hasGroup(node: Document): boolean {
  const stage: unknown = node['stage']
  if (typeof stage === 'string' && groups.has(stage)) return true
  return Object.values(node).some((value) => (isDocument(value) ? hasGroup(value) : listOf(value).some(hasGroup)))
}

function readStage(stage: string, node: Document, reading: Reading): void {
  if (byIndex.has(stage)) {
    reading.hasAccess = true
    const name: unknown = node['indexName']
    if (typeof name === 'string') reading.indexes.add(name)
  } else if (byId.has(stage)) {
    reading.hasAccess = true
    reading.indexes.add('_id_')
  } else if (scans.has(stage)) {
    reading.hasAccess = true
    reading.collectionScan = true
  } else if (nothings.has(stage)) {
    reading.nothing = true
    reading.hasCounts = true
  } else if (joins.has(stage)) {
    const strategy = String(node['strategy'])
    const name: unknown = node['indexName']
    if (strategy === 'IndexedLoopJoin' && typeof name === 'string') reading.indexes.add(name)
    else if (strategy !== 'NonExistentForeignCollection') reading.collectionScan = true
  }
}

/** What a collection scan let through its filter. */
function readMatched(node: Document, reading: Reading): void {
  if (node['stage'] === 'COLLSCAN') reading.matched = (reading.matched ?? 0) + numberOf(node['nReturned'])
  for (const value of Object.values(node)) {
    if (isDocument(value)) readMatched(value, reading)
    else for (const child of listOf(value)) readMatched(child, reading)
  }
}
