// The only file that touches `process`: makes Io, runs the command line, leaves with its exit code.
import { runCli } from './cli.ts'
import { exitCodes } from './core/errors.ts'
import { makeIo } from './io.ts'

// Node says by itself what it thinks of a feature; a person who runs orx can do nothing with that.
process.removeAllListeners('warning')

// Node ends when nothing is left to wait for, also when the command has not: that is a defect, and must not look like success.
process.exitCode = exitCodes.failed
// The script that Node was started with starts orx once more, too.
void runCli(makeIo(process, process.argv[1] ?? '')).then((exitCode) => {
  process.exitCode = exitCode
})
