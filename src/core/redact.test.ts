import { describe, expect, test } from 'vitest'
import { isUriWithPassword, makeRedactor, redactUris } from './redact.ts'

describe('redactUris', () => {
  test.each([
    ['mongodb://admin:hunter22@db.example:27017/x', 'mongodb://admin:***@db.example:27017/x'],
    ['failed at mongodb+srv://a:p%40ss@c.example/?w=1 twice', 'failed at mongodb+srv://a:***@c.example/?w=1 twice'],
    ['redis://:secretpw@127.0.0.1:6379', 'redis://:***@127.0.0.1:6379'],
    ['mongodb://u:with@at@host/db', 'mongodb://u:***@host/db'],
    [
      'mongodb://a:p@h1,h2:27018/x?tls=true&tlsCertificateKeyFilePassword=pw&w=1',
      'mongodb://a:***@h1,h2:27018/x?tls=true&tlsCertificateKeyFilePassword=***&w=1',
    ],
    [
      'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:abc&proxyPassword=x y',
      'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:***&proxyPassword=*** y',
    ],
    ['https://example.org/a:b@c', 'https://example.org/a:b@c'],
    ['mongodb://127.0.0.1:27017/orchestratex', 'mongodb://127.0.0.1:27017/orchestratex'],
  ])('%s becomes %s', (text, clean) => {
    expect(redactUris(text)).toBe(clean)
  })
})

test.each([
  ['mongodb://admin:hunter22@db.example/x', true],
  ['mongodb+srv://a:b@c', true],
  ['mongodb://db.example/x', false],
  ['explain mongodb://user:pass@host to me', false],
  ['https://example.org/a:b@c', false],
])('%s is a URI with a password: %s', (word, expected) => {
  expect(isUriWithPassword(word)).toBe(expected)
})

test('a redactor hides a secret as it stands and URI-encoded, the longer one first', () => {
  const redact = makeRedactor(['sesame/open', 'sesame/open/again', 'abc'])
  expect(redact('key=sesame/open, again=sesame/open/again, url=sesame%2Fopen, short=abc')).toBe('key=***, again=***, url=***, short=abc')
})

test('a redactor hides a secret within JSON too', () => {
  expect(makeRedactor(['say "friend"'])(JSON.stringify({ key: 'say "friend"' }))).toBe('{"key":"***"}')
})
