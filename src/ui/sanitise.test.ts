import fc from 'fast-check'
import { expect, test } from 'vitest'
import { safeJson, sanitise, sanitiseLine } from './sanitise.ts'

test.each([
  ['colour', 'a\u001b[31mred\u001b[0m', 'ared'],
  ['clear screen', 'a\u001b[2J\u001b[Hb', 'ab'],
  ['window title', 'a\u001b]0;owned\u0007b', 'ab'],
  ['hyperlink', '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
  ['C1 CSI', 'a\u009b31mb', 'ab'],
  ['unfinished OSC swallows the rest of its string', 'a\u001b]52;c;aGk=', 'a'],
  ['device control string', 'a\u001bPq#0\u001b\\b', 'ab'],
  ['backspace and bell', 'ab\b\u0007c', 'abc'],
  ['carriage return that overwrites', 'good\rbad', 'goodbad'],
  ['right-to-left override', 'abc\u202edef', 'abcdef'],
  ['isolates and marks', '\u2066a\u2069\u200eb\u200fc', 'abc'],
  ['lone surrogate', 'a\ud800b', 'ab'],
  ['tabs and newlines stay', 'a\tb\r\nc\nd', 'a\tb\nc\nd'],
  ['other scripts stay', 'größe 東京 🙂 مرحبا', 'größe 東京 🙂 مرحبا'],
])('%s', (_, raw, clean) => {
  expect(sanitise(raw)).toBe(clean)
})

test('nothing but tab and newline below a blank survives, whatever comes in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const clean = sanitise(text)
      // oxlint-disable-next-line no-control-regex -- the very characters that must be gone
      expect(clean).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      expect(sanitise(clean)).toBe(clean)
    }),
  )
})

test('a line stays one line', () => {
  expect(sanitiseLine('a\n\tb\r\nc ')).toBe('a b c')
})

test('JSON means the same, and moves no terminal', () => {
  const value = { text: 'a\u009b31m\u202eb\u200fc\ud800 \u001b[2J é 日本 🙂', ['\u0085key']: [1, null] }
  const json = safeJson(value)
  expect(JSON.parse(json)).toEqual(value)
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/)
  expect(json).toContain('é 日本 🙂')
})
