// What a question to a model is and what comes back, in no provider's dialect.

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatRequest {
  /** The model's name as its provider knows it, without the provider's prefix. */
  readonly model: string
  readonly messages: readonly ChatMessage[]
  /** The most tokens the answer may have; every call sends one. */
  readonly maxTokens: number
  readonly temperature?: number
  /** `json` asks for one JSON object where the provider can promise it. @default 'text' */
  readonly format?: 'text' | 'json'
  /** Whether the answer comes piece by piece. */
  readonly stream: boolean
}

export interface Usage {
  /** All input tokens, cached ones included. */
  readonly inputTokens: number
  readonly outputTokens: number
  /** The part of inputTokens that the provider's own cache served. */
  readonly cachedInputTokens: number
  /** True where the provider sent no usage and orx counted by bytes. */
  readonly estimated: boolean
}

export interface ChatAnswer {
  readonly text: string
  /** The model that answered, as the provider names it; may be more precise than the one asked. */
  readonly model: string
  readonly finishReason: 'stop' | 'length' | 'other'
  readonly usage: Usage
  /** From sending to the first piece of text; null when not streamed. */
  readonly firstTextMs: number | null
  readonly rateLimit: RateLimitState | null
}

/** What a provider's headers say of its limits. Absent fields were not sent. */
export interface RateLimitState {
  readonly limitRequests?: number
  readonly remainingRequests?: number
  readonly resetRequestsMs?: number
  readonly limitTokens?: number
  readonly remainingTokens?: number
  readonly resetTokensMs?: number
}

/** An upper bound on the input tokens of messages: their UTF-8 bytes and 10 a message. */
export function inputTokensAtMost(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, message) => sum + Buffer.byteLength(message.content) + 10, 0)
}
