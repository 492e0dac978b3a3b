// The only file that touches `process`: makes Io, runs the command line, leaves with its exit code.
import { fileURLToPath } from 'node:url'
import { runCli } from './cli.ts'
import { makeIo } from './io.ts'

// Node says by itself what it thinks of a feature; a person who runs orx can do nothing with that.
process.removeAllListeners('warning')

const io = makeIo(process, fileURLToPath(import.meta.url))
process.exitCode = await runCli(io)
