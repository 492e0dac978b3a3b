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
  let text = ''
  // A fixed number of parts comes before the messages.
  for (const part of [order.scope, provider.identity, provider.baseUrl, model, order.promptVersion, role, format]) text += keyPart(part)
  for (const part of [maxTokens, temperature, iteration, sample]) text += keyPart(String(part))
  for (const message of messages) text += keyPart(message.role) + keyPart(message.content)
  return hash('sha256', text, 'base64url')
}

/** A part that ends where it says; JSON would have to look at every character of a prompt. Half a surrogate pair has no UTF-8, so that is spelt out. */
function keyPart(part: string): string {
  return part.isWellFormed() ? `${part.length}:${part}` : `json:${keyPart(JSON.stringify(part))}`
}
