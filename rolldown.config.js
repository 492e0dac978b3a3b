// One bundle with a chunk a command: what a command does not use is not read, so `orx --help` starts like Node itself.
// What is bundled keeps its licence: dist/licences.txt holds them all.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'rolldown'

/** @param {Iterable<string>} moduleIds */
function licencesOf(moduleIds) {
  const folders = new Set([...moduleIds].flatMap((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0] ?? []))
  const texts = [...folders]
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
      return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()}\n`
    })
  return texts.toSorted((a, b) => a.localeCompare(b)).join(`\n${'-'.repeat(80)}\n\n`)
}

/**
 * What commander asks of Node and orx has no use for: `node:process` as a module opens all three streams, 6 ms of the 25 that --help may
 * take, where the global is the same; child processes are for commands that are programs of their own.
 * @type {Readonly<Record<string, string>>}
 */
const spared = { 'node:process': 'module.exports = globalThis.process', 'node:child_process': 'module.exports = {}' }
const sparedId = '\0spared:'

export default defineConfig({
  input: { main: 'src/main.ts' },
  platform: 'node',
  // hdr-histogram-js asks for zlib by eval, where there is a require; Ink asks for its devtools only when it is told to.
  checks: { eval: false },
  external: ['react-devtools-core'],
  // React's development build would keep every frame's timing.
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  plugins: [
    {
      name: 'spared',
      resolveId(source, importer) {
        const isCommander = /[\\/]node_modules[\\/]commander[\\/]/.test(importer ?? '')
        return isCommander && source in spared ? `${sparedId}${source}` : null
      },
      load(id) {
        return id.startsWith(sparedId) ? (spared[id.slice(sparedId.length)] ?? null) : null
      },
    },
    {
      name: 'licences',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'licences.txt', source: licencesOf(this.getModuleIds()) })
      },
    },
  ],
  output: {
    dir: 'dist',
    format: 'esm',
    cleanDir: true,
    chunkFileNames: 'chunks/[name]-[hash].js',
    minify: 'dce-only',
    // What the start needs beside main.ts, in one file: each further one costs a millisecond.
    codeSplitting: {
      groups: [
        {
          name: 'start',
          test: /src[\\/](core[\\/](errors|units|redact|secret|abort)|settings[\\/](option|resolve|sources|providers)|models[\\/]endpoints|ui[\\/](output|sanitise))\.ts$/,
        },
      ],
    },
  },
})
