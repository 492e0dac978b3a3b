// Text within XML. Invariant: no character that XML 1.0 forbids, not even escaped.
import { sanitise } from './sanitise.ts'

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;', '\n': '&#10;' }

export function escapeXml(text: string): string {
  return sanitise(text)
    .replace(/[\ufffe\uffff]/g, '')
    .replace(/[&<>"'\n]/g, (character) => entities[character] ?? character)
}
