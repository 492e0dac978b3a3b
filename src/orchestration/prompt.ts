// What may be asked: a prompt alone, or a file with one prompt a line. Invariant: bytes become a prompt here and nowhere else.
import { z } from 'zod'
import { OrxError } from '../core/errors.ts'

/** 1 MiB of UTF-8. */
export const promptSizeLimitBytes = 1_048_576

const isBlank = (text: string): boolean => text.trim() === ''

/** A prompt that stood on the command line. There, bytes that are no UTF-8 have become U+FFFD already. */
export function promptOfWord(word: string): string {
  if (word.includes('\ufffd')) throw notUtf8('the prompt')
  return checked(word, 'the prompt')
}

/** A prompt from standard input. Throws OrxError `bad_prompt` for bytes that are no prompt. */
export function promptOfBytes(bytes: Uint8Array): string {
  return checked(decoded(bytes, 'the prompt on standard input'), 'the prompt on standard input')
}

function notUtf8(what: string): OrxError {
  return new OrxError('bad_prompt', `${what} is not valid UTF-8`, {
    hint: 'Convert it first, for example: iconv -f latin1 -t utf-8 prompt.txt | orx run -',
  })
}

function decoded(bytes: Uint8Array, what: string): string {
  if (bytes.byteLength > promptSizeLimitBytes) throw tooLarge(what, bytes.byteLength)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw notUtf8(what)
    throw error
  }
}

function tooLarge(what: string, sizeBytes: number): OrxError {
  return new OrxError('bad_prompt', `${what} has ${sizeBytes} bytes; at most 1 MiB (${promptSizeLimitBytes}) is taken`, {
    hint: 'Shorten it, or split it into several prompts.',
  })
}

function checked(text: string, what: string): string {
  if (isBlank(text))
    throw new OrxError('bad_prompt', `${what} is empty`, {
      hint: 'Say what is to be answered: orx run "Explain two-phase commit", or: orx run - < prompt.txt',
    })
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > promptSizeLimitBytes) throw tooLarge(what, sizeBytes)
  return text
}

export interface PromptLine {
  /** Where it stands in the file, from 1. */
  readonly line: number
  readonly id: string | null
  readonly prompt: string
  readonly domain: string | null
  /** 1-10; null: the run's own. */
  readonly priority: number | null
}

export interface BrokenLine {
  readonly line: number
  readonly id: string | null
  readonly error: OrxError
}

function lineSchema(domains: readonly string[]) {
  return z.strictObject({
    prompt: z.string(),
    id: z.string().min(1).max(200).optional(),
    domain: z.enum(domains as [string, ...string[]]).optional(),
    priority: z.int().min(1).max(10).optional(),
  })
}

/** Reads one line of a prompts file; null for a blank one. Never throws. */
export function promptOfLine(bytes: Uint8Array, line: number, domains: readonly string[]): PromptLine | BrokenLine | null {
  const what = `line ${line}`
  let id: string | null = null
  try {
    const text = decoded(bytes, what)
    if (isBlank(text)) return null
    const value = parsedJson(text, what)
    id = idOf(value)
    const result = lineSchema(domains).safeParse(value)
    if (!result.success) {
      const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'line'}: ${issue.message}`)
      throw new OrxError('bad_prompt', `${what}: ${problems.join('; ')}`, {
        hint: 'Each line is {"prompt": "...", "id"?, "domain"?, "priority"?: 1-10}.',
      })
    }
    const { prompt, domain = null, priority = null } = result.data
    return { line, id, prompt: checked(prompt, `${what}: the prompt`), domain, priority }
  } catch (error) {
    if (error instanceof OrxError) return { line, id, error }
    throw error
  }
}

function parsedJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new OrxError('bad_prompt', `${what}: expected a JSON object, got text that is no JSON`, {
      hint: 'Each line is {"prompt": "...", "id"?, "domain"?, "priority"?: 1-10}.',
      cause: error,
    })
  }
}

function idOf(value: unknown): string | null {
  return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' ? value.id : null
}

/** Splits bytes at newlines; a last line without one counts, and a byte order mark is dropped. */
export function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (start < bytes.byteLength) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.byteLength : newline
    yield bytes.subarray(start, end)
    start = end + 1
  }
}
