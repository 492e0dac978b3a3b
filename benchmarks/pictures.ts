// The pictures of the README: `orx bench` in a real terminal (tmux), its dashboard while it measures and its report at the end, as SVG.
// npm run pictures writes benchmarks/pictures/. Words after `--` are the bench's: npm run pictures -- cache queue --duration 4s
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { svgOfScreen } from './screenSvg.ts'

const columns = 120
const rows = 38
const socket = `orx-pictures-${process.pid}`
const tmux = async (...words: readonly string[]): Promise<string> => (await promisify(execFile)('tmux', ['-L', socket, ...words])).stdout

const given = process.argv.slice(2)
const words = given.length > 0 ? given : ['cache', 'limiter', 'queue', 'http', '--quick', '--duration', '12s']
/** Late in the last scenario: most of what there is to see is there. */
const scenarios = words.slice(
  0,
  words.findIndex((word) => word.startsWith('-')),
)
const last = scenarios.at(-1) ?? words[0] ?? ''
const folder = 'benchmarks/pictures'
const mostSeconds = 240

async function screenWhen(isThere: (screen: string) => boolean): Promise<string> {
  for (let tenths = 0; tenths < 10 * mostSeconds; tenths += 1) {
    if (isThere(await tmux('capture-pane', '-p', '-t', 'bench'))) return tmux('capture-pane', '-e', '-p', '-S', '-200', '-t', 'bench')
    await wait(100)
  }
  throw new Error(`not seen in ${mostSeconds} s`)
}

function write(name: string, screen: string, title: string): void {
  mkdirSync(folder, { recursive: true })
  const svg = svgOfScreen(screen, { columns, title })
  writeFileSync(`${folder}/${name}.svg`, svg)
  process.stdout.write(`${folder}/${name}.svg: ${Math.round(svg.length / 1_000)} kB\n`)
}

try {
  const title = `orx bench ${words.join(' ')}`
  const shell = `env -u CI -u NO_COLOR TERM=screen-256color ${process.execPath} bin/orx.js bench ${words.join(' ')}; echo the-end; exec sleep 60`
  await tmux('new-session', '-d', '-s', 'bench', '-x', String(columns), '-y', String(rows), shell)
  const isLate = new RegExp(`^${last} measuring .* (?:6\\d|7\\d) %`, 'm')
  write('dashboard', await screenWhen((screen) => isLate.test(screen) && screen.includes('by percentile')), title)
  const whole = await screenWhen((screen) => screen.includes('the-end'))
  // From the first table on: what was said on the way is not the report.
  const lines = whole.replace(/the-end[^]*$/, '').split('\n')
  write(
    'report',
    lines
      .slice(
        Math.max(
          0,
          lines.findIndex((line) => /series.*made\/s/.test(line)),
        ),
      )
      .join('\n'),
    title,
  )
} finally {
  await tmux('kill-server').catch(() => undefined)
}
