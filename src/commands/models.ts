// `orx models`: which models can be asked here, and which one a prompt would get.
import { exitCodes, OrxError } from '../core/errors.ts'
import { formatUsd } from '../core/units.ts'
import { connectDatabase } from '../database/connection.ts'
import { embeddedStatus, uriOf } from '../database/embedded/server.ts'
import { readModelHistory } from '../database/record/modelHistory.ts'
import { analyse } from '../orchestration/analyse.ts'
import { promptOfWord } from '../orchestration/prompt.ts'
import { weigh, type ModelHistory } from '../orchestration/select.ts'
import { chooseModels } from '../settings/models.ts'
import { onOff, words } from '../settings/option.ts'
import { mongodbUri } from '../settings/providers.ts'
import { plainTable } from '../ui/plainTable.ts'
import { command, type CommandContext } from './command.ts'
import { openProviders } from './openProviders.ts'

/** What was measured before, where a database runs and answers; a list of models starts none. */
async function measured(
  { io, sources, signal, version, warn }: CommandContext,
  simulated: boolean,
): Promise<ReadonlyMap<string, ModelHistory>> {
  const embedded = embeddedStatus(sources.home, io.processes)
  const uri = mongodbUri(sources) ?? (embedded?.running ? uriOf(embedded.state.port) : null)
  if (uri === null) return new Map()
  const { clock } = io.runtime
  try {
    const database = await connectDatabase({ uri, appName: `orx/${version}`, clock }, signal)
    try {
      return await readModelHistory(database.reads, clock, simulated, signal)
    } finally {
      await database.close()
    }
  } catch (error) {
    if (!(error instanceof OrxError) || error.code !== 'database_unreachable') throw error
    warn(`what was measured of them is not shown: ${error.message}`)
    return new Map()
  }
}

export const models = command({
  description: 'Lists the models that can be asked with the keys and base URLs that are set, and what was measured of them.',
  examples: ['orx models', 'orx models --why "Prove that the square root of two is irrational"', 'orx models --simulate --json'],
  options: {
    why: { flags: '--why <prompt>', description: 'weighs them for this prompt, with reasons', parse: words, fallback: null },
    simulate: { flags: '--simulate', description: 'the simulated models', parse: onOff, fallback: false },
  },
  run: async (context, _words, { why, simulate }) => {
    const { out, signal } = context
    const opened = openProviders(context, simulate)
    try {
      const chosen = await chooseModels(opened.names, opened.listModels, { names: null, author: null, assumedPrice: null }, signal)
      for (const warning of chosen.warnings) context.warn(warning)
      const history = await measured(context, opened.simulated)
      const list = chosen.models.map((option) => ({ ...option, measured: history.get(option.model) ?? null }))
      const analysis = why === null ? null : analyse(promptOfWord(why))
      const candidates = analysis === null ? null : weigh(chosen.models, analysis, history)
      if (!out.json && candidates !== null && analysis !== null) {
        out.note(`prompt: ${analysis.domain}, ${analysis.complexity}, language ${analysis.language}`)
        for (const [index, { model, score, reasons }] of candidates.entries())
          out.result(`${index + 1}. ${model} (${score.toFixed(2)}): ${reasons.join(' ')}`)
      } else if (!out.json) {
        const heads = [
          { head: 'model' },
          { head: 'in / out per M', align: 'right' },
          { head: 'strong in' },
          { head: 'calls', align: 'right' },
          { head: 'score', align: 'right' },
        ] as const
        const cells = list.map(({ model, price, specialties, measured: found }) => [
          model,
          price === null ? 'unknown' : `${formatUsd(price.inputPerMillion)} / ${formatUsd(price.outputPerMillion)}`,
          specialties.join(', '),
          found === null ? '-' : String(found.calls),
          found?.qualityScore?.toFixed(1) ?? '-',
        ])
        out.result(plainTable(heads, cells, out))
      }
      return {
        exitCode: exitCodes.done,
        data: { simulated: opened.simulated, models: list, why: candidates === null ? null : { ...analysis, candidates } },
      }
    } finally {
      await opened.close()
    }
  },
})
