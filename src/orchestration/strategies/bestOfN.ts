// Best of n: the best model for the prompt answers it several times at once, others judge each answer, the best one is returned.
// Source: Li et al., Rethinking Mixture-of-Agents, arXiv 2502.00674: several answers of one good model beat a mix of weaker ones.
// Invariant: each sample is an iteration of its own; what ends early leaves the best of those that were judged.
import { OrxError } from '../../core/errors.ts'
import type { ChatMessage } from '../../models/chat.ts'
import { askFor, targetOf } from '../author.ts'
import { announce, panelOf } from './critique.ts'
import { endingOf, judged, type Sampled } from './samples.ts'
import type { Ending, RunContext } from './strategy.ts'

/** Two questions alike are one question to a cache and to a seeded model: each sample says which one it is. */
function sampleMessages(prompt: string, sample: number, count: number): readonly ChatMessage[] {
  return [
    {
      role: 'system',
      content: `You write candidate ${sample + 1} of ${count}. Answer the question in your own way; do not mention that there are others.`,
    },
    { role: 'user', content: prompt },
  ]
}

export async function bestOfN(run: RunContext, signal: AbortSignal): Promise<Ending> {
  const count = run.settings.iterations
  const critics = panelOf(run, run.author)
  for (let iteration = 1; iteration <= count; iteration += 1) announce(run, iteration, run.author, critics)
  const sampled = await Promise.all(
    Array.from({ length: count }, async (_, sample): Promise<Sampled> => {
      const iteration = sample + 1
      try {
        const messages = sampleMessages(run.prompt, sample, count)
        const answer = await askFor(run, { iteration, role: 'primary', sample, targets: [targetOf(run, run.author)], messages }, signal)
        return await judged(run, iteration, answer, critics, signal)
      } catch (error) {
        if (!(error instanceof OrxError)) throw error
        return { iteration, answer: null, score: null, costReached: error.code === 'cost_limit', error }
      }
    }),
  )
  return endingOf(run, sampled, signal)
}
