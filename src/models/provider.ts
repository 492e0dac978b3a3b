// The port that every wire format implements, and the typed failure that the retry loop, the exit codes and the ledger read.
import { OrxError, type ErrorCode, type OrxErrorOptions } from '../core/errors.ts'
import type { ChatAnswer, ChatRequest } from './chat.ts'

export interface Provider {
  /** `openai`, `xai`, `openrouter`, `local`, `simulated` ... the prefix of its models' names. */
  readonly name: string
  /** What cache keys name it by: the name, and for the simulated provider its seed (`simulated:1`). */
  readonly identity: string
  readonly baseUrl: string
  /**
   * Asks one model once. `onText` hears each piece as it comes (streaming only).
   * Rejects with ProviderError, or with the signal's reason when that aborts.
   */
  chat(request: ChatRequest, signal: AbortSignal, onText?: (piece: string) => void): Promise<ChatAnswer>
  /** The names of the models it serves, without prefix. */
  listModels(signal: AbortSignal): Promise<readonly string[]>
  close(): Promise<void>
}

/** Why a provider failed. `unreachable`: refused, DNS, TLS; `quota`: 402 or insufficient_quota; `bad-answer`: HTML, broken JSON, cut stream, empty text. */
export type ProviderFailure =
  | 'credential'
  | 'quota'
  | 'rate-limited'
  | 'bad-request'
  | 'unknown-model'
  | 'unreachable'
  | 'overloaded'
  | 'timeout'
  | 'bad-answer'
  | 'too-large'

const codeOf: Record<ProviderFailure, ErrorCode> = {
  'credential': 'credential_rejected',
  'quota': 'quota_exceeded',
  'rate-limited': 'rate_limited',
  'bad-request': 'bad_request',
  'unknown-model': 'not_found',
  'unreachable': 'provider_unreachable',
  'overloaded': 'provider_error',
  'timeout': 'provider_timeout',
  'bad-answer': 'bad_answer',
  'too-large': 'bad_answer',
}

export interface ProviderErrorOptions extends OrxErrorOptions {
  readonly status?: number
  /** What Retry-After asked for, in ms. */
  readonly retryAfterMs?: number
  /** Whether another try of the same request may succeed. */
  readonly retryable: boolean
  /** False only when it is certain that the provider never saw the request (and so charges nothing). */
  readonly sent: boolean
}

export class ProviderError extends OrxError {
  override readonly name = 'ProviderError'
  readonly failure: ProviderFailure
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly retryable: boolean
  readonly sent: boolean

  constructor(failure: ProviderFailure, message: string, options: ProviderErrorOptions) {
    super(codeOf[failure], message, options)
    this.failure = failure
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
    this.retryable = options.retryable
    this.sent = options.sent
  }
}
