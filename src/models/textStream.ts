// The text of a streamed answer as it grows. Invariant: it is bounded in size, and a stream that only drips is given up.
import type { Clock } from '../core/runtime.ts'
import { timedOut, tooLarge, type Peer } from './failures.ts'
import type { Guards } from './http.ts'

export interface TextStream {
  /** Takes the next piece and tells the listener. Throws ProviderError beyond a bound. */
  add(piece: string): void
  text(): string
  /** From sending to the first piece; null before. */
  firstTextMs(): number | null
}

/** A rate is judged once this much time has gone since the first piece. */
const settlingMs = 10_000

export function makeTextStream(peer: Peer, guards: Guards, clock: Clock, onText: (piece: string) => void): TextStream {
  const sentMs = clock.monotonicMs()
  const pieces: string[] = []
  let bytes = 0
  let firstAtMs: number | null = null
  return {
    add: (piece) => {
      if (piece === '') return
      const nowMs = clock.monotonicMs()
      firstAtMs ??= nowMs
      pieces.push(piece)
      bytes += Buffer.byteLength(piece)
      if (bytes > guards.answerBytes) throw tooLarge(peer, guards.answerBytes)
      const seconds = (nowMs - firstAtMs) / 1_000
      if (seconds * 1_000 > settlingMs && bytes / seconds < guards.leastBytesPerSecond) {
        throw timedOut(peer, `it sends ${(bytes / seconds).toFixed(1)} bytes a second, less than ${guards.leastBytesPerSecond}`)
      }
      onText(piece)
    },
    text: () => pieces.join(''),
    firstTextMs: () => (firstAtMs === null ? null : firstAtMs - sentMs),
  }
}
