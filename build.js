// Builds dist/: what every command needs at its start as one script, and a module a command that is read when it was named.
// A script, because Node starts one faster than a module, and V8 can be given what it made of it before: together they take two thirds off the
// start of orx. The modules take what they share with the script from it, so that there is one of each. What is bundled keeps its licence.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { rolldown } from 'rolldown'

const root = import.meta.dirname
const startFile = join(root, 'dist/start.cjs')
/** Where the script leaves its modules for the commands. */
const shared = `globalThis[Symbol.for('orx.start')]`

/** @param {string} id */
const isOurs = (id) => id.startsWith(join(root, 'src'))
/** @param {string} id */
const nameOf = (id) => relative(join(root, 'src'), id)

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
 * A module whose names are taken from an object when they are used.
 * @param {string} prefix
 * @param {(source: string, importer: string | undefined) => Promise<string | null>} nameFor
 * @param {(name: string) => string} expressionOf
 * @returns {import('rolldown').Plugin}
 */
function takenFrom(prefix, nameFor, expressionOf) {
  return {
    name: prefix,
    async resolveId(source, importer) {
      const name = await nameFor.call(this, source, importer)
      return name === null ? null : `\0${prefix}:${name}`
    },
    load: (id) => (id.startsWith(`\0${prefix}:`) ? `module.exports = ${expressionOf(id.slice(prefix.length + 2))}` : null),
  }
}

const common = {
  platform: /** @type {const} */ ('node'),
  cwd: root,
  // hdr-histogram-js asks for zlib by eval, where there is a require; Ink asks for its devtools only when it is told to.
  checks: { eval: false },
  external: ['react-devtools-core'],
  // React's development build would keep every frame's timing.
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
}

rmSync(join(root, 'dist'), { recursive: true, force: true })

/** @type {Map<string, string>} what the start loads later: its name, and its file */
const commands = new Map()
const start = await rolldown({
  ...common,
  input: join(root, 'src/main.ts'),
  plugins: [
    // An import would make each of Node's modules one with all its names, which for node:fs loads streams. What commander wants child processes
    // for are commands that are programs of their own.
    takenFrom(
      'node',
      async (source) => (source.startsWith('node:') ? source : null),
      (name) => (name === 'node:child_process' ? '{}' : `process.getBuiltinModule('${name}')`),
    ),
    {
      // Code that V8 was given may not import by itself, so bin/orx.js does it for it.
      name: 'commands',
      renderChunk: (code) => code.replaceAll(/\bimport\((?=[`"']\.\.\/dist\/chunks\/)/g, 'load('),
      async resolveId(source, importer, { kind }) {
        if (kind !== 'dynamic-import') return null
        const found = await this.resolve(source, importer)
        if (found === null) return null
        const name = nameOf(found.id)
          .replace(/\.tsx?$/, '')
          .replaceAll(/[\\/]/g, '-')
        commands.set(name, found.id)
        return { id: `../dist/chunks/${name}.js`, external: true }
      },
    },
    {
      name: 'shared',
      transform: (code, id) =>
        isOurs(id) && id.endsWith('.ts') && nameOf(id) !== 'main.ts'
          ? `${code}\nimport * as itself from '${id}'\n;(${shared} ??= {})['${nameOf(id)}'] = itself\n`
          : null,
    },
  ],
})
const { output: startOutput } = await start.write({
  file: startFile,
  codeSplitting: false,
  format: 'cjs',
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  banner: '(function (load) {',
  footer: '})',
})
const startIds = new Set(startOutput.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : [])))

const rest = await rolldown({
  ...common,
  input: Object.fromEntries(commands),
  plugins: [
    takenFrom(
      'start',
      async function (source, importer) {
        if (!source.startsWith('.') || importer === undefined || !isOurs(importer)) return null
        const found = await this.resolve(source, importer, { skipSelf: true })
        return found !== null && isOurs(found.id) && startIds.has(found.id) ? nameOf(found.id) : null
      },
      (name) => `${shared}['${name}']`,
    ),
    {
      name: 'licences',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'licences.txt', source: licencesOf([...this.getModuleIds(), ...startIds]) })
      },
    },
  ],
})
await rest.write({
  dir: join(root, 'dist'),
  format: 'esm',
  entryFileNames: 'chunks/[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  minify: 'dce-only',
})

// V8 compiles what is called when it is called: what it has after a run is what the next ones need.
const run = `
  const { Script } = require('node:vm')
  const { readFileSync, writeFileSync } = require('node:fs')
  const filename = ${JSON.stringify(startFile)}
  const script = new Script(readFileSync(filename, 'utf8'), { filename })
  process.argv.splice(1, process.argv.length, filename, '--help')
  script.runInThisContext()()
  process.once('exit', () => writeFileSync(filename + '.cache', script.createCachedData()))
`
spawnSync(process.execPath, ['-e', run], { stdio: 'ignore' })
