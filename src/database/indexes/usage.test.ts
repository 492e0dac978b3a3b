import { expect, test } from 'vitest'
import { memberUri } from './usage.ts'

test.each([
  ['mongodb://a:1,b:2/?replicaSet=rs', 'mongodb://b:2/?directConnection=true'],
  [
    'mongodb://user:p%40ss@a:1/shop?authSource=admin&readPreference=secondary',
    'mongodb://user:p%40ss@b:2/shop?authSource=admin&directConnection=true',
  ],
  ['mongodb+srv://user:secret@cluster.example.net/shop', 'mongodb://user:secret@b:2/shop?directConnection=true&tls=true'],
  ['mongodb://a', 'mongodb://b:2/?directConnection=true'],
])('one member of %s is asked as the same user', (uri, expected) => {
  expect(memberUri(uri, 'b:2')).toBe(expected)
})
