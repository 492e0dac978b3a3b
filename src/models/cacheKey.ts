// The key of an answer in the cache. Invariant: two orders have the same key only when the same answer is right for both.
import { hash } from 'node:crypto'
import type { CallOrder } from './caller.ts'
import type { Provider } from './provider.ts'

/** What of an order its answer hangs on. */
export type KeyedOrder = Pick<CallOrder, 'scope' | 'promptVersion' | 'step' | 'request'>

/** Everything an answer hangs on. The thread is not part of it: the same question in another run has the same answer. */
export function cacheKeyOf(provider: Pick<Provider, 'identity' | 'baseUrl'>, order: KeyedOrder, model: string): string {
  const { maxTokens, temperature, format = 'text', messages } = order.request
  const { role, iteration, sample } = order.step
  // A fixed number of parts comes before the messages.
  let text =
    keyPart(order.scope) +
    keyPart(provider.identity) +
    keyPart(provider.baseUrl) +
    keyPart(model) +
    keyPart(order.promptVersion) +
    keyPart(role)
  text += `${format} ${maxTokens} ${temperature} ${iteration} ${sample} `
  for (const message of messages) text += keyPart(message.role) + keyPart(message.content)
  // Half a surrogate pair has no UTF-8, so that is spelt out; no text begins with the quotation mark of that.
  return hash('sha256', text.isWellFormed() ? text : JSON.stringify(text), 'base64url')
}

/** A part that ends where it says; JSON would have to look at every character of a prompt. */
function keyPart(part: string): string {
  return `${part.length}:${part}`
}
