// Does what a plan says, one action at a time. Invariant: an index is dropped only when its replacement stands, or when the gap was announced
// and allowed; every action can be replayed.
import type { Db, Document } from 'mongodb'
import { messageOf, OrxError } from '../../core/errors.ts'
import type { Clock } from '../../core/runtime.ts'
import { watchServer } from '../serverWatch.ts'
import { buildIndex, indexError, replayed, type BuildOptions, type BuildProgress } from './build.ts'
import { isText, signature, stored, type IndexDefinition } from './definition.ts'
import { countExpired, findDuplicates, type Duplicates } from './hazards.ts'
import { readLive } from './live.ts'
import { bridgePrefix, definitionOf, type Action } from './plan.ts'

export type ApplyEvent =
  | { readonly type: 'action-started'; readonly action: Action; readonly position: number; readonly total: number }
  | { readonly type: 'step'; readonly text: string }
  | { readonly type: 'progress'; readonly action: Action; readonly progress: BuildProgress }
  | { readonly type: 'action-finished'; readonly outcome: ActionOutcome }

export interface ActionOutcome {
  readonly kind: Action['kind']
  readonly collection: string
  readonly name: string
  /** `unchanged`: the server had it already. `stopped`: the signal came; of a build, the server may be going on with it. */
  readonly outcome: 'done' | 'unchanged' | 'left-out' | 'failed' | 'stopped'
  readonly elapsedMs: number
  readonly duplicates?: Duplicates
  /** Documents that the TTL index removes soon after it stands. */
  readonly expires?: number
  readonly error?: { readonly code: string; readonly message: string }
}

export interface ApplyOptions {
  /** Of a client whose sockets live as long as a build does. */
  readonly db: Db
  /** Of one that ends in time: tells that the server has stopped answering. */
  ping(): Promise<unknown>
  readonly clock: Clock
  /** Whether indexes may go. */
  readonly allowDrop: boolean
  readonly emit: (event: ApplyEvent) => void
  readonly onInterrupt: BuildOptions['onInterrupt']
}

export interface Applied {
  readonly outcomes: readonly ActionOutcome[]
  /** The first thing that failed; null: nothing did. */
  readonly error: OrxError | null
  /** The signal came before everything was done. */
  readonly stopped: boolean
}

/** What removes an index that may be in use. A bridge that was left over is orx's own, but goes the same way. */
export function removes({ kind }: Action): boolean {
  return kind === 'rebuild' || kind === 'drop'
}

/** Does the actions in their order; one that fails does not keep the others from being done. Ended by the signal it resolves to what was done. */
export async function applyActions(options: ApplyOptions, actions: readonly Action[], signal: AbortSignal): Promise<Applied> {
  const server = watchServer(options, signal)
  try {
    return await applyWatched(options, actions, signal, server.signal)
  } finally {
    server.stop()
  }
}

/** @param signal of who called; `either` comes too when the server is lost */
async function applyWatched(options: ApplyOptions, actions: readonly Action[], signal: AbortSignal, either: AbortSignal): Promise<Applied> {
  const { clock, emit } = options
  const outcomes: ActionOutcome[] = []
  let error: OrxError | null = null
  for (const [index, action] of actions.entries()) {
    if (signal.aborted) return { outcomes, error, stopped: true }
    const { kind, collection, name } = action
    const fromMs = clock.monotonicMs()
    const finish = (more: Pick<ActionOutcome, 'outcome'> & Partial<ActionOutcome>): void => {
      const outcome = { kind, collection, name, elapsedMs: clock.monotonicMs() - fromMs, ...more }
      outcomes.push(outcome)
      emit({ type: 'action-finished', outcome })
    }
    if (removes(action) && !options.allowDrop) {
      finish({ outcome: 'left-out' })
      continue
    }
    emit({ type: 'action-started', action, position: index + 1, total: actions.length })
    try {
      finish(await doAction(options, action, either))
    } catch (thrown) {
      if (signal.aborted) {
        finish({ outcome: 'stopped' })
        return { outcomes, error, stopped: true }
      }
      const problem = indexError(thrown)
      error ??= problem
      const duplicates = thrown instanceof DuplicatesError ? { duplicates: thrown.duplicates } : {}
      finish({ outcome: 'failed', ...duplicates, error: { code: problem.code, message: problem.message } })
      // The others would fail in the same way, each after its own wait.
      if (problem.code === 'database_unreachable' || problem.code === 'credential_rejected') break
    }
  }
  return { outcomes, error, stopped: false }
}

class DuplicatesError extends OrxError {
  readonly duplicates: Duplicates

  constructor({ collection, name }: Pick<Action, 'collection' | 'name'>, duplicates: Duplicates) {
    const { documents, values, samples } = duplicates
    const pairs = samples.map(([first, second]) => `${first} and ${second}`).join('; ')
    super(
      'duplicates',
      `${collection}.${name} cannot be unique: ${documents} documents share ${values} ${values === 1 ? 'value' : 'values'} of its key, by _id: ${pairs}${values > samples.length ? '; ...' : ''}`,
      { hint: 'Remove or change these documents, then run apply again. Nothing was changed by this index.' },
    )
    this.duplicates = duplicates
  }
}

function specOf({ name, key, options }: IndexDefinition): Document & { readonly name: string } {
  return { ...options, key: new Map(key), name }
}

type Done = Pick<ActionOutcome, 'outcome'> & Partial<ActionOutcome>

function doAction(options: ApplyOptions, action: Action, signal: AbortSignal): Promise<Done> {
  switch (action.kind) {
    case 'create':
      return create(options, action, definitionOf(action), signal)
    case 'modify':
      return modify(options, action, definitionOf(action), signal)
    case 'rebuild':
      return rebuild(options, action, definitionOf(action), signal)
    case 'hide':
      return collMod(options, action, { hidden: true }, signal).then(() => ({ outcome: 'done' }))
    case 'drop':
      return drop(options, action.collection, action.name, signal).then((gone) => ({ outcome: gone ? 'done' : 'unchanged' }))
  }
}

async function create(options: ApplyOptions, action: Action, wanted: IndexDefinition, signal: AbortSignal): Promise<Done> {
  const { db, emit } = options
  if (wanted.options['unique'] === true) await refuseDuplicates(options, action, wanted, signal)
  const expires = await expiring(options, wanted, signal)
  const isNew = await buildIndex(
    { ...options, db, onProgress: (progress) => emit({ type: 'progress', action, progress }) },
    wanted.collection,
    specOf(wanted),
    signal,
  )
  return { outcome: isNew ? 'done' : 'unchanged', ...expires }
}

async function refuseDuplicates({ db, emit }: ApplyOptions, action: Action, wanted: IndexDefinition, signal: AbortSignal): Promise<void> {
  emit({ type: 'step', text: `looking for duplicates in ${wanted.collection}` })
  const duplicates = await findDuplicates(db, wanted, signal)
  if (duplicates !== null) throw new DuplicatesError(action, duplicates)
}

async function expiring({ db, clock, emit }: ApplyOptions, wanted: IndexDefinition, signal: AbortSignal): Promise<{ expires?: number }> {
  if (wanted.options['expireAfterSeconds'] === undefined) return {}
  const expires = await countExpired(db, wanted, clock.now(), signal)
  if (expires > 0)
    emit({ type: 'step', text: `${expires} documents of ${wanted.collection} have expired: MongoDB removes them within a minute` })
  return { expires }
}

async function collMod({ db, clock }: ApplyOptions, { collection, name }: Action, change: Document, signal: AbortSignal): Promise<void> {
  await replayed(clock, signal, () => db.command({ collMod: collection, index: { name, ...change }, writeConcern: { w: 'majority' } }))
}

async function modify(options: ApplyOptions, action: Action, wanted: IndexDefinition, signal: AbortSignal): Promise<Done> {
  const fields = new Set(action.differences.map(({ field }) => field))
  let expires: { expires?: number } = {}
  if (fields.has('unique')) {
    await refuseDuplicates(options, action, wanted, signal)
    // From here on the server refuses new duplicates; what came in between shows in the second look.
    await collMod(options, action, { prepareUnique: true }, signal)
    try {
      await refuseDuplicates(options, action, wanted, signal)
      await collMod(options, action, { unique: true }, signal)
    } catch (error) {
      await collMod(options, action, { prepareUnique: false }, signal).catch(() => undefined)
      throw error
    }
  }
  if (fields.has('expireAfterSeconds')) {
    expires = await expiring(options, wanted, signal)
    await collMod(options, action, { expireAfterSeconds: Number(wanted.options['expireAfterSeconds']) }, signal)
  }
  if (fields.has('hidden')) await collMod(options, action, { hidden: Boolean(wanted.options['hidden']) }, signal)
  return { outcome: 'done', ...expires }
}

/** Whether it was there. */
async function drop({ db, clock }: ApplyOptions, collection: string, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await replayed(clock, signal, () => db.command({ dropIndexes: collection, index: name, writeConcern: { w: 'majority' } }))
    return true
  } catch (error) {
    if (/index not found/i.test(messageOf(error))) return false
    throw error
  }
}

/**
 * The replacement stands before the old one goes: under its own name where the server lets both be, else a bridge (the same key with `_id`
 * behind it) serves meanwhile. A text index can have neither: then there is a gap, and it is announced.
 */
async function rebuild(options: ApplyOptions, action: Action, wanted: IndexDefinition, signal: AbortSignal): Promise<Done> {
  const { db, emit } = options
  const { collection, replaces = action.name } = action
  const live = (await readLive(db, new Set([collection]), signal)).collections.get(collection)
  const old = live?.indexes.find(({ name }) => name === replaces)
  const say = (text: string): void => emit({ type: 'step', text })
  if (old === undefined || live === undefined) return create(options, action, wanted, signal)
  const areBothAllowed =
    signature(stored(old, null)) !== signature(stored(wanted, live.defaultCollation)) && !(isText(old.key) && isText(wanted.key))
  if (areBothAllowed && old.name !== wanted.name) {
    const made = await create(options, action, wanted, signal)
    say(`${wanted.name} stands; dropping ${old.name}`)
    await drop(options, collection, old.name, signal)
    return { ...made, outcome: 'done' }
  }
  if (wanted.options['unique'] === true) {
    await refuseDuplicates(options, action, wanted, signal)
    say(`until ${wanted.name} stands, nothing keeps its values unique`)
  }
  const bridge = bridgeOf(wanted)
  if (bridge === null) {
    say(`${collection} has no index in place of ${old.name} until ${wanted.name} is built`)
    await drop(options, collection, old.name, signal)
    return { ...(await create(options, action, wanted, signal)), outcome: 'done' }
  }
  say(`building ${bridge.name}, which serves while ${wanted.name} is rebuilt`)
  await create(options, action, bridge, signal)
  await drop(options, collection, old.name, signal)
  say(`building ${wanted.name}`)
  const made = await create(options, action, wanted, signal)
  await drop(options, collection, bridge.name, signal)
  return { ...made, outcome: 'done' }
}

function bridgeOf({ collection, name, key, options }: IndexDefinition): IndexDefinition | null {
  if (key.some(([field, direction]) => typeof direction !== 'number' || field.includes('$**') || field === '_id')) return null
  const { unique: _unique, expireAfterSeconds: _seconds, hidden: _hidden, ...kept } = options
  return { collection, name: `${bridgePrefix}${name}`.slice(0, 120), key: [...key, ['_id', 1]], options: kept }
}
