// Whether the dashboard changes what is measured: the same load of the same server, in a real terminal (tmux) with the dashboard and without,
// in pairs. npm run bench:dashboard writes benchmarks/DASHBOARD.md. Needs `npm run build` and tmux.
import { execFile, fork } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchReport, SeriesReport } from '../src/bench/report.ts'
import { spread } from './compare.ts'

const orx = fileURLToPath(new URL('../../../bin/orx.js', import.meta.url))
const socket = `orx-dashboard-${process.pid}`
const tmux = (...words: readonly string[]) => promisify(execFile)('tmux', ['-L', socket, ...words])
const perSecond = 500
const seconds = 8
const pairs = 10

const server = fork(orx, ['bench:known', '--kind', 'prompt'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
const { port } = await new Promise<{ readonly port: number }>((resolve) =>
  server.once('message', (told) => resolve(told as { port: number })),
)
const folder = await mkdtemp(join(tmpdir(), 'orx-dashboard-'))
const report = join(folder, 'report.json')

async function measure(ui: 'live' | 'none'): Promise<SeriesReport> {
  const words = ['bench', 'http', '--url', `http://127.0.0.1:${port}/`, '--rate', `${perSecond}`, '--duration', `${seconds}s`]
  const bench = [process.execPath, orx, ...words, '--warmup', '2s', '--ui', ui, '--out', report].join(' ')
  const shell = `env -u CI -u NO_COLOR TERM=screen-256color ORX_HOME=${folder} ${bench}; tmux -L ${socket} wait-for -S over`
  await tmux('new-session', '-d', '-x', '120', '-y', '38', shell)
  await tmux('wait-for', 'over')
  const { scenarios } = JSON.parse(await readFile(report, 'utf8')) as BenchReport
  await rm(report)
  const [series] = scenarios
  if (series === undefined) throw new Error('orx measured nothing')
  return series
}

const found = { live: [] as SeriesReport[], none: [] as SeriesReport[] }
try {
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const ui of pair % 2 === 0 ? (['live', 'none'] as const) : (['none', 'live'] as const)) {
      found[ui].push(await measure(ui))
      process.stdout.write('.')
    }
  }
} finally {
  await tmux('kill-server').catch(() => undefined)
  server.disconnect()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}

const ratiosOf = (of: (series: SeriesReport) => number): readonly number[] =>
  found.live.map((live, pair) => of(live) / of(found.none[pair] ?? live))
const rows = (
  [
    ['P50', ({ response }) => response.p50],
    ['P95', ({ response }) => response.p95],
    ['P99', ({ response }) => response.p99],
    ['lateness P99', ({ lateness }) => lateness.p99],
  ] satisfies readonly (readonly [string, (series: SeriesReport) => number])[]
).map(([name, of]) => `| ${name} | ${spread(found.live.map(of), 2)} | ${spread(found.none.map(of), 2)} | ${spread(ratiosOf(of), 2)} |`)
const text = `# What the dashboard does to a measurement

Node ${process.version}, ${cpus().length} shared cores (${cpus()[0]?.model ?? 'unknown'}): ${perSecond} requests a second for ${seconds} s to a server that answers at
once, ${pairs} interleaved pairs in a terminal of 120 columns. Medians with their least and greatest, ms. Run it again with \`npm run bench:dashboard\`.

| | with the dashboard | without (\`--ui none\`) | ratio of each pair |
|---|---|---|---|
${rows.join('\n')}
`
process.stdout.write(`\n${text}`)
await writeFile(new URL('../../../benchmarks/DASHBOARD.md', import.meta.url), text)
