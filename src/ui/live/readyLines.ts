// Lines that are laid out and styled before Ink sees them. Ink takes each line apart into characters, measures them and puts them together again,
// every frame, and keeps what it measured for ever: 20 ms and more for 120 x 40, most of it for what is the same as before. So it is given one mark a
// line, and each mark is replaced by its line on the way to the terminal. Invariant: a line must fit the screen by itself.

export interface ReadyLines {
  /** What Ink draws in their place. Another frame has other marks, or Ink would see no change. */
  marksOf(lines: readonly string[]): string
  /** What goes to the terminal. */
  written(text: string): string
}

/** Private use characters: one column each, and nothing else that Ink draws has them. Source: Unicode, private use area of plane 0. */
const firstMark = 0xe000
const mostLines = 400
const frames = 16
const marks = /[\ue000-\uf8ff]/g

export function makeReadyLines(): ReadyLines {
  let ready: readonly string[] = []
  let frame = 0
  return {
    marksOf: (lines) => {
      ready = lines.slice(0, mostLines)
      frame = (frame + 1) % frames
      return ready.map((_, index) => String.fromCodePoint(firstMark + frame * mostLines + index)).join('\n')
    },
    written: (text) => text.replaceAll(marks, (mark) => ready[((mark.codePointAt(0) ?? firstMark) - firstMark) % mostLines] ?? ''),
  }
}
