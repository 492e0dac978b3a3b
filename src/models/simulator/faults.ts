// Faults that the simulated provider shows on demand, so that what must survive them can be seen to.
import { OrxError } from '../../core/errors.ts'
import { seededRandom } from '../../core/random.ts'

const faultKinds = ['401', '429', '500', 'reset', 'hang', 'html', 'empty', 'cut'] as const
export type Fault = (typeof faultKinds)[number]

/** The fault of the n-th coming (from 1) of a request, or null. `hash` is that of the request. */
export type FaultPlan = (hash: string, coming: number) => Fault | null

export const noFaults: FaultPlan = () => null

/** `429:0.1,cut:0.05`: each kind with its share of the requests. Throws `usage` for what is no such list. */
export function parseFaults(text: string, what: string): FaultPlan {
  const shares = text.split(',').map((part): readonly [Fault, number] => {
    const [, name, shareText] = /^\s*(\w+):(\d+|\d*\.\d+)\s*$/.exec(part) ?? []
    const kind = faultKinds.find((candidate) => candidate === name)
    const share = Number(shareText)
    if (kind === undefined || !(share <= 1)) {
      throw new OrxError('usage', `${what}: expected kinds with their shares from 0 to 1, got "${part}"`, {
        hint: `For example ${what} 429:0.1,cut:0.05. Kinds: ${faultKinds.join(', ')}.`,
      })
    }
    return [kind, share]
  })
  // 0.01 + 0.2 + 0.68 + 0.11 is a little more than 1 in floating point.
  if (shares.reduce((sum, [, share]) => sum + share, 0) > 1 + 1e-9)
    throw new OrxError('usage', `${what}: the shares add up to more than 1`, { hint: 'Lower some.' })
  return (hash, coming) => {
    let draw = seededRandom(`${hash}/${coming}`)()
    for (const [kind, share] of shares) {
      if (draw < share) return kind
      draw -= share
    }
    return null
  }
}

/** Counts how often each request has come, this time included. It knows the last `limit` requests, so a long life needs no more memory. */
export function makeComings(limit: number): (hash: string) => number {
  const comings = new Map<string, number>()
  return (hash) => {
    const coming = (comings.get(hash) ?? 0) + 1
    comings.delete(hash)
    comings.set(hash, coming)
    const [oldest] = comings.keys()
    if (comings.size > limit && oldest !== undefined) comings.delete(oldest)
    return coming
  }
}
