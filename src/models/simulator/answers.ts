// What the simulated models say. Pure: hash(seed, request) decides everything, so one seed gives one run.
// A text carries its quality openly, in the sections it has; the simulated judge counts them, and refining adds what is missing.
import { createHash } from 'node:crypto'
import { normal, seededRandom } from '../../core/random.ts'
import type { ChatMessage } from '../chat.ts'
import { strengthOf } from './strength.ts'

export interface SimulatedRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly maxTokens: number
}

export interface SimulatedAnswer {
  readonly text: string
  readonly finishReason: 'stop' | 'length'
  readonly inputTokens: number
  readonly outputTokens: number
  /** Of the real thing that this stands for; the server scales it. */
  readonly firstTokenMs: number
  readonly tokensPerSecond: number
}

const sections = {
  Summary:
    'in short, it comes down to how its parts depend on each other, and the simplest arrangement that works is the one to start from.',
  Steps: 'first state the goal, then list what is given, then change one thing at a time, and stop as soon as the goal is met.',
  Example: 'take the smallest case that still shows the effect, work it through by hand, and compare the outcome with what was expected.',
  Tradeoffs: 'what is gained in speed is paid in memory or in care, so say which of them is scarce before choosing.',
  Limits: 'this holds as long as the assumptions hold; outside of them measure again, and ask somebody who knows the case.',
  Check: 'read the result backwards, try one value at each border, and see whether a second way leads to the same end.',
} as const

const sectionNames = Object.keys(sections) as readonly (keyof typeof sections)[]

/** First token: lognormal, median 0.6 s, P99 4 s. The 99th percentile of a normal is 2.326. */
const medianFirstTokenMs = 600
const sigma = Math.log(4_000 / medianFirstTokenMs) / 2.326
const tokensPerSecond = 60

export function hashOf(seed: string, request: SimulatedRequest): string {
  const { model, messages, maxTokens } = request
  const canonical = JSON.stringify([seed, model, messages.map(({ role, content }) => [role, content]), maxTokens])
  return createHash('sha256').update(canonical).digest('hex')
}

export function answerOf(seed: string, request: SimulatedRequest): SimulatedAnswer {
  const random = seededRandom(hashOf(seed, request))
  const firstTokenMs = medianFirstTokenMs * Math.exp(sigma * normal(random))
  const whole = textOf(request, random)
  const limitBytes = request.maxTokens * 4
  const text =
    Buffer.byteLength(whole) > limitBytes
      ? Buffer.from(whole)
          .subarray(0, limitBytes)
          .toString('utf8')
          .replace(/\ufffd+$/, '')
      : whole
  return {
    text,
    finishReason: text === whole ? 'stop' : 'length',
    inputTokens: request.messages.reduce((sum, { content }) => sum + tokensIn(content), 0),
    outputTokens: tokensIn(text),
    firstTokenMs,
    tokensPerSecond,
  }
}

function tokensIn(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4)
}

function textOf(request: SimulatedRequest, random: () => number): string {
  const last = request.messages.at(-1)?.content ?? ''
  const verdict = verdictOf(last, random) ?? comparisonOf(last, random)
  if (verdict !== null) return verdict
  const [question, draft] = request.messages.filter(({ role }) => role !== 'system')
  const merged = sectionsOfAll(last)
  if (merged !== null) return compose(request.model, /^<<<QUESTION \w+\n([\s\S]*?)\nQUESTION /m.exec(last)?.[1] ?? '', merged)
  const isRefining = draft?.role === 'assistant' && last.startsWith('Critics of your answer said:')
  const asked = question?.content ?? ''
  const has = isRefining ? refined(sectionsIn(draft.content), random) : firstDraft(strengthOf(request.model, asked), random)
  return compose(request.model, asked, has)
}

type Section = keyof typeof sections

/** Sections of the shortest answer. */
const fewest = 2

/** A model that is strong in the question's field begins with more of the sections: 2 to 5 of the 6, a weak one with 2 to 4. */
function firstDraft(strength: number, random: () => number): readonly Section[] {
  const count = Math.max(fewest, 1 + Math.floor(2 * strength + 2.5 * random()))
  return pick(sectionNames, count, random)
}

/** Mostly a step forward; now and then nothing comes of it, or something good is lost. */
function refined(before: readonly Section[], random: () => number): readonly Section[] {
  const missing = sectionNames.filter((name) => !before.includes(name))
  const fate = random()
  if (fate < 0.08 && before.length > fewest) return before.slice(0, -1)
  if (fate < 0.2) return before
  return [...before, ...pick(missing, 1 + Math.floor(random() * 2), random)]
}

/** A request to write one answer out of several: all the sections that any of them has; null for any other question. */
function sectionsOfAll(question: string): readonly Section[] | null {
  return /^<<<ANSWER 1 \w+$/m.test(question) ? sectionsIn(question) : null
}

function pick(names: readonly Section[], count: number, random: () => number): readonly Section[] {
  return names
    .map((name) => [random(), name] as const)
    .toSorted(([a], [b]) => a - b)
    .slice(0, count)
    .map(([, name]) => name)
}

function compose(model: string, question: string, has: readonly Section[]): string {
  const words = [...new Set(question.match(/\p{L}{5,30}/gu) ?? ['that'])].slice(0, 6)
  const subject = words.slice(0, 3).join(', ')
  const paragraphs = sectionNames
    .filter((name) => has.includes(name))
    .map((name, index) => `${name}: with regard to ${words[index % words.length] ?? subject}, ${sections[name]}`)
  return [`(simulated answer by ${model}) On ${subject}.`, ...paragraphs].join('\n\n')
}

function sectionsIn(text: string): readonly Section[] {
  return sectionNames.filter((name) => new RegExp(`^${name}: `, 'm').test(text))
}

/** What a judge is asked, whole. The question's fence comes first, so a fence that the question forges is part of the question. */
const judgeQuestion =
  /^Criteria: (?<criteria>.+)\n<<<QUESTION (?<nonce>\w+)\n[\s\S]*\nQUESTION \k<nonce>>>>\n<<<CANDIDATE \k<nonce>\n(?<candidate>[\s\S]*)\nCANDIDATE \k<nonce>>>>$/

/** A judge's reply, for a question in the form of one: a number for each of its criteria; null for any other question. */
function verdictOf(question: string, random: () => number): string | null {
  const { criteria, candidate } = judgeQuestion.exec(question)?.groups ?? {}
  if (criteria === undefined || candidate === undefined) return null
  const has = sectionsIn(candidate)
  const missing = sectionNames.filter((name) => !has.includes(name))
  const points = (): number => Math.min(10, Math.max(1, Math.round(10 * (4.2 + has.length * 0.95 + (random() - 0.5) * 0.8)) / 10))
  return JSON.stringify({
    criteria: Object.fromEntries(criteria.split(', ').map((name) => [name, points()])),
    criticism: missing.length === 0 ? 'Nothing of weight is missing.' : `It lacks: ${missing.join(', ').toLowerCase()}.`,
    suggestions: missing.slice(0, 2).map((name) => `Add a part that gives the ${name.toLowerCase()}.`),
  })
}

/** What a judge is asked that compares two answers, whole. */
const comparisonQuestion =
  /^<<<QUESTION (?<nonce>\w+)\n[\s\S]*\nQUESTION \k<nonce>>>>\n<<<CANDIDATE A \k<nonce>\n(?<a>[\s\S]*)\nCANDIDATE A \k<nonce>>>>\n<<<CANDIDATE B \k<nonce>\n(?<b>[\s\S]*)\nCANDIDATE B \k<nonce>>>>$/

/** A judge's reply to a comparison: the one with more sections, but for noise that turns one section of difference in 7 of 100; null for any other question. */
function comparisonOf(question: string, random: () => number): string | null {
  const { a, b } = comparisonQuestion.exec(question)?.groups ?? {}
  if (a === undefined || b === undefined) return null
  const worth = (text: string): number => sectionsIn(text).length + (random() - 0.5) * 1.6
  const better = worth(a) >= worth(b) ? 'A' : 'B'
  return JSON.stringify({ better, reason: `${better} says more of what the question needs.` })
}
