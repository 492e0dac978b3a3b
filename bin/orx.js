#!/usr/bin/env node
// Starts the built program, nothing else.
import { existsSync } from 'node:fs'

const built = new URL('../dist/main.js', import.meta.url)
if (existsSync(built)) {
  await import(built.href)
} else {
  process.stderr.write('orx: the program is not built yet.\n  hint: npm run build\n')
  process.exitCode = 1
}
