// What a person has set on the dashboard, and what a key changes of it. Pure. Invariant: no key touches the load, except those that end it.

export type Sort = 'scenario' | 'margin' | 'verdict' | 'name'

export interface Controls {
  readonly isFrozen: boolean
  /** A series; null: the one that runs. */
  readonly shown: string | null
  readonly sort: Sort
  /** The first target that is shown; null: those of the running scenario are in sight. */
  readonly firstTarget: number | null
  readonly hasHelp: boolean
  /** How often the end was asked for: once ends with a report, twice at once. */
  readonly stops: number
}

export const initialControls: Controls = { isFrozen: false, shown: null, sort: 'scenario', firstTarget: null, hasHelp: false, stops: 0 }

export type Key = 'freeze' | 'next' | 'previous' | 'follow' | 'up' | 'down' | 'sort' | 'help' | 'quit' | 'interrupt'

/** What a key may refer to. */
export interface OnScreen {
  readonly series: readonly string[]
  readonly followed: string | null
  readonly targets: number
  /** The first target in sight. */
  readonly firstTarget: number
}

const sorts: readonly Sort[] = ['scenario', 'margin', 'verdict', 'name']

const keys: Readonly<Record<string, Key>> = {
  'f': 'freeze',
  ' ': 'freeze',
  'n': 'next',
  'p': 'previous',
  'j': 'down',
  'k': 'up',
  's': 'sort',
  '?': 'help',
  'h': 'help',
  '\u001b': 'follow',
  'q': 'quit',
  '\u0003': 'interrupt',
}

/** Of typed characters; several may come at once. */
export function keysOfText(text: string): readonly Key[] {
  return Array.from(text.toLowerCase(), (character) => keys[character] ?? []).flat()
}

export function pressKey(controls: Controls, key: Key, { series, followed, targets, firstTarget }: OnScreen): Controls {
  switch (key) {
    case 'freeze':
      return { ...controls, isFrozen: !controls.isFrozen }
    case 'next':
    case 'previous': {
      if (series.length === 0) return controls
      const at = series.indexOf(controls.shown ?? followed ?? '')
      const step = key === 'next' ? 1 : -1
      return { ...controls, shown: series[(Math.max(at, 0) + step + series.length) % series.length] ?? null }
    }
    case 'follow':
      return controls.hasHelp ? { ...controls, hasHelp: false } : { ...controls, shown: null, firstTarget: null }
    case 'up':
      return { ...controls, firstTarget: Math.max(0, firstTarget - 1) }
    case 'down':
      return { ...controls, firstTarget: Math.max(0, Math.min(targets - 1, firstTarget + 1)) }
    case 'sort':
      return { ...controls, sort: sorts[(sorts.indexOf(controls.sort) + 1) % sorts.length] ?? 'scenario', firstTarget: null }
    case 'help':
      return { ...controls, hasHelp: !controls.hasHelp }
    case 'quit':
      return { ...controls, stops: Math.max(1, controls.stops) }
    case 'interrupt':
      return { ...controls, stops: controls.stops + 1 }
  }
}
