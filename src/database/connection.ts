// The one way to a MongoDB server: documented pool, timeouts that end in time, errors a person can act on.
// Invariant: with a server that has stopped answering, every operation ends within 10 s; no password is ever printed.
import {
  MongoBulkWriteError,
  MongoClient,
  MongoDriverError,
  MongoError,
  MongoNetworkError,
  MongoParseError,
  MongoServerError,
  MongoServerSelectionError,
  ReadPreference,
  type Db,
  type MongoClientOptions,
} from 'mongodb'
import { messageOf, OrxError } from '../core/errors.ts'
import { redactUris } from '../core/redact.ts'
import { deadlineAfter, untilAborted, type Clock } from '../core/runtime.ts'

export interface Database {
  readonly client: MongoClient
  /** Reads the primary, whatever the URI prefers: what was acknowledged is seen. */
  readonly db: Db
  /** The same database for analytics and listings: reads from a secondary where there is one, or as the URI prefers. */
  readonly reads: Db
  readonly name: string
  /** One round trip, in ms. */
  ping(signal?: AbortSignal): Promise<number>
  /** Ends within a second, also when the server does not answer. */
  close(): Promise<void>
}

export interface ConnectOptions {
  readonly uri: string
  /** @default the URI's path, else `orchestratex` */
  readonly dbName?: string
  /** Named in the server's logs and in its list of connections. */
  readonly appName: string
  /** Connections at most, for a process that shares the documented 50 with others. A number in the URI wins. @default 40 */
  readonly maxPoolSize?: number
  /** For what takes minutes, such as an index build: no socket is closed because it is silent. @default false */
  readonly patient?: boolean
  readonly clock: Clock
}

/** The database where the URI names none. */
const defaultName = 'orchestratex'
/** Source: the MongoDB manual, Naming Restrictions. */
const possibleName = /^[^/\\. "$*<>:|?\0]{1,63}$/

/** How long an operation without a signal of its own may take, ms: below the 10 s in which every command ends. */
const operationBoundMs = 8_000

/**
 * The documented pool (at most 50; 40 leaves room for the driver's own monitors, so that the server counts fewer than 50) and times that
 * are upper bounds: connect and heartbeat of 2 s are what ends a call to a frozen server in 7 s, while a query of several seconds lives.
 */
const pool = {
  maxIdleTimeMS: 45_000,
  retryReads: true,
  retryWrites: true,
  w: 'majority',
} as const
const mostConnections = 40
const leastConnections = 5

const mostMs = {
  connectTimeoutMS: 2_000,
  heartbeatFrequencyMS: 2_000,
  serverSelectionTimeoutMS: 3_000,
  socketTimeoutMS: 20_000,
  waitQueueTimeoutMS: 3_000,
} as const

/** What the URI says wins for the pool; a time in it may only be shorter than ours. */
function optionsFor(uri: string, appName: string, maxPoolSize: number, patient: boolean): MongoClientOptions {
  const query = new URLSearchParams(uri.slice(uri.indexOf('?') + 1 || uri.length))
  const stated = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]))
  // The driver refuses a pool whose least is above its most.
  const most = Number(stated.get('maxpoolsize') ?? maxPoolSize)
  const own = Object.entries({ ...pool, maxPoolSize, minPoolSize: most > 0 ? Math.min(leastConnections, most) : leastConnections })
  const times = Object.entries(mostMs).map(([name, ms]) => {
    const statedMs = Number(stated.get(name.toLowerCase()))
    return [name, statedMs > 0 ? Math.min(statedMs, ms) : ms]
  })
  const wide = Object.fromEntries(own.filter(([name]) => !stated.has(name.toLowerCase())))
  return { ...wide, ...Object.fromEntries(times), ...(patient && { socketTimeoutMS: 0 }), appName }
}

/** The database that a URI's path names, or null. */
function nameInUri(uri: string): string | null {
  const path = /^[a-z+]+:\/\/[^/]*\/([^?]*)/i.exec(uri)?.[1]
  return path ? decodeURIComponent(path) : null
}

/** Connects and pings. Rejects with an OrxError within seconds when the server is not there, does not answer or refuses the user. */
export async function connectDatabase(
  { uri, dbName, appName, maxPoolSize = mostConnections, patient = false, clock }: ConnectOptions,
  signal: AbortSignal,
): Promise<Database> {
  let client: MongoClient
  let name: string
  try {
    client = new MongoClient(uri, optionsFor(uri, appName, maxPoolSize, patient))
    name = dbName ?? nameInUri(uri) ?? defaultName
    if (!possibleName.test(name)) throw new Error(`"${name}" is no name that a database can have`)
  } catch (error) {
    throw new OrxError('settings', `the MongoDB URI or database name cannot be used: ${redactUris(messageOf(error))}`, {
      hint: 'A URI looks like mongodb://user:password@host:27017/orchestratex?authSource=admin; set it as ORX_MONGODB_URI.',
    })
  }
  const close = async (): Promise<void> => {
    // A frozen server is told goodbye only as long as it takes an answering one.
    await bounded(clock, 1_000, () => client.close()).catch(() => undefined)
  }
  const ping = async (pingSignal?: AbortSignal): Promise<number> => {
    const fromMs = clock.monotonicMs()
    await bounded(clock, operationBoundMs, () => client.db(name).command({ ping: 1 }), pingSignal)
    return clock.monotonicMs() - fromMs
  }
  try {
    await ping(signal)
  } catch (error) {
    await close()
    throw databaseError(error)
  }
  return {
    client,
    db: client.db(name, { readPreference: ReadPreference.PRIMARY }),
    reads: client.db(name, {
      readPreference: client.readPreference.mode === 'primary' ? ReadPreference.SECONDARY_PREFERRED : client.readPreference,
    }),
    name,
    ping,
    close,
  }
}

/**
 * Gives an operation an end. Rejects with `database_unreachable` after boundMs, or with the signal's reason.
 * An operation that takes no signal goes on behind it: of a write that ran out of time the outcome is unknown.
 */
export async function bounded<T>(
  clock: Clock,
  boundMs: number,
  operation: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const expired = (): OrxError => unreachable(`MongoDB has not answered within ${Math.max(0, Math.round(boundMs))} ms`)
  const deadline = deadlineAfter(clock, boundMs, expired, signal)
  try {
    return await untilAborted(operation(deadline.signal), deadline.signal)
  } finally {
    deadline.cancel()
  }
}

function unreachable(message: string, cause?: unknown): OrxError {
  return new OrxError('database_unreachable', message, {
    hint: 'Check that the server runs and that ORX_MONGODB_URI is right (orx db:status), or run without a database: --db none.',
    cause,
  })
}

/** A server that is going away, or that a caller reached at the wrong moment of an election. Source: MongoDB's error codes. */
export const passingCodes: ReadonlySet<unknown> = new Set([91, 189, 10107, 11600, 11602, 13435, 13436])
const rejectedCodes: ReadonlySet<unknown> = new Set([18, 8000])
const notAuthorizedCode = 13

/** What the driver threw, as an error with a code, a hint and no password in it. */
export function databaseError(error: unknown): OrxError {
  if (error instanceof OrxError) return error
  // The driver wraps what kept a bulk write from the server, as if the server had said it.
  if (error instanceof MongoBulkWriteError && error.errorResponse instanceof MongoError) return databaseError(error.errorResponse)
  const message = redactUris(messageOf(error))
  if (error instanceof MongoServerError) {
    if (rejectedCodes.has(error.code)) {
      return new OrxError('credential_rejected', `MongoDB rejected the user or the password: ${message}`, {
        hint: 'Check the user, the password and authSource in ORX_MONGODB_URI.',
        cause: error,
      })
    }
    if (error.code === notAuthorizedCode) {
      // The server quotes the whole command, with the values of its filter.
      const told = message.replace(/ to execute command \{ ?"?(\w+)[\s\S]*$/, ' to execute $1')
      return new OrxError('not_authorized', `the MongoDB user lacks a privilege: ${told}`, {
        hint: 'Grant the role that the README names, or use another user in ORX_MONGODB_URI.',
        cause: error,
      })
    }
    if (passingCodes.has(error.code)) return unreachable(`MongoDB cannot answer now: ${message}`, error)
  }
  // A rejected login closes the pool: what waits for a connection hears of it only as a cause.
  if (error instanceof MongoError && error.cause instanceof MongoServerError && rejectedCodes.has(error.cause.code)) {
    return databaseError(error.cause)
  }
  if (error instanceof MongoParseError) {
    return new OrxError('settings', `the MongoDB URI cannot be used: ${message}`, { hint: 'Correct ORX_MONGODB_URI.', cause: error })
  }
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError || isLostConnection(error)) {
    return unreachable(`MongoDB cannot be reached: ${message}`, error)
  }
  return new OrxError('database_failed', `MongoDB refused an operation: ${message}`, {
    hint: 'Run it again with --verbose to see the cause.',
    cause: error,
  })
}

const lostConnectionNames =
  /PoolCleared|PoolClosed|WaitQueueTimeout|NotConnected|TopologyClosed|OperationTimeout|ClientClosed|ExpiredSession/

const lostSocketCodes = /^(?:EPIPE|ECONNRESET|ECONNABORTED|ETIMEDOUT|ERR_SOCKET_CLOSED|ERR_STREAM_\w+)$/

/** The driver lets Node's own error through when the other side ended a socket that it was about to write to. */
export function isLostSocket(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && lostSocketCodes.test(error.code)
}

function isLostConnection(error: unknown): boolean {
  return (error instanceof MongoDriverError && lostConnectionNames.test(error.name)) || isLostSocket(error)
}
