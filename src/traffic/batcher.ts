// Gathers items and does them together. Two ways: a batch leaves when it is full or its first item has waited long enough;
// or there is no timer at all, and what gathers while one batch is out leaves when that is back.
// Invariant: each caller gets its own result; one bad item fails alone; a caller that leaves takes its item with it while it waits.
import { whenAborted } from '../core/abort.ts'
import type { Clock, Timer } from '../core/runtime.ts'

export type ItemOutcome<Result> = { readonly ok: true; readonly value: Result } | { readonly ok: false; readonly error: unknown }

export interface BatcherOptions<Item, Result> {
  readonly clock: Clock
  /** `when-back`: an item that finds nothing out leaves at once, so that an idle caller waits for nothing. */
  readonly leaves: 'full-or-late' | 'when-back'
  /** @default 5 */
  readonly maxSize?: number
  /** How long the first item of a batch may wait, ms; only with `full-or-late`. @default 2_000 */
  readonly maxWaitMs?: number
  /** Does a batch of one key: an outcome an item, in their order. A rejection fails the items of this batch, and no others. */
  run(items: readonly Item[], key: string): Promise<readonly ItemOutcome<Result>[]>
}

export interface Batcher<Item, Result> {
  /** Items of one key go together. Rejects as the item does, or with the signal's reason. */
  add(item: Item, key?: string, signal?: AbortSignal): Promise<Result>
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (value: Result) => void
  readonly reject: (error: unknown) => void
  /** Takes the listener off its signal; null without one. */
  stopListening: (() => void) | null
}

interface Lot<Item, Result> {
  readonly key: string
  waiting: Waiting<Item, Result>[]
  timer: Timer | null
  /** With `when-back`: whether a batch is out, or leaves at the end of this turn. */
  isOut: boolean
}

export function makeBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { clock, leaves, maxSize = 5, maxWaitMs = 2_000, run } = options
  const lots = new Map<string, Lot<Item, Result>>()

  /** Changes nothing for a caller that has left. */
  const settle = ({ resolve, reject, stopListening }: Waiting<Item, Result>, outcome: ItemOutcome<Result>): void => {
    stopListening?.()
    if (outcome.ok) resolve(outcome.value)
    else reject(outcome.error)
  }

  const send = async (key: string, batch: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const outcomes = await run(
        batch.map(({ item }) => item),
        key,
      )
      for (let index = 0; index < batch.length; index += 1) {
        const waiting = batch[index]
        if (waiting === undefined) break
        settle(waiting, outcomes[index] ?? missingOutcome(batch.length, outcomes.length))
      }
    } catch (error) {
      for (const waiting of batch) settle(waiting, { ok: false, error })
    }
  }

  /** The next batch of a lot: all that waits, as long as it is not too many. */
  const take = (lot: Lot<Item, Result>): readonly Waiting<Item, Result>[] => {
    if (lot.waiting.length > maxSize) return lot.waiting.splice(0, maxSize)
    const batch = lot.waiting
    lot.waiting = []
    return batch
  }

  const leave = (lot: Lot<Item, Result>): void => {
    lot.timer?.cancel()
    lot.timer = null
    const batch = take(lot)
    if (batch.length > 0) void send(lot.key, batch)
    if (lot.waiting.length === 0) lots.delete(lot.key)
  }

  const leaveWhenBack = async (lot: Lot<Item, Result>): Promise<void> => {
    lot.isOut = true
    // One turn of the microtask queue, so that what the same moment brings leaves together.
    await Promise.resolve()
    while (lot.waiting.length > 0) await send(lot.key, take(lot))
    lots.delete(lot.key)
  }

  const gathered = (lot: Lot<Item, Result>): void => {
    if (leaves === 'when-back') {
      if (!lot.isOut) void leaveWhenBack(lot)
    } else if (lot.waiting.length >= maxSize) leave(lot)
    else lot.timer ??= clock.setTimer(() => leave(lot), maxWaitMs)
  }

  const lotOf = (key: string): Lot<Item, Result> => {
    const present = lots.get(key)
    if (present !== undefined) return present
    const lot = { key, waiting: [], timer: null, isOut: false }
    lots.set(key, lot)
    return lot
  }

  /** Once it is out it is done with the others; only nobody waits for it any more. */
  const withdraw = (lot: Lot<Item, Result>, waiting: Waiting<Item, Result>, reason: Error): void => {
    waiting.reject(reason)
    const place = lot.waiting.indexOf(waiting)
    if (place === -1) return
    lot.waiting.splice(place, 1)
    if (lot.waiting.length > 0 || lot.isOut) return
    lot.timer?.cancel()
    lots.delete(lot.key)
  }

  return {
    add: (item, key = '', signal) => {
      if (signal?.aborted) return Promise.reject(signal.reason as Error)
      return new Promise((resolve, reject) => {
        const lot = lotOf(key)
        const waiting: Waiting<Item, Result> = { item, resolve, reject, stopListening: null }
        if (signal !== undefined) waiting.stopListening = whenAborted(signal, () => withdraw(lot, waiting, signal.reason as Error))
        lot.waiting.push(waiting)
        gathered(lot)
      })
    },
  }
}

function missingOutcome(asked: number, came: number): { readonly ok: false; readonly error: TypeError } {
  return { ok: false, error: new TypeError(`a batch of ${asked} came to ${came} outcomes`) }
}
