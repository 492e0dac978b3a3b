import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sseEvents, type SseEvent } from './sse.ts'

async function* cutAt(bytes: Uint8Array, places: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0
  for (const place of [...places.toSorted((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(from, place)
    from = place
  }
}

async function collect(bytes: Uint8Array, places: readonly number[]): Promise<readonly SseEvent[]> {
  const events: SseEvent[] = []
  for await (const event of sseEvents(cutAt(bytes, places))) events.push(event)
  return events
}

/** Lines of any characters but the ends of lines, in which NUL is not at home either. */
const line = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.toWellFormed().replaceAll(/[\r\n\0\uFEFF]/g, ' '))

test('whatever events there are, however their lines end and their bytes are split, they come whole and in order', async () => {
  const event = fc.record({
    event: fc.constantFrom('', 'message_start', 'delta'),
    lines: fc.array(line, { minLength: 1, maxLength: 3 }),
    comment: fc.option(line),
    id: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.boolean(),
      fc.array(fc.nat(2_000), { maxLength: 30 }),
      async (events, end, isCut, cuts) => {
        const blocks = events.map(({ event: name, lines, comment, id }) =>
          [
            ...(comment === null ? [] : [`:${comment}`]),
            ...(name === '' ? [] : [`event: ${name}`]),
            ...(id ? ['id: 7'] : []),
            ...lines.map((text) => `data: ${text}`),
            '',
            '',
          ].join(end),
        )
        // What is not followed by a blank line was cut off.
        const bytes = new TextEncoder().encode(`${blocks.join('')}${isCut ? `data: lost${end}` : ''}`)
        const expected = events.map(({ event: name, lines }) => ({ event: name, data: lines.join('\n') }))
        const places = cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length))
        expect(await collect(bytes, places)).toEqual(expected)
        expect(
          await collect(
            bytes,
            Array.from({ length: bytes.length }, (_, index) => index),
          ),
        ).toEqual(expected)
      },
    ),
    { numRuns: 150 },
  )
})
