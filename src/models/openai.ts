// OpenAI's chat completions, streamed or not: also xAI, OpenRouter, Ollama, llama.cpp, vLLM and LM Studio, by base URL.
// Invariant: an answer that is handed out came whole; one that was cut, empty or broken is an error.
import { z } from 'zod'
import type { ChatAnswer, ChatRequest, RateLimitState, Usage } from './chat.ts'
import { badAnswer, tooLarge } from './failures.ts'
import type { Reply } from './http.ts'
import type { Provider } from './provider.ts'
import { sseEvents } from './sse.ts'
import { makeTextStream, type TextStream } from './textStream.ts'
import { bearer, listedModels, makeWire, type WireOptions } from './wire.ts'

export interface OpenAiOptions extends WireOptions {
  /** Whether it takes `response_format`; some compatible servers refuse what they do not know. */
  readonly jsonMode: boolean
}

const usageSchema = z.object({
  prompt_tokens: z.number().int().nonnegative(),
  completion_tokens: z.number().int().nonnegative(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().int().nonnegative().nullish() }).nullish(),
})
const bodySchema = z.object({
  model: z.string().nullish(),
  choices: z.array(
    z.object({
      message: z.object({ content: z.string().nullish() }).nullish(),
      delta: z.object({ content: z.string().nullish() }).nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
})

interface Dialect {
  readonly jsonMode: boolean
  /** OpenAI's own newer models refuse `max_tokens`; compatible servers know no other name. */
  readonly tokensField: 'max_tokens' | 'max_completion_tokens'
}

/** The body of a request. Pure. */
export function openAiBody(request: ChatRequest, { jsonMode, tokensField }: Dialect): Record<string, unknown> {
  return {
    model: request.model,
    messages: request.messages,
    [tokensField]: request.maxTokens,
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.format === 'json' && jsonMode ? { response_format: { type: 'json_object' } } : {}),
    ...(request.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }
}

/** What OpenAI's headers say of limits; their resets are durations such as `6m0s` or `20ms`. */
export function openAiRateLimit(header: (name: string) => string | undefined): RateLimitState | null {
  const known: { -readonly [Field in keyof RateLimitState]: RateLimitState[Field] } = {}
  let isKnown = false
  for (const [field, name, isDuration] of rateLimitHeaders) {
    const text = header(name)
    const value = text === undefined ? undefined : isDuration ? durationMs(text) : countOf(text)
    if (value === undefined) continue
    known[field] = value
    isKnown = true
  }
  return isKnown ? known : null
}

const rateLimitHeaders: readonly (readonly [field: keyof RateLimitState, name: string, isDuration: boolean])[] = [
  ['limitRequests', 'x-ratelimit-limit-requests', false],
  ['remainingRequests', 'x-ratelimit-remaining-requests', false],
  ['resetRequestsMs', 'x-ratelimit-reset-requests', true],
  ['limitTokens', 'x-ratelimit-limit-tokens', false],
  ['remainingTokens', 'x-ratelimit-remaining-tokens', false],
  ['resetTokensMs', 'x-ratelimit-reset-tokens', true],
]

function countOf(text: string): number | undefined {
  const value = Number(text)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

const partMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)].reduce(
    (sum, [, value, unit]) => sum + Number(value) * (partMs[unit ?? ''] ?? 0),
    0,
  )
}

export function openAiProvider(options: OpenAiOptions): Provider {
  const { provider, identity, key, clock, jsonMode } = options
  const wire = makeWire(options, bearer(key))
  const { guards } = wire
  const tokensField = wire.baseUrl.startsWith('https://api.openai.com/') ? 'max_completion_tokens' : 'max_tokens'

  const checked = (answer: Omit<ChatAnswer, 'usage'>, usage: Usage | null, request: ChatRequest): ChatAnswer => {
    // A character has at most three bytes a UTF-16 unit, so that most answers need no counting.
    const isLarge = answer.text.length * 3 > guards.answerBytes && Buffer.byteLength(answer.text) > guards.answerBytes
    if (isLarge) throw tooLarge(options, guards.answerBytes)
    if (!/\S/.test(answer.text)) throw badAnswer(options, 'an answer with some text, it was empty', '')
    return { ...answer, usage: usage ?? estimatedUsage(request, answer.text) }
  }

  const whole = async (reply: Reply, request: ChatRequest): Promise<ChatAnswer> => {
    const value = wire.json(await reply.text(), reply, request.model)
    const parsed = bodySchema.safeParse(value)
    const choice = parsed.data?.choices[0]
    if (!parsed.success || choice === undefined) throw badAnswer(options, 'a chat completion', JSON.stringify(value))
    const { model, usage } = parsed.data
    const text = choice.message?.content ?? ''
    const answer = {
      text,
      model: model ?? request.model,
      finishReason: finishReasonOf(choice.finish_reason),
      firstTextMs: null,
      rateLimit: openAiRateLimit(reply.header),
    }
    return checked(answer, usageOf(usage), request)
  }

  const streamed = async (reply: Reply, request: ChatRequest, stream: TextStream): Promise<ChatAnswer> => {
    let model = request.model
    let finish: string | null = null
    let usage: Usage | null = null
    let isDone = false
    for await (const { data } of sseEvents(reply.pieces)) {
      if (data === '[DONE]') {
        isDone = true
        break
      }
      const parsed = bodySchema.safeParse(wire.event(data, reply, request.model))
      if (!parsed.success) throw badAnswer(options, 'a chunk of a chat completion', data)
      const [choice] = parsed.data.choices
      model = parsed.data.model ?? model
      usage = usageOf(parsed.data.usage) ?? usage
      finish = choice?.finish_reason ?? finish
      stream.add(choice?.delta?.content ?? '')
    }
    const text = stream.text()
    if (!isDone && finish === null) throw badAnswer(options, 'a stream that ends as one, it was cut', text.slice(-80))
    const answer = {
      text,
      model,
      finishReason: finishReasonOf(finish),
      firstTextMs: stream.firstTextMs(),
      rateLimit: openAiRateLimit(reply.header),
    }
    return checked(answer, usage, request)
  }

  return {
    name: provider,
    identity,
    baseUrl: wire.baseUrl,
    chat: (request, signal, onText = () => undefined) => {
      const stream = makeTextStream(options, guards, clock, onText)
      return wire.post('/chat/completions', openAiBody(request, { jsonMode, tokensField }), signal, (reply) =>
        reply.status < 400 && request.stream && reply.contentType.includes('text/event-stream')
          ? streamed(reply, request, stream)
          : whole(reply, request),
      )
    },
    listModels: (signal) => listedModels(wire, options, signal),
    close: () => Promise.resolve(),
  }
}

function usageOf(usage: z.infer<typeof usageSchema> | null | undefined): Usage | null {
  if (!usage) return null
  return {
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    cachedInputTokens: Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0),
    estimated: false,
  }
}

function finishReasonOf(reason: string | null | undefined): ChatAnswer['finishReason'] {
  if (reason === 'length') return 'length'
  return reason === 'stop' || reason === null || reason === undefined ? 'stop' : 'other'
}

const bytesPerToken = 4

/** Where a provider sends no usage: about four bytes a token. */
function estimatedUsage(request: ChatRequest, text: string): Usage {
  const inputBytes = request.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  return {
    inputTokens: Math.ceil(inputBytes / bytesPerToken),
    outputTokens: Math.ceil(Buffer.byteLength(text) / bytesPerToken),
    cachedInputTokens: 0,
    estimated: true,
  }
}
