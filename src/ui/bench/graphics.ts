// Small pictures made of characters: bars, sparklines, and a curve by nines in braille. Invariant: as many columns and rows as were asked for.

const bars = ' ▁▂▃▄▅▆▇█'

/** As many values as columns at most: of each stretch the highest, or the mean. */
export function resample(values: readonly number[], width: number, how: 'highest' | 'mean'): readonly number[] {
  if (values.length <= width) return values
  return Array.from({ length: width }, (_, index) => {
    const from = Math.floor((index * values.length) / width)
    const stretch = values.slice(from, Math.max(from + 1, Math.floor(((index + 1) * values.length) / width)))
    return how === 'highest' ? Math.max(...stretch) : stretch.reduce((sum, value) => sum + value, 0) / stretch.length
  })
}

/** Columns from zero up to `highest`; rows from the top. Whatever is above zero is seen, and a gap remains to what is drawn above. */
export function columnsChart(values: readonly number[], width: number, height: number, highest = Math.max(...values)): readonly string[] {
  const most = 8 * height - 1
  const levels = values.map((value) => {
    if (!(value > 0) || !(highest > 0)) return 0
    return Math.max(1, Math.round((most * Math.min(value, highest)) / highest))
  })
  return Array.from({ length: height }, (_, row) => {
    const below = 8 * (height - 1 - row)
    // The lowest row always shows that something was measured.
    const least = row === height - 1 ? 1 : 0
    const drawn = levels.map((level) => bars.charAt(Math.max(least, Math.min(8, level - below)))).join('')
    return drawn.padEnd(width)
  })
}

export function bar(share: number, width: number): { readonly done: string; readonly left: string } {
  const filled = Math.max(0, Math.min(2 * width, Math.round(2 * width * share)))
  const done = '━'.repeat(Math.floor(filled / 2)) + (filled % 2 === 1 ? '╸' : '')
  return { done, left: '─'.repeat(width - done.length) }
}

/** Dots of a braille character, by column and row within it. Source: Unicode, Braille Patterns. */
const dots = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const

/** A line through points whose x and y go from 0 to 1, y upwards. */
export function brailleLine(points: readonly (readonly [x: number, y: number])[], width: number, height: number): readonly string[] {
  const cells = new Uint8Array(width * height)
  const wide = 2 * width - 1
  const high = 4 * height - 1
  const put = (x: number, y: number): void => {
    const column = Math.max(0, Math.min(wide, Math.round(x)))
    const row = high - Math.max(0, Math.min(high, Math.round(y)))
    const at = (row >> 2) * width + (column >> 1)
    cells[at] = (cells[at] ?? 0) | (dots[column & 1]?.[row & 3] ?? 0)
  }
  for (const [index, [x, y]] of points.entries()) {
    const [toX, toY] = points[index + 1] ?? [x, y]
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(toX - x) * wide, Math.abs(toY - y) * high)))
    for (let step = 0; step <= steps; step += 1) put((x + ((toX - x) * step) / steps) * wide, (y + ((toY - y) * step) / steps) * high)
  }
  return Array.from({ length: height }, (_, row) =>
    Array.from(cells.subarray(row * width, (row + 1) * width), (cell) => (cell === 0 ? ' ' : String.fromCodePoint(0x2800 + cell))).join(''),
  )
}
