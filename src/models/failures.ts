// What went wrong between us and a provider, as one kind of error. Invariant: no key and no control character in a message.
import { messageOf, systemCodeOf } from '../core/errors.ts'
import { makeRedactor } from '../core/redact.ts'
import type { Secret } from '../core/secret.ts'
import { parseRetryAfter } from '../traffic/retryAfter.ts'
import { ProviderError, type ProviderFailure } from './provider.ts'

/** What an error message says of the other side. */
export interface Peer {
  readonly provider: string
  readonly baseUrl: string
  /** The variable that holds its key: for the hint. */
  readonly keyVariable: string
  /** Some say the key that they refuse again: it must not come into the record either, which others read. */
  readonly key: Secret | null
}

// oxlint-disable-next-line no-control-regex -- they are what is taken out
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\s]+/g

/** A piece of what came, safe for one line. */
function excerpt(text: string, { key }: Peer): string {
  const redact = makeRedactor(key === null ? [] : [key.reveal()])
  const clean = redact(text.slice(0, 2_000)).slice(0, 400).replace(unprintable, ' ').trim()
  return clean.length > 160 ? `${clean.slice(0, 160)}...` : clean
}

const refusedCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_INVALID_URL',
])
const timeoutCodes: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const tlsCode = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/

/** What undici or the system threw while a request was under way. */
export function networkFailure(error: unknown, peer: Peer): ProviderError {
  if (error instanceof ProviderError) return error
  const code = systemCodeOf(error) ?? ''
  const { provider, baseUrl } = peer
  if (refusedCodes.has(code)) {
    return new ProviderError('unreachable', `${provider} cannot be reached at ${baseUrl}: ${code}`, {
      hint: `Check that a server runs at ${baseUrl} and that this machine reaches it.`,
      cause: error,
      retryable: code !== 'ENOTFOUND' && code !== 'ERR_INVALID_URL',
      sent: false,
    })
  }
  if (tlsCode.test(code)) {
    return new ProviderError('unreachable', `${provider} at ${baseUrl} cannot be trusted: ${code}`, {
      hint: 'Check the clock and the certificates of this machine (NODE_EXTRA_CA_CERTS for a company proxy), and that the base URL is right.',
      cause: error,
      retryable: false,
      sent: false,
    })
  }
  if (timeoutCodes.has(code)) return timedOut(peer, 'it sent nothing for too long', error)
  return new ProviderError('bad-answer', `the connection to ${provider} broke: ${code || excerpt(messageOf(error), peer)}`, {
    hint: 'It is tried again where that may help; if it stays so, ask another model.',
    cause: error,
    retryable: true,
    sent: true,
  })
}

export function timedOut({ provider }: Peer, why: string, cause?: unknown): ProviderError {
  return new ProviderError('timeout', `${provider} did not answer in time: ${why}`, {
    hint: 'Try again, ask another model, or lower --max-tokens.',
    cause,
    retryable: true,
    sent: true,
  })
}

export function badAnswer(peer: Peer, what: string, came: string, retryable = true): ProviderError {
  const { provider } = peer
  const received = came === '' ? '' : `, got: ${excerpt(came, peer)}`
  return new ProviderError('bad-answer', `${provider}: expected ${what}${received}`, {
    hint: `Check the base URL and the model; ${provider} did not speak as its format says.`,
    retryable,
    sent: true,
  })
}

export function tooLarge({ provider }: Peer, limitBytes: number): ProviderError {
  return new ProviderError('too-large', `${provider} sent more than ${limitBytes} bytes for one answer`, {
    hint: 'Lower --max-tokens.',
    retryable: false,
    sent: true,
  })
}

/** What a provider says of an error in its body. */
export interface Complaint {
  readonly message: string
  /** `type` and `code` of the error object, whatever is there. */
  readonly kinds: readonly string[]
}

export interface StatusFailure extends Peer {
  /** Null where the stream had begun with 200. */
  readonly status: number | null
  readonly complaint: Complaint
  readonly retryAfter: string | undefined
  readonly model: string
  readonly nowMs: number
}

const kindWords: readonly (readonly [RegExp, ProviderFailure])[] = [
  [/insufficient_quota|billing|credit/, 'quota'],
  [/authentication_error|invalid_api_key|permission_error/, 'credential'],
  [/rate_limit/, 'rate-limited'],
  [/overloaded|server_error|api_error|unavailable/, 'overloaded'],
  [/not_found|model_not_found/, 'unknown-model'],
  [/invalid_request|context_length/, 'bad-request'],
]

function failureOf({ status, complaint: { message, kinds } }: StatusFailure): ProviderFailure {
  const said = kindWords.find(([words]) => kinds.some((kind) => words.test(kind)))?.[1]
  if (said === 'quota' || status === 402) return 'quota'
  if (status === 401 || status === 403) return 'credential'
  if (status === 404) return 'unknown-model'
  if (status === 429 || status === 408) return 'rate-limited'
  if (status !== null && status >= 500) return 'overloaded'
  // xAI says 400 for a wrong key.
  if (status === 400) return /incorrect api key|invalid api key/i.test(message) ? 'credential' : 'bad-request'
  return said ?? (status === null ? 'overloaded' : 'bad-request')
}

const hints: Readonly<Record<ProviderFailure, (failure: StatusFailure) => string>> = {
  'credential': ({ keyVariable }) => `Check ${keyVariable}: it is missing, wrong, or may not use this model.`,
  'quota': ({ provider }) => `The account at ${provider} has no credit left; asking again does not help.`,
  'rate-limited': () => 'Wait a minute, or ask fewer models at once.',
  'bad-request': () => 'Check --models, --max-tokens and the length of the prompt.',
  'unknown-model': ({ model, provider }) => `Check the name: ${provider} has no model ${model}, or your key may not use it.`,
  'unreachable': ({ baseUrl }) => `Check that a server runs at ${baseUrl}.`,
  'overloaded': ({ provider }) => `${provider} has trouble; try again later, or ask another model.`,
  'timeout': () => 'Try again, or ask another model.',
  'bad-answer': () => 'Check the base URL.',
  'too-large': () => 'Lower --max-tokens.',
}

const retryableFailures: ReadonlySet<ProviderFailure> = new Set<ProviderFailure>(['rate-limited', 'overloaded'])

/** An error that the provider stated: by its status, or in a body that came with 200. */
export function statedFailure(stated: StatusFailure): ProviderError {
  const { provider, status, complaint, retryAfter, nowMs } = stated
  const failure = failureOf(stated)
  const retryAfterMs = parseRetryAfter(retryAfter, nowMs)
  return new ProviderError(
    failure,
    `${provider} answered ${status === null ? 'with an error' : `with status ${status}`}: ${excerpt(complaint.message, stated) || 'no reason given'}`,
    {
      hint: hints[failure](stated),
      ...(status === null ? {} : { status }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      retryable: retryableFailures.has(failure),
      sent: true,
    },
  )
}
