// A run as plain lines: what happens, as it happens, on stderr; the answer on stdout. For pipes, CI and logs.
import { formatDuration, formatUsd } from '../core/units.ts'
import type { ComparisonVote, RunEvent, RunResult, Spread } from '../orchestration/events.ts'
import type { Output } from './output.ts'
import { sanitise, sanitiseLine } from './sanitise.ts'
import { scoreWithSpread } from './score.ts'

const stopTexts: Readonly<Record<RunResult['stopReason'], string>> = {
  threshold: 'the answer is good enough',
  iterations: 'all iterations are used',
  plateau: 'refining brought no more gain',
  regression: 'refining made it worse',
  cost: 'the cost limit is reached',
  deadline: 'the deadline is reached',
  aborted: 'it was stopped',
  failed: 'no model answered',
  unjudged: 'nobody judged the answer',
}

const scoreText = (score: number | null, spread: Spread | null = null): string =>
  score === null ? 'not judged' : `${scoreWithSpread(score, spread)} of 10`

const votesFor = (votes: readonly ComparisonVote[], prefers: ComparisonVote['prefers']): number =>
  votes.filter((vote) => vote.prefers === prefers).length

/** One line for an event, or null where a plain log has nothing to say. */
function lineOf(event: RunEvent): string | null {
  switch (event.type) {
    case 'prompt-analysed':
      return `prompt: ${event.domain}, ${event.complexity}, language ${event.language}`
    case 'model-selected': {
      const chosen = event.candidates.find((candidate) => candidate.model === event.model)
      const why = chosen && chosen.reasons.length > 0 ? `. ${chosen.reasons.join(' ')}` : ''
      const judges = event.critics.length > 0 ? `, judged by ${event.critics.join(' and ')}` : ''
      return `author: ${event.model}${judges}${why}`
    }
    case 'answer-received': {
      const from = event.fromCache
        ? 'from the cache'
        : `${formatDuration(event.latencyMs)}, ${event.usage.outputTokens} tokens, ${formatUsd(event.costUsd)}`
      return `answer ${event.iteration} by ${event.model} (${from})`
    }
    case 'answer-judged':
      return `  ${event.judge}: ${scoreText(event.judgement.score)}`
    case 'verdict-dropped':
      return `  ${event.judge}: verdict dropped, ${event.reason}`
    case 'attempt-finished':
      if (event.outcome === 'ok' || event.outcome === 'cached') return null
      return `  ${event.step.role} ${event.step.model}: ${event.outcome}${event.errorMessage === null ? '' : `, ${event.errorMessage}`}`
    case 'attempt-unsent':
      return `  ${event.step.role} ${event.step.model}: not sent, ${event.errorMessage}`
    case 'answers-compared': {
      const { votes } = event
      const kept = event.keptResponseId === event.responseId ? 'the new answer' : 'the best so far'
      const counts = `${votesFor(votes, 'new')} for the new answer, ${votesFor(votes, 'best')} for the best so far, ${votesFor(votes, null)} abstained`
      return `  compared in both orders: ${counts}; the ${event.decidedBy} keeps ${kept}`
    }
    case 'iteration-finished':
      return `iteration ${event.iteration}: ${scoreText(event.score, event.spread)}, best so far ${scoreText(event.bestScore)}`
    case 'run-started':
    case 'call-started':
    case 'call-texted':
    case 'answer-refined':
    case 'warning-raised':
    case 'run-finished':
      return null
  }
}

/** A listener that writes a run's lines as notes, each behind a label where several runs share the screen. */
export function plainListener(out: Output, label = ''): (event: RunEvent) => void {
  let before: string | null = null
  return (event) => {
    const line = lineOf(event)
    // Several answers of one model are announced alike; once is enough.
    if (line === null || line === before) return
    before = line
    out.note(`${label}${line.startsWith('  ') ? '  ' : ''}${sanitiseLine(line)}`)
  }
}

/** Why the run stopped, and what it took, in one line. */
export function closingLine(result: RunResult): string {
  const saved = result.usage.savedUsd > 0 ? `, ${formatUsd(result.usage.savedUsd)} saved by the cache` : ''
  const iterations = `${result.iterationsUsed} iteration${result.iterationsUsed === 1 ? '' : 's'}`
  return (
    `stopped (${result.stopReason}): ${stopTexts[result.stopReason]}. ` +
    `${scoreText(result.qualityScore)}, ${iterations}, ${formatUsd(result.usage.costUsd)}${saved}, ${formatDuration(result.timing.totalMs)}`
  )
}

/** The answer, safe for a terminal. */
export function printAnswer(out: Output, result: RunResult): void {
  if (result.finalResponse !== null) out.result(sanitise(result.finalResponse).trimEnd())
}
