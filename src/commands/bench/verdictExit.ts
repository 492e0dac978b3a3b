// What a verdict is as an exit code.
import type { Verdict } from '../../bench/report.ts'
import { exitCodes, type ExitCode } from '../../core/errors.ts'

const exits: Readonly<Record<Verdict, ExitCode>> = {
  pass: exitCodes.done,
  fail: exitCodes.missed,
  invalid: exitCodes.invalid,
  inconclusive: exitCodes.inconclusive,
}

export function exitOfVerdict(verdict: Verdict): ExitCode {
  return exits[verdict]
}
