// A gate holds what must be held while a request is out: money, a place, a permit, a written intent.
// Invariant: gates are entered in order and settled in reverse, each ticket exactly once; a settle never throws.

export type Settlement = 'ok' | 'error' | 'timeout' | 'aborted' | 'unsent'

export interface Ticket<Result> {
  /** The request has left; what a window counts, it counts from now. */
  sent(): void
  /** Gives back what was held. `result` is there when the request brought one. Never throws. */
  settle(settlement: Settlement, result?: Result): void | Promise<void>
}

export interface Gate<Request, Result> {
  readonly name: string
  /** Resolves when the request may pass; rejects with an OrxError when it may not, or with the signal's reason. */
  enter(request: Request, signal: AbortSignal): Ticket<Result> | Promise<Ticket<Result>>
}

/**
 * One ticket for several gates. When a later gate refuses, the earlier ones are settled as unsent.
 * `onWaiting` hears of a gate that lets the request wait, before it does, and what it returns is called when that is over.
 */
export async function enterAll<Request, Result>(
  gates: readonly Gate<Request, Result>[],
  request: Request,
  signal: AbortSignal,
  onWaiting?: (gate: string) => () => void,
): Promise<Ticket<Result>> {
  const tickets: Ticket<Result>[] = []
  let settled = false
  const settleAll = async (settlement: Settlement, result?: Result): Promise<void> => {
    if (settled) return
    settled = true
    for (let index = tickets.length - 1; index >= 0; index -= 1) {
      const settling = tickets[index]?.settle(settlement, result)
      if (settling instanceof Promise) await settling
    }
  }
  try {
    for (const gate of gates) {
      const entering = gate.enter(request, signal)
      tickets.push(entering instanceof Promise ? await waitFor(entering, onWaiting?.(gate.name)) : entering)
    }
  } catch (error) {
    await settleAll('unsent')
    throw error
  }
  return {
    sent: () => {
      for (const ticket of tickets) ticket.sent()
    },
    settle: settleAll,
  }
}

async function waitFor<T>(entering: Promise<T>, onOver: (() => void) | undefined): Promise<T> {
  try {
    return await entering
  } finally {
    onOver?.()
  }
}
