// Every failure that orx explains to a person, and the one table that maps a failure to an exit code.
// Invariant: an OrxError says what was expected, what came, and (hint) what to do next.

/** Exit codes of the command line. 3, 5, 97, 98 and 99 are results, not errors. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  drift: 3,
  credential: 4,
  partial: 5,
  confirm: 6,
  unavailable: 69,
  inconclusive: 97,
  invalid: 98,
  missed: 99,
  timeout: 124,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const exitOfCode = {
  internal: exitCodes.failed,
  failed: exitCodes.failed,
  port_taken: exitCodes.failed,
  not_found: exitCodes.failed,
  quota_exceeded: exitCodes.failed,
  rate_limited: exitCodes.failed,
  bad_request: exitCodes.failed,
  bad_answer: exitCodes.failed,
  provider_error: exitCodes.failed,
  provider_timeout: exitCodes.failed,
  circuit_open: exitCodes.failed,
  cost_limit: exitCodes.failed,
  queue_full: exitCodes.failed,
  output_failed: exitCodes.failed,
  database_failed: exitCodes.failed,
  duplicates: exitCodes.failed,
  usage: exitCodes.usage,
  settings: exitCodes.usage,
  bad_prompt: exitCodes.usage,
  unknown_model: exitCodes.usage,
  unknown_price: exitCodes.usage,
  secret_on_argv: exitCodes.usage,
  home_unwritable: exitCodes.usage,
  plan_stale: exitCodes.drift,
  credential_missing: exitCodes.credential,
  credential_rejected: exitCodes.credential,
  not_authorized: exitCodes.credential,
  confirmation_needed: exitCodes.confirm,
  provider_unreachable: exitCodes.unavailable,
  database_unreachable: exitCodes.unavailable,
  mongod_unavailable: exitCodes.unavailable,
  deadline: exitCodes.timeout,
  aborted: exitCodes.interrupted,
} as const satisfies Record<string, ExitCode>

export type ErrorCode = keyof typeof exitOfCode

export interface OrxErrorOptions {
  /** What to do next, as a sentence a person can act on. */
  readonly hint?: string
  readonly cause?: unknown
}

export class OrxError extends Error {
  override readonly name: string = 'OrxError'
  readonly code: ErrorCode
  readonly hint: string

  constructor(code: ErrorCode, message: string, options: OrxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? 'Run the command again with --verbose to see the cause.'
  }

  get exitCode(): ExitCode {
    return exitOfCode[this.code]
  }
}

/** A one-line account of any thrown value, without its stack. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  if (error instanceof Error) return error.message || error.name
  return String(error)
}

/** The system or driver code of a thrown value or of its cause (`ECONNREFUSED`, `UND_ERR_SOCKET`), if it has one. */
export function systemCodeOf(error: unknown): string | undefined {
  let current: unknown = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    const code: unknown = 'code' in current ? current.code : undefined
    if (typeof code === 'string' && !(current instanceof OrxError)) return code
    current = current instanceof AggregateError ? (current.errors[0] as unknown) : current.cause
  }
  return undefined
}
