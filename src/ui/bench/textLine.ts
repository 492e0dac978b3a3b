// Lines of a screen as pieces of styled text, and how they are fitted. Invariant: what `fit` returns takes exactly the columns that were asked for.
import { styleText } from 'node:util'
import stringWidth from 'string-width'
import { sanitiseLine } from '../sanitise.ts'

export type Hue = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'inverse'

export interface Span {
  readonly text: string
  readonly hues: readonly Hue[]
}

export type Line = readonly Span[]

export const span = (text: string, ...hues: readonly Hue[]): Span => ({ text, hues })

const segmenter = new Intl.Segmenter()
// What is written here is mostly of one column each: ASCII, box drawing, blocks, braille, a few marks.
const isPlain = /^[\u0020-\u007e\u00b1\u00b5\u00b7\u2026\u2190-\u2193\u2500-\u259f\u25b8\u25cf\u2713\u2717\u2800-\u28ff]*$/

export function widthOf(text: string): number {
  return isPlain.test(text) ? text.length : stringWidth(text)
}

/** Its beginning, with an ellipsis where something is left out; at most `width` columns. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width <= 1) return width === 1 ? '…' : ''
  let kept = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    const size = widthOf(segment)
    if (used + size > width - 1) break
    kept += segment
    used += size
  }
  return `${kept}…`
}

export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = cut(text, width)
  const blank = ' '.repeat(Math.max(0, width - widthOf(shown)))
  return align === 'left' ? shown + blank : blank + shown
}

/** A name or a message that somebody else wrote. */
export const foreign = (text: string): string => sanitiseLine(text)

export function lineWidth(line: Line): number {
  return line.reduce((sum, { text }) => sum + widthOf(text), 0)
}

/** Exactly `width` columns of it. */
export function fitLine(line: Line, width: number): Line {
  const fitted: Span[] = []
  let left = width
  for (const { text, hues } of line) {
    const size = widthOf(text)
    if (size > left) {
      fitted.push({ text: cut(text, left), hues })
      left -= widthOf(cut(text, left))
      break
    }
    fitted.push({ text, hues })
    left -= size
  }
  return left > 0 ? [...fitted, span(' '.repeat(left))] : fitted
}

/** The left one at the left edge, the right one at the right edge; the left one gives way. */
export function spread(left: Line, right: Line, width: number): Line {
  const rightWidth = lineWidth(right)
  if (rightWidth > width) return fitLine(left, width)
  return rightWidth === 0 ? fitLine(left, width) : [...fitLine(left, Math.max(0, width - rightWidth)), ...right]
}

/** Two blocks side by side, the shorter one filled up. */
export function beside(left: readonly Line[], leftWidth: number, right: readonly Line[], rightWidth: number): readonly Line[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => [
    ...fitLine(left[index] ?? [], leftWidth),
    span('  '),
    ...fitLine(right[index] ?? [], rightWidth),
  ])
}

/** `─ title ───────── note ─` */
export function rule(title: string, note: string, width: number): Line {
  const head = cut(title, Math.max(0, width - 4))
  const right = note !== '' && widthOf(head) + widthOf(note) + 8 <= width ? ` ${note} ─` : ''
  const dashes = Math.max(0, width - widthOf(head) - 3 - widthOf(right))
  if (width < 4) return [span('─'.repeat(width), 'dim')]
  return [span('─ ', 'dim'), span(head, 'bold'), span(` ${'─'.repeat(dashes)}${right}`, 'dim')]
}

/** With SGR sequences where colour is wanted, without any otherwise. */
export function paint(line: Line, color: boolean): string {
  const pieces = line.map(({ text, hues }) => (color && hues.length > 0 ? styleText([...hues], text, { validateStream: false }) : text))
  return pieces.join('').trimEnd()
}
