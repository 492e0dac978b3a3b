// The staircase is lint's to keep; this proves that lint keeps it.
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { staircase } from '../oxlint.config.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const rooms = staircase.map((room) => ({ name: room, file: room.endsWith('/') ? `${room}probe.ts` : room }))
let house: string
let complaints: Map<string, readonly string[]>

/** Lints a small house in which every room imports every other one. */
beforeAll(async () => {
  house = await mkdtemp(join(tmpdir(), 'orx-staircase-'))
  await cp(join(root, 'oxlint.config.js'), join(house, 'oxlint.config.js'))
  await writeFile(join(house, 'package.json'), '{ "type": "module" }')
  for (const room of rooms) {
    const path = join(house, 'src', room.file)
    await mkdir(dirname(path), { recursive: true })
    const up = room.file.includes('/') ? '../' : './'
    const others = rooms.filter((other) => other !== room)
    const imports = others.map((other, index) => `import { value as value${index} } from '${up}${other.file}'`)
    const uses = others.map((_, index) => `value${index}`)
    await writeFile(path, `${imports.join('\n')}\nexport const value = [${uses.join(', ')}]\n`)
  }
  const args = ['--config', 'oxlint.config.js', '--format', 'json', 'src']
  const { stdout } = await promisify(execFile)(join(root, 'node_modules', '.bin', 'oxlint'), args, {
    cwd: house,
    maxBuffer: 64_000_000,
  }).catch((error: { readonly stdout: string }) => error)
  const found = JSON.parse(stdout) as { diagnostics: { code: string; filename: string; labels: { span: { line: number } }[] }[] }
  complaints = new Map(
    rooms.map((room) => [
      room.name,
      found.diagnostics
        .filter((diagnostic) => diagnostic.code.includes('no-restricted-imports') && diagnostic.filename.endsWith(`src/${room.file}`))
        .map((diagnostic) => rooms.filter((other) => other !== room)[(diagnostic.labels[0]?.span.line ?? 0) - 1]?.name ?? ''),
    ]),
  )
})

afterAll(() => rm(house, { recursive: true, force: true }))

test.each(rooms.map((room, index) => [room.name, index] as const))('%s may not import a room after it', (name, index) => {
  const later = rooms.slice(index + 1).map((room) => room.name)
  expect(complaints.get(name)).toEqual(expect.arrayContaining(later))
})

test.each(['traffic/', 'models/', 'orchestration/', 'io.ts', 'commands/', 'main.ts'])('%s may import every room before it', (name) => {
  const index = rooms.findIndex((room) => room.name === name)
  const later = rooms.slice(index + 1).map((room) => room.name)
  expect(new Set(complaints.get(name))).toEqual(new Set(later))
})

test.each(['database/', 'ui/'])('%s may import values only from core', (name) => {
  const others = rooms.filter((room) => room.name !== name && room.name !== 'core/').map((room) => room.name)
  expect(new Set(complaints.get(name))).toEqual(new Set(others))
})
