// Ollama's own chat format: a JSON object a line. For a base URL that ends in `/api`; its `/v1` speaks OpenAI's format.
// Invariant: an answer that is handed out came whole, with its `done` line.
import { z } from 'zod'
import type { ChatAnswer, ChatRequest } from './chat.ts'
import { badAnswer } from './failures.ts'
import type { Reply } from './http.ts'
import type { Provider } from './provider.ts'
import { makeTextStream } from './textStream.ts'
import { bearer, makeWire, type WireOptions } from './wire.ts'

const lineSchema = z.object({
  model: z.string().optional(),
  message: z.object({ content: z.string() }).optional(),
  done: z.boolean().optional(),
  done_reason: z.string().optional(),
  prompt_eval_count: z.number().int().nonnegative().optional(),
  eval_count: z.number().int().nonnegative().optional(),
})

/** The body of a request. Pure. */
export function ollamaBody(request: ChatRequest): Record<string, unknown> {
  return {
    model: request.model,
    messages: request.messages,
    stream: request.stream,
    options: { num_predict: request.maxTokens, ...(request.temperature === undefined ? {} : { temperature: request.temperature }) },
    ...(request.format === 'json' ? { format: 'json' } : {}),
  }
}

/** The lines of a byte stream, as they come. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield line
  }
  if (rest.trim() !== '') yield rest
}

export function ollamaProvider(options: WireOptions): Provider {
  const { provider, identity, key, clock } = options
  const wire = makeWire(options, bearer(key))

  const read = async (reply: Reply, request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer> => {
    const stream = makeTextStream(options, wire.guards, clock, onText)
    for await (const line of linesOf(reply.pieces)) {
      const entry = lineSchema.safeParse(wire.json(line, reply, request.model))
      if (!entry.success) throw badAnswer(options, 'a line of a chat', line)
      const { message, done, done_reason, prompt_eval_count = 0, eval_count = 0, model = request.model } = entry.data
      stream.add(message?.content ?? '')
      if (done !== true) continue
      const text = stream.text()
      if (text.trim() === '') throw badAnswer(options, 'an answer with some text, it was empty', '')
      const usage = { inputTokens: prompt_eval_count, outputTokens: eval_count, cachedInputTokens: 0, estimated: false }
      const finishReason = done_reason === 'length' ? 'length' : 'stop'
      return { text, model, finishReason, usage, firstTextMs: request.stream ? stream.firstTextMs() : null, rateLimit: null }
    }
    throw badAnswer(options, 'a stream that ends with its done line, it was cut', stream.text().slice(-80))
  }

  return {
    name: provider,
    identity,
    baseUrl: wire.baseUrl,
    chat: (request, signal, onText = () => undefined) =>
      wire.post('/chat', ollamaBody(request), signal, (reply) => read(reply, request, onText)),
    listModels: (signal) =>
      wire.get('/tags', signal, async (reply) => {
        const value = wire.json(await reply.text(), reply, '')
        const list = z.object({ models: z.array(z.object({ name: z.string() })) }).safeParse(value)
        if (!list.success) throw badAnswer(options, 'a list of models', JSON.stringify(value))
        return list.data.models.map(({ name }) => name)
      }),
    close: () => Promise.resolve(),
  }
}
