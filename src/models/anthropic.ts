// Anthropic's messages, streamed or not. Invariant: its usage is told in our terms: input tokens with the cached ones among them.
import { z } from 'zod'
import type { ChatAnswer, ChatRequest, RateLimitState, Usage } from './chat.ts'
import { badAnswer, tooLarge } from './failures.ts'
import type { Reply } from './http.ts'
import type { Provider } from './provider.ts'
import { sseEvents } from './sse.ts'
import { makeTextStream, type TextStream } from './textStream.ts'
import { listedModels, makeWire, type WireOptions } from './wire.ts'

/** The version of the format that this file speaks. */
const formatVersion = '2023-06-01'

const count = z.number().int().nonnegative()
const usageSchema = z.object({
  input_tokens: count.nullish(),
  output_tokens: count.nullish(),
  cache_read_input_tokens: count.nullish(),
  cache_creation_input_tokens: count.nullish(),
})
type RawUsage = z.infer<typeof usageSchema>
const messageSchema = z.object({
  model: z.string(),
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
  stop_reason: z.string().nullish(),
  usage: usageSchema,
})
const eventSchema = z.object({
  type: z.string(),
  message: z.object({ model: z.string(), usage: usageSchema }).optional(),
  delta: z.object({ type: z.string().optional(), text: z.string().optional(), stop_reason: z.string().nullish() }).optional(),
  usage: usageSchema.optional(),
})

/** The body of a request: what is said to the system stands apart from the messages. Pure. */
export function anthropicBody(request: ChatRequest): Record<string, unknown> {
  const system = request.messages.filter(({ role }) => role === 'system').map(({ content }) => content)
  return {
    model: request.model,
    max_tokens: request.maxTokens,
    ...(system.length === 0 ? {} : { system: system.join('\n\n') }),
    messages: request.messages.filter(({ role }) => role !== 'system'),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.stream ? { stream: true } : {}),
  }
}

/** What the headers say of limits; their resets are points in time (RFC 3339). */
export function anthropicRateLimit(header: (name: string) => string | undefined, nowMs: number): RateLimitState | null {
  const number = (name: string): number | undefined => {
    const text = header(`anthropic-ratelimit-${name}`)
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
  }
  const untilMs = (name: string): number | undefined => {
    const atMs = Date.parse(header(`anthropic-ratelimit-${name}`) ?? '')
    return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
  }
  const fields = {
    limitRequests: number('requests-limit'),
    remainingRequests: number('requests-remaining'),
    resetRequestsMs: untilMs('requests-reset'),
    limitTokens: number('tokens-limit'),
    remainingTokens: number('tokens-remaining'),
    resetTokensMs: untilMs('tokens-reset'),
  }
  const known = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  return Object.keys(known).length === 0 ? null : known
}

export function anthropicProvider(options: WireOptions): Provider {
  const { provider, identity, key, clock } = options
  const wire = makeWire(options, { 'anthropic-version': formatVersion, ...(key === null ? {} : { 'x-api-key': key.reveal() }) })
  const { guards } = wire

  const finished = (
    text: string,
    model: string,
    stop: string | null | undefined,
    usage: RawUsage,
    firstTextMs: number | null,
    reply: Reply,
  ): ChatAnswer => {
    if (Buffer.byteLength(text) > guards.answerBytes) throw tooLarge(options, guards.answerBytes)
    if (text.trim() === '') throw badAnswer(options, 'an answer with some text, it was empty', '')
    const rateLimit = anthropicRateLimit(reply.header, clock.now())
    return { text, model, finishReason: finishReasonOf(stop), usage: usageOf(usage), firstTextMs, rateLimit }
  }

  const whole = async (reply: Reply, request: ChatRequest): Promise<ChatAnswer> => {
    const value = wire.json(await reply.text(), reply, request.model)
    const parsed = messageSchema.safeParse(value)
    if (!parsed.success) throw badAnswer(options, 'a message', JSON.stringify(value))
    const { content, model, stop_reason, usage } = parsed.data
    return finished(content.map(({ text = '' }) => text).join(''), model, stop_reason, usage, null, reply)
  }

  const streamed = async (reply: Reply, request: ChatRequest, stream: TextStream): Promise<ChatAnswer> => {
    let { model } = request
    let stop: string | null = null
    let usage: RawUsage = {}
    for await (const { data } of sseEvents(reply.pieces)) {
      const parsed = eventSchema.safeParse(wire.event(data, reply, request.model))
      if (!parsed.success) throw badAnswer(options, 'an event of a message', data)
      const event = parsed.data
      model = event.message?.model ?? model
      // Counts of output are sums so far: the last one is the whole.
      usage = { ...usage, ...present(event.message?.usage), ...present(event.usage) }
      stop = event.delta?.stop_reason ?? stop
      if (event.type === 'message_stop') return finished(stream.text(), model, stop, usage, stream.firstTextMs(), reply)
      if (event.type === 'content_block_delta') stream.add(event.delta?.text ?? '')
    }
    throw badAnswer(options, 'a stream that ends as one, it was cut', stream.text().slice(-80))
  }

  return {
    name: provider,
    identity,
    baseUrl: wire.baseUrl,
    chat: (request, signal, onText = () => undefined) => {
      const stream = makeTextStream(options, guards, clock, onText)
      return wire.post('/messages', anthropicBody(request), signal, (reply) =>
        reply.status < 400 && request.stream && reply.contentType.includes('text/event-stream')
          ? streamed(reply, request, stream)
          : whole(reply, request),
      )
    },
    listModels: (signal) => listedModels(wire, options, signal),
    close: () => Promise.resolve(),
  }
}

function present(usage: RawUsage | undefined): RawUsage {
  return Object.fromEntries(Object.entries(usage ?? {}).filter(([, value]) => value !== null && value !== undefined))
}

/** Its input tokens leave the cached ones out; ours have them in. */
function usageOf({ input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens }: RawUsage): Usage {
  const cached = cache_read_input_tokens ?? 0
  return {
    inputTokens: (input_tokens ?? 0) + cached + (cache_creation_input_tokens ?? 0),
    outputTokens: output_tokens ?? 0,
    cachedInputTokens: cached,
    estimated: false,
  }
}

function finishReasonOf(reason: string | null | undefined): ChatAnswer['finishReason'] {
  if (reason === 'max_tokens') return 'length'
  return reason === 'end_turn' || reason === 'stop_sequence' ? 'stop' : 'other'
}
