// How strong a simulated model is for a question. Pure: its stated quality in its own fields, less elsewhere, as with real models.
import { profileOf, type Domain } from '../catalog.ts'

/** A few words that give a domain away, the narrow domains first: the first that is found counts. */
const cues: readonly (readonly [Domain, RegExp])[] = [
  ['medical', /\b(patient|symptom|dos(e|age)\b|doctor|medic|vaccin|diabet|therap|diagnos|ibuprofen)/i],
  ['legal', /\b(contract|legal|lawyer|lawsuit|tenant|liabil|copyright|patent|clause|gdpr)/i],
  ['math', /\b(theorem|prove|proof|integral|derivative|equation|probabil|solve for|matrix|algebra)/i],
  ['code', /\b(code|function|typescript|javascript|python|rust|sql|regex|algorithm|database|transaction|commit|debug|refactor|api)\b/i],
  ['creative', /\b(haiku|poem|story|sonnet|limerick|lyric|slogan|screenplay|fiction)/i],
  ['science', /\b(physic|chemi|biolog|molecul|atom|planet|moon|tide|gravity|quantum|cell|dna|photosynth|climate)/i],
  ['business', /\b(business|company|market|customer|revenue|pricing|startup|invest|profit|sales|budget)/i],
]

/** What a model lacks outside of its specialties. */
const outsideItsField = 0.3

/** 0 to 1. Only the beginning of a question is looked at: that tells what is asked. */
export function strengthOf(model: string, question: string): number {
  const start = question.slice(0, 8_000)
  const domain = cues.find(([, words]) => words.test(start))?.[0] ?? 'general'
  const { quality, specialties } = profileOf('simulated', model)
  return specialties.includes(domain) ? quality : Math.max(0, quality - outsideItsField)
}
