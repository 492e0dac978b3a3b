// What a prompt is about, how hard it is and in which language. Pure heuristics: no model is asked.
import type { Domain } from '../models/catalog.ts'
import type { Complexity } from './events.ts'

export interface Analysis {
  readonly domain: Domain
  readonly complexity: Complexity
  /** ISO 639-1. */
  readonly language: string
}

/** Stems by domain: a word that begins so counts once. Ordered from the narrow to the wide, which breaks ties. */
const stems: readonly (readonly [Domain, readonly string[]])[] = [
  [
    'medical',
    [
      'patient',
      'doctor',
      'medic',
      'disease',
      'symptom',
      'diagnos',
      'dose',
      'dosage',
      'tablet',
      'ibuprofen',
      'blood',
      'therap',
      'vaccin',
      'surgery',
      'clinical',
      'prescri',
      'cancer',
      'diabet',
    ],
  ],
  [
    'legal',
    [
      'contract',
      'legal',
      'lawyer',
      'lawsuit',
      'court',
      'statute',
      'liabil',
      'clause',
      'copyright',
      'patent',
      'tenant',
      'gdpr',
      'notice period',
      'plaintiff',
      'defendant',
      'licence agreement',
      'legislat',
    ],
  ],
  [
    'math',
    [
      'probabil',
      'equation',
      'integral',
      'derivative',
      'theorem',
      'proof',
      'prove',
      'matrix',
      'polynomial',
      'algebra',
      'geometr',
      'calculus',
      'prime number',
      'triangle',
      'logarithm',
      'statistic',
      'compute the sum',
      'solve for',
    ],
  ],
  [
    'code',
    [
      'code',
      'function',
      'typescript',
      'javascript',
      'python',
      'rust',
      'java',
      'golang',
      'sql',
      'regex',
      'algorithm',
      'compile',
      'debug',
      'refactor',
      'api',
      'database',
      'transaction',
      'commit',
      'class',
      'docker',
      'kubernetes',
      'git',
      'software engineer',
      'engineer',
      'async',
      'thread',
      'unit test',
      'program',
      'mongodb',
      'index',
      'html',
      'css',
      'bash',
      'shell script',
    ],
  ],
  [
    'creative',
    [
      'haiku',
      'poem',
      'story',
      'song',
      'lyric',
      'novel',
      'sonnet',
      'limerick',
      'fiction',
      'dialogue',
      'screenplay',
      'character',
      'slogan',
      'tale',
      'metaphor',
      'imagine',
      'rhyme',
    ],
  ],
  [
    'science',
    [
      'physic',
      'chemi',
      'biolog',
      'molecul',
      'atom',
      'planet',
      'moon',
      'tide',
      'gravity',
      'quantum',
      'evolution',
      'cell',
      'dna',
      'energy',
      'climate',
      'species',
      'star',
      'telescope',
      'experiment',
      'photosynth',
      'vaccine',
    ],
  ],
  [
    'business',
    [
      'business',
      'company',
      'market',
      'customer',
      'revenue',
      'subscription',
      'pricing',
      'price',
      'startup',
      'invest',
      'profit',
      'sales',
      'strategy',
      'budget',
      'stakeholder',
      'competitor',
      'risk',
      'licences',
    ],
  ],
]

/** Stems that by themselves say what is wanted. */
const decisive: ReadonlySet<string> = new Set([
  'haiku',
  'poem',
  'sonnet',
  'limerick',
  'lyric',
  'typescript',
  'javascript',
  'python',
  'theorem',
  'patient',
  'lawsuit',
  'story',
])

const hardCues =
  /\b(prove|proof|design|architect\w*|compare|trade-?offs?|step by step|show the steps|optimi[sz]e|analy[sz]e|derive|evaluate|explain why|in detail|beweise|entwirf|vergleiche)\b/giu

const scripts: readonly (readonly [string, RegExp])[] = [
  ['ja', /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ['ko', /\p{Script=Hangul}/gu],
  ['zh', /\p{Script=Han}/gu],
  ['ru', /\p{Script=Cyrillic}/gu],
  ['ar', /\p{Script=Arabic}/gu],
  ['he', /\p{Script=Hebrew}/gu],
  ['hi', /\p{Script=Devanagari}/gu],
  ['el', /\p{Script=Greek}/gu],
  ['th', /\p{Script=Thai}/gu],
]

/** Words that are frequent in one language and rare in the others; a word may speak for several. */
const stopWords: Readonly<Record<string, string>> = {
  en: 'the is are was what why how and of to in for with that this a an my me you should does do there when write give explain',
  de: 'der die das ist sind war was warum wie und von zu im für mit dass ein eine mein ich du nicht wenn schreibe zwischen',
  fr: 'le la les est sont pourquoi comment et de du des pour avec que un une mon je vous ne pas quand dans qui écris quelle',
  es: 'el la los las es son por qué cómo y de del para con que un una mi yo usted no cuando en escribe cuál entre',
  it: 'il lo la gli le è sono perché come e di del per con che un una mio io non quando nel scrivi quale tra',
  pt: 'o a os as é são por que como e de do da para com um uma meu eu você não quando em escreva qual entre',
  nl: 'de het is zijn waarom hoe en van voor met dat een mijn ik je niet wanneer in schrijf wat tussen',
}

export function analyse(prompt: string): Analysis {
  return { domain: domainOf(prompt), complexity: complexityOf(prompt), language: languageOf(prompt) }
}

function domainOf(prompt: string): Domain {
  // The beginning tells what is asked; a long pasted text must not cost a scan of a mebibyte for each stem.
  const text = ` ${prompt
    .slice(0, 8_000)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')} `
  let best: { readonly domain: Domain; readonly weight: number } = { domain: 'general', weight: 0 }
  for (const [domain, words] of stems) {
    let weight = /```/.test(prompt) && domain === 'code' ? 2 : 0
    for (const word of words) if (text.includes(` ${word}`)) weight += decisive.has(word) ? 3 : 1
    if (weight > best.weight) best = { domain, weight }
  }
  return best.domain
}

function complexityOf(prompt: string): Complexity {
  const words = prompt.split(/\s+/u, 2_000).length
  const cues = new Set((prompt.slice(0, 8_000).match(hardCues) ?? []).map((cue) => cue.toLowerCase())).size
  const asks = (prompt.match(/[?？]/gu) ?? []).length + (prompt.match(/^\s*(?:[-*]|\d+[.)])\s/gmu) ?? []).length
  const weight = (words > 120 ? 2 : words > 30 ? 1 : 0) + Math.min(cues, 3) + (asks > 2 ? 1 : 0)
  return weight >= 3 ? 'complex' : weight >= 1 ? 'moderate' : 'simple'
}

function languageOf(prompt: string): string {
  const sample = prompt.slice(0, 4_000)
  const letters = (sample.match(/\p{L}/gu) ?? []).length
  for (const [language, pattern] of scripts) {
    if ((sample.match(pattern) ?? []).length > letters * (language === 'ja' ? 0.1 : 0.3)) return language
  }
  const words = sample.toLowerCase().match(/\p{L}+/gu) ?? []
  let best = { language: 'en', hits: 0 }
  for (const [language, list] of Object.entries(stopWords)) {
    const known = new Set(list.split(' '))
    const hits = words.filter((word) => known.has(word)).length
    if (hits > best.hits) best = { language, hits }
  }
  return best.language
}
