#!/usr/bin/env node
// Starts the built program, with what V8 made of it when it was built; another version of V8 starts without.
'use strict'
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { Script } = require('node:vm')

const filename = join(__dirname, '../dist/start.cjs')
const read = (file) => {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}
const source = read(filename)
if (source === undefined) {
  process.stderr.write('orx: the program is not built yet.\n  hint: npm run build\n')
  process.exitCode = 1
} else {
  const script = new Script(source.toString(), { filename, cachedData: read(`${filename}.cache`) })
  script.runInThisContext()((module) => {
    // From Node 22.1 on it keeps what V8 made of modules by itself.
    require('node:module').enableCompileCache?.()
    return import(module)
  })
}
