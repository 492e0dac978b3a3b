import type { Document } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { readExplain } from './explain.ts'

const stats = (keys: number, docs: number, returned: number, stages: Document = {}): Document => ({
  executionStats: { nReturned: returned, totalKeysExamined: keys, totalDocsExamined: docs, executionStages: stages },
})
const scan = (index: string): Document => ({ stage: 'IXSCAN', indexName: index, keyPattern: { a: 1 } })

describe('an explain', () => {
  test.each<readonly [string, Document, Partial<ReturnType<typeof readExplain>>]>([
    [
      'of a find, classic (6.0)',
      { queryPlanner: { winningPlan: { stage: 'LIMIT', inputStage: { stage: 'FETCH', inputStage: scan('a_1') } } }, ...stats(20, 20, 20) },
      {
        stages: ['LIMIT', 'FETCH', 'IXSCAN'],
        indexes: ['a_1'],
        keysExamined: 20,
        docsExamined: 20,
        returned: 20,
        inMemorySort: false,
        unreadable: null,
      },
    ],
    [
      'of a find, SBE',
      {
        explainVersion: '2',
        queryPlanner: { winningPlan: { queryPlan: { stage: 'FETCH', inputStage: scan('a_1') }, slotBasedPlan: { stages: '' } } },
        ...stats(3, 3, 3),
      },
      { stages: ['FETCH', 'IXSCAN'], indexes: ['a_1'], unreadable: null },
    ],
    [
      'of a find by _id (7.0 IDHACK)',
      { queryPlanner: { winningPlan: { stage: 'IDHACK' } }, ...stats(1, 1, 1) },
      { indexes: ['_id_'], collectionScan: false, unreadable: null },
    ],
    [
      'of a find by _id (8.0 EXPRESS)',
      {
        queryPlanner: { winningPlan: { isCached: false, stage: 'EXPRESS_IXSCAN', keyPattern: '{ _id: 1 }', indexName: '_id_' } },
        ...stats(1, 1, 1),
      },
      { indexes: ['_id_'], unreadable: null },
    ],
    [
      'of a find in a clustered collection (8.0 EXPRESS)',
      { queryPlanner: { winningPlan: { stage: 'EXPRESS_CLUSTERED_IXSCAN' } }, ...stats(0, 1, 1) },
      { indexes: ['_id_'], unreadable: null },
    ],
    [
      'of a find that sorts in memory',
      { queryPlanner: { winningPlan: { stage: 'SORT', inputStage: { stage: 'FETCH', inputStage: scan('a_1') } } }, ...stats(9, 9, 9) },
      { inMemorySort: true },
    ],
    [
      'of a find that scans the collection, with what matched',
      {
        queryPlanner: { winningPlan: { stage: 'COLLSCAN' } },
        ...stats(0, 500, 7, { stage: 'LIMIT', inputStage: { stage: 'COLLSCAN', nReturned: 12 } }),
      },
      { collectionScan: true, indexes: [], docsExamined: 500, matched: 12 },
    ],
    [
      'of an aggregation whose first stages the planner took over: what comes out of a group may be sorted',
      {
        stages: [
          {
            $cursor: {
              queryPlanner: {
                winningPlan: { queryPlan: { stage: 'GROUP', inputStage: { stage: 'PROJECTION_COVERED', inputStage: scan('s_1') } } },
              },
              ...stats(200, 0, 7),
            },
          },
          { $sort: { sortKey: { total: -1 } }, nReturned: 7 },
        ],
      },
      {
        stages: ['GROUP', 'PROJECTION_COVERED', 'IXSCAN', '$sort'],
        indexes: ['s_1'],
        keysExamined: 200,
        docsExamined: 0,
        returned: 7,
        inMemorySort: false,
      },
    ],
    [
      'of an aggregation that sorts before it groups',
      {
        stages: [
          { $cursor: { queryPlanner: { winningPlan: { stage: 'FETCH', inputStage: scan('a_1') } }, ...stats(5, 5, 5) } },
          { $sort: {} },
          { $group: {} },
        ],
      },
      { inMemorySort: true },
    ],
    [
      'of an aggregation that was taken over whole, SORT above GROUP',
      {
        queryPlanner: { winningPlan: { queryPlan: { stage: 'SORT', inputStage: { stage: 'GROUP', inputStage: scan('a_1') } } } },
        ...stats(5, 0, 2),
      },
      { inMemorySort: false, indexes: ['a_1'], unreadable: null },
    ],
    [
      'of a union: both parts count',
      {
        stages: [
          { $cursor: { queryPlanner: { winningPlan: { stage: 'FETCH', inputStage: scan('a_1') } }, ...stats(5, 5, 5) } },
          {
            $unionWith: {
              coll: 'other',
              pipeline: [{ $cursor: { queryPlanner: { winningPlan: { stage: 'COLLSCAN' } }, ...stats(0, 100, 100) } }],
            },
            nReturned: 105,
          },
        ],
      },
      { indexes: ['a_1'], collectionScan: true, docsExamined: 105, returned: 105 },
    ],
    [
      'of a join: what it examined in the other collection counts',
      {
        stages: [
          { $cursor: { queryPlanner: { winningPlan: { stage: 'FETCH', inputStage: scan('a_1') } }, ...stats(5, 5, 5) } },
          {
            $lookup: { from: 'other' },
            totalDocsExamined: 50,
            totalKeysExamined: 50,
            collectionScans: 0,
            indexesUsed: ['b_1'],
            nReturned: 5,
          },
        ],
      },
      { indexes: ['a_1', 'b_1'], docsExamined: 55 },
    ],
    [
      'of a find over shards',
      {
        queryPlanner: {
          winningPlan: {
            stage: 'SHARD_MERGE_SORT',
            shards: [
              { shardName: 'one', winningPlan: { stage: 'FETCH', inputStage: scan('a_1') } },
              { shardName: 'two', winningPlan: { queryPlan: { stage: 'FETCH', inputStage: scan('a_1') }, slotBasedPlan: {} } },
            ],
          },
        },
        ...stats(40, 40, 20),
      },
      {
        stages: ['SHARD_MERGE_SORT', 'FETCH', 'IXSCAN', 'FETCH', 'IXSCAN'],
        indexes: ['a_1'],
        docsExamined: 40,
        returned: 20,
        unreadable: null,
      },
    ],
    [
      'of an aggregation over shards',
      {
        shards: {
          one: { stages: [{ $cursor: { queryPlanner: { winningPlan: scan('a_1') }, ...stats(5, 0, 5) } }] },
          two: { queryPlanner: { winningPlan: { stage: 'COLLSCAN' } }, ...stats(0, 9, 9) },
        },
      },
      { collectionScan: true, indexes: ['a_1'], keysExamined: 5, docsExamined: 9, returned: 14 },
    ],
    [
      'of a count',
      { queryPlanner: { winningPlan: { stage: 'COUNT', inputStage: { stage: 'COUNT_SCAN', indexName: 'a_1' } } }, ...stats(6, 0, 0) },
      { indexes: ['a_1'], unreadable: null },
    ],
    [
      'of a distinct',
      {
        queryPlanner: { winningPlan: { stage: 'PROJECTION_COVERED', inputStage: { stage: 'DISTINCT_SCAN', indexName: 'a_1' } } },
        ...stats(6, 0, 6),
      },
      { indexes: ['a_1'] },
    ],
    [
      'of a text search',
      {
        queryPlanner: {
          winningPlan: { stage: 'TEXT_MATCH', indexName: 't_text', inputStage: { stage: 'FETCH', inputStage: scan('t_text') } },
        },
        ...stats(6, 6, 6),
      },
      { indexes: ['t_text'], unreadable: null },
    ],
    ...(
      [
        ['IndexedLoopJoin', 'g_1', false],
        ['HashJoin', undefined, true],
        ['NestedLoopJoin', undefined, true],
        ['NonExistentForeignCollection', undefined, false],
      ] as const
    ).map(([strategy, indexName, collectionScan]): [string, Document, Partial<ReturnType<typeof readExplain>>] => [
      `of a join within SBE (6.0), ${strategy}`,
      {
        explainVersion: '2',
        queryPlanner: {
          winningPlan: {
            queryPlan: {
              stage: 'EQ_LOOKUP',
              foreignCollection: 'd.b',
              strategy,
              ...(indexName && { indexName }),
              inputStage: { stage: 'FETCH', inputStage: scan('k_1') },
            },
          },
        },
        ...stats(20, 520, 20),
      },
      { collectionScan, indexes: indexName === undefined ? ['k_1'] : [indexName, 'k_1'], unreadable: null },
    ]),
    [
      'where there is nothing to read',
      { queryPlanner: { winningPlan: { stage: 'EOF' } }, executionStats: { nReturned: 0 } },
      { nothingToRead: true, unreadable: null },
    ],
  ])('%s is read', (_, explained, expected) => {
    expect(readExplain(explained)).toMatchObject(expected)
  })

  test.each<readonly [string, Document]>([
    ['an unknown stage', { queryPlanner: { winningPlan: { stage: 'WORMHOLE' } }, ...stats(1, 1, 1) }],
    ['nothing at all', {}],
    ['a plan without counts', { queryPlanner: { winningPlan: scan('a_1') } }],
    [
      'an unknown stage beside a known one',
      { queryPlanner: { winningPlan: { stage: 'OR', inputStages: [scan('a_1'), { stage: 'WORMHOLE' }] } }, ...stats(1, 1, 1) },
    ],
    [
      'a shard whose plan cannot be read',
      {
        queryPlanner: {
          winningPlan: {
            stage: 'SHARD_MERGE',
            shards: [
              { shardName: 'a', winningPlan: scan('a_1') },
              { shardName: 'b', winningPlan: {} },
            ],
          },
        },
        ...stats(1, 1, 1),
      },
    ],
    ['a plan that is a text', { queryPlanner: { winningPlan: 'IXSCAN' }, ...stats(1, 1, 1) }],
  ])('with %s is said to be unreadable, never taken for good', (_, explained) => {
    expect(readExplain(explained).unreadable).toEqual(expect.any(String))
  })
})
