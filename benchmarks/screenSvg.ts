// A screen of a terminal as SVG. Understands what tmux captures of orx: text, the sixteen colours, bold, dim, inverse. Bars, lines and braille are
// drawn as shapes, so that they look the same with any font.

const cellWidth = 8
const cellHeight = 17
const margin = 14
const bar = 30

interface Look {
  readonly color: string
  readonly back: string | null
  readonly isBold: boolean
}

interface Cell {
  readonly character: string
  readonly look: Look
}

const plain = { text: '#d7dde4', dim: '#7d8894', back: '#0d1117', frame: '#30363d', title: '#8b949e' } as const
const colors = ['#484f58', '#ff7b72', '#56d364', '#e3b341', '#6cb6ff', '#d2a8ff', '#4fd1d9', '#d7dde4'] as const

interface Pen {
  color: number | null
  isBold: boolean
  isDim: boolean
  isInverse: boolean
}

function lookOf({ color, isBold, isDim, isInverse }: Pen): Look {
  const own = color === null ? (isDim ? plain.dim : plain.text) : (colors[color] ?? plain.text)
  return isInverse ? { color: plain.back, back: own, isBold: true } : { color: own, back: null, isBold }
}

function turn(pen: Pen, code: number): void {
  if (code === 0) Object.assign(pen, { color: null, isBold: false, isDim: false, isInverse: false })
  else if (code === 1) pen.isBold = true
  else if (code === 2) pen.isDim = true
  else if (code === 7) pen.isInverse = true
  else if (code === 22) Object.assign(pen, { isBold: false, isDim: false })
  else if (code === 27) pen.isInverse = false
  else if (code === 39) pen.color = null
  else if (code >= 30 && code <= 37) pen.color = code - 30
  else if (code >= 90 && code <= 97) pen.color = code - 90
}

function cellsOf(screen: string): readonly (readonly Cell[])[] {
  const pen: Pen = { color: null, isBold: false, isDim: false, isInverse: false }
  return screen.split('\n').map((line) => {
    const cells: Cell[] = []
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    for (const [, codes, character] of line.matchAll(/\u001b\[([0-9;]*)m|([^\u001b])/gu)) {
      if (character === undefined) for (const code of (codes ?? '').split(';')) turn(pen, Number(code))
      else cells.push({ character, look: lookOf(pen) })
    }
    return cells
  })
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const box = (x: number, y: number, width: number, height: number): string => `M${x} ${y}h${width}v${height}h${-width}z`

/** The shape of a character within its cell; null: it is a letter. */
function shapeOf(character: string, x: number, y: number): string | null {
  const code = character.codePointAt(0) ?? 0
  if (code >= 0x2581 && code <= 0x2588) {
    const height = ((code - 0x2580) * cellHeight) / 8
    return box(x, Number((y + cellHeight - height).toFixed(2)), cellWidth, height)
  }
  const middle = y + cellHeight / 2
  if (character === '─') return box(x, middle - 0.5, cellWidth, 1)
  if (character === '━') return box(x, middle - 1.5, cellWidth, 3)
  if (character === '╸') return box(x, middle - 1.5, cellWidth / 2, 3)
  if (character === '│') return box(x + cellWidth / 2 - 0.5, y, 1, cellHeight)
  if (code < 0x2800 || code > 0x28ff) return null
  const bits = code - 0x2800
  const dots = [0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80].flatMap((bit, index) =>
    (bits & bit) === 0 ? [] : box(x + 1 + (index > 3 ? 4 : 0), Number((y + 1.2 + (index % 4) * 4.25).toFixed(2)), 2, 2),
  )
  return dots.join('')
}

export function svgOfScreen(screen: string, { columns, title }: { readonly columns: number; readonly title: string }): string {
  const lines = [...cellsOf(screen.trimEnd())]
  const width = 2 * margin + columns * cellWidth
  const height = bar + 2 * margin + lines.length * cellHeight
  const shapes = new Map<string, string[]>()
  const texts: string[] = []
  const draw = (color: string, shape: string): void => void shapes.set(color, [...(shapes.get(color) ?? []), shape])
  for (const [row, cells] of lines.entries()) {
    const y = bar + margin + row * cellHeight
    let run: { from: number; text: string; look: Look } | null = null
    const end = (): void => {
      // Several blanks in a row would be drawn as one, so what they part stands by itself.
      for (const { 0: shown, index } of run === null ? [] : run.text.matchAll(/\S+(?: \S+)*/g)) {
        const { from, look } = run as { from: number; look: Look }
        const bold = look.isBold ? ' font-weight="700"' : ''
        texts.push(
          `<text x="${margin + (from + index) * cellWidth}" y="${y + 13}" textLength="${shown.length * cellWidth}" fill="${look.color}"${bold}>${escape(shown)}</text>`,
        )
      }
      run = null
    }
    for (const [column, { character, look }] of cells.entries()) {
      const x = margin + column * cellWidth
      if (look.back !== null) draw(look.back, box(x, y, cellWidth, cellHeight))
      const shape = shapeOf(character, x, y)
      const goesOn: boolean =
        run !== null && (run as { look: Look }).look.color === look.color && (run as { look: Look }).look.isBold === look.isBold
      if (shape !== null || !goesOn) end()
      if (shape !== null) draw(look.color, shape)
      else if (run === null) run = { from: column, text: character, look }
      else (run as { text: string }).text += character
    }
    end()
  }
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map((fill, index) => `<circle cx="${18 + index * 18}" cy="16" r="5.5" fill="${fill}"/>`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="9" fill="${plain.back}" stroke="${plain.frame}"/>`,
    ...dots,
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13">`,
    `<text x="${width / 2}" y="21" text-anchor="middle" fill="${plain.title}">${escape(title)}</text>`,
    ...[...shapes].map(([color, paths]) => `<path fill="${color}" d="${paths.join('')}"/>`),
    ...texts,
    '</g></svg>',
    '',
  ].join('\n')
}
