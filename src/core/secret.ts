// A value that must not be printed by accident. Invariant: only reveal() gives it away.
import { inspect } from 'node:util'

const shown = '[secret]'

export interface Secret {
  reveal(): string
}

class SecretText implements Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }

  [inspect.custom](): string {
    return shown
  }
}

export function secret(text: string): Secret {
  return new SecretText(text)
}
