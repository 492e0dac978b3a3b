import { expect, test } from 'vitest'
import { linesOf, promptOfBytes, promptOfLine, promptOfWord } from './prompt.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const domains = ['code', 'general']

test.each([
  ['an empty prompt', () => promptOfWord(''), /is empty/],
  ['blanks alone', () => promptOfWord(' \n\t '), /is empty/],
  ['bytes that were no UTF-8 on the command line', () => promptOfWord('caf\ufffd'), /not valid UTF-8/],
  ['one byte over 1 MiB on the command line', () => promptOfWord('x'.repeat(1_048_577)), /1048577 bytes; at most 1 MiB/],
  ['two-byte characters over 1 MiB', () => promptOfWord('é'.repeat(524_289)), /at most 1 MiB/],
  ['nothing on standard input', () => promptOfBytes(bytes('')), /is empty/],
  ['latin-1 on standard input', () => promptOfBytes(Uint8Array.of(0x63, 0xe9, 0x20)), /not valid UTF-8/],
  ['one byte over 1 MiB on standard input', () => promptOfBytes(bytes('x'.repeat(1_048_577))), /at most 1 MiB/],
])('%s is refused', (_, read, message) => {
  expect(read).toThrow(expect.objectContaining({ code: 'bad_prompt', message: expect.stringMatching(message) as string }))
})

test('a prompt of exactly 1 MiB is taken as it is', () => {
  expect(promptOfBytes(bytes('x'.repeat(1_048_576)))).toHaveLength(1_048_576)
  expect(promptOfBytes(bytes('  what?\n'))).toBe('  what?\n')
})

test('a line of a file brings its prompt, id, domain and priority', () => {
  expect(promptOfLine(bytes('{"prompt": "p", "id": "a", "domain": "code", "priority": 7}'), 3, domains)).toEqual({
    line: 3,
    id: 'a',
    prompt: 'p',
    domain: 'code',
    priority: 7,
  })
  expect(promptOfLine(bytes('{"prompt": "p"}'), 1, domains)).toEqual({ line: 1, id: null, prompt: 'p', domain: null, priority: null })
  expect(promptOfLine(bytes('  \r'), 2, domains)).toBeNull()
})

test.each([
  ['{"prompt": ', null, /no JSON/],
  ['["p"]', null, /line 9/],
  ['{"id": "a"}', 'a', /prompt/],
  ['{"prompt": " ", "id": "a"}', 'a', /is empty/],
  ['{"prompt": "p", "priority": 11}', null, /priority/],
  ['{"prompt": "p", "domain": "astrology"}', null, /domain/],
  ['{"prompt": "p", "promt": "p"}', null, /promt/],
])('the broken line %s is named, with its id where it has one', (text, id, message) => {
  const broken = promptOfLine(bytes(text), 9, domains)
  expect(broken).toMatchObject({ line: 9, id, error: { code: 'bad_prompt', message: expect.stringMatching(message) as string } })
})

test('lines end at newlines, the last one also without', () => {
  const split = (text: string): string[] => [...linesOf(bytes(text))].map((line) => new TextDecoder().decode(line))
  expect(split('a\nb\n')).toEqual(['a', 'b'])
  expect(split('\ufeffa\n\nb')).toEqual(['a', '', 'b'])
  expect(split('')).toEqual([])
})
