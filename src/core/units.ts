// The only place where units are converted: durations, sizes, money. Names elsewhere carry their unit.
import { OrxError } from './errors.ts'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `250ms`, `30s`, `2m`, `1h` as ms. Throws usage for anything else, a bare number included. */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim())
  const unit = match?.[2] as keyof typeof unitMs | undefined
  const valueMs = match && unit ? Number(match[1]) * unitMs[unit] : Number.NaN
  if (!Number.isFinite(valueMs) || valueMs > 2_147_483_647) {
    throw new OrxError('usage', `${what}: expected a duration such as 250ms, 30s or 2m, got "${text}"`, {
      hint: `Write a number with its unit: ${what} 30s`,
    })
  }
  return valueMs
}

const two = (value: number): string => String(value).padStart(2, '0')

/** A duration for people: `38 ms`, `4.2 s`, `2 m 05 s`, `24 h 00 m`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`
}

/** USD for people: `$0.0042`, `unknown` for null. */
export function formatUsd(usd: number | null): string {
  if (usd === null) return 'unknown'
  if (usd === 0) return '$0'
  // Two digits that count, never an exponent.
  const digits = usd < 0.01 ? Math.min(12, 1 - Math.floor(Math.log10(usd))) : usd < 1 ? 4 : 2
  return `$${usd.toFixed(digits)}`
}

/** A size for people: `140.8 MB` (decimal units). */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`
}
