// Server-sent events from bytes, however they are split. Source: WHATWG HTML, 9.2. Invariant: an event is bounded in size.
import { createParser, type EventSourceMessage } from 'eventsource-parser'

export interface SseEvent {
  /** Empty where the stream names none. */
  readonly event: string
  readonly data: string
}

/** The events of a byte stream, as they come. Comments are passed over. */
export async function* sseEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  let ready: SseEvent[] = []
  const parser = createParser({
    onEvent: ({ event, data }: EventSourceMessage) => void ready.push({ event: event ?? '', data }),
  })
  // Characters may be split as well as lines.
  const decoder = new TextDecoder()
  let endsInReturn = false
  for await (const piece of pieces) {
    const text = decoder.decode(piece, { stream: true })
    if (text !== '') endsInReturn = text.endsWith('\r')
    parser.feed(text)
    const events = ready
    ready = []
    yield* events
  }
  // Whether a last \r ends its line alone is known only now.
  if (endsInReturn) parser.feed('\n')
  yield* ready
  // A last event without its blank line is one that was cut off: it is dropped, as the standard says.
}
