// A provider for tests that answers by a function instead of a network. Invariant: it keeps every request it received.
import type { ChatRequest } from './chat.ts'
import type { Provider } from './provider.ts'

export interface ScriptedProvider extends Provider {
  readonly received: readonly ChatRequest[]
}

export type Script = (request: ChatRequest, signal: AbortSignal, onText: (piece: string) => void) => string | Promise<string>

/** Tokens are counted as a quarter of the characters, as no real tokenizer would. */
export function scriptedProvider(name: string, script: Script): ScriptedProvider {
  const received: ChatRequest[] = []
  const tokens = (text: string): number => Math.ceil(text.length / 4)
  return {
    name,
    identity: name === 'simulated' ? 'simulated:1' : name,
    baseUrl: `http://127.0.0.1/${name}`,
    received,
    chat: async (request, signal, onText) => {
      received.push(request)
      const text = await script(request, signal, onText ?? (() => undefined))
      return {
        text,
        model: request.model,
        finishReason: 'stop',
        usage: {
          inputTokens: request.messages.reduce((sum, message) => sum + tokens(message.content), 0),
          outputTokens: tokens(text),
          cachedInputTokens: 0,
          estimated: false,
        },
        firstTextMs: null,
        rateLimit: null,
      }
    },
    listModels: async () => [],
    close: async () => undefined,
  }
}
