// Documents of the shapes that the recorder writes, invented from a seed. Pure: chunk i needs no other chunk, so seeding can go on anywhere.
// Invariant: the same seed and scale give the same documents, ids and times included; every reference points to a document that is made.
import { ObjectId } from 'mongodb'
import { normal, seededRandom } from '../../core/random.ts'
import type {
  AttemptDocument,
  CachedAnswerDocument,
  CollectionName,
  CriticismDocument,
  EvaluationDocument,
  LogDocument,
  ResponseDocument,
  SelectionDocument,
  SessionDocument,
  ThreadDocument,
} from '../documents.ts'

/** By the number of model_responses. */
const scales = { small: 10_000, medium: 200_000, large: 2_000_000 } as const
export type Scale = keyof typeof scales
export const scaleNames: readonly Scale[] = ['small', 'medium', 'large']

export interface Chunk {
  readonly collection: CollectionName
  readonly documents: readonly object[]
}

/** Fixed, so that the same seed gives the same times; the documents of ninety days end here. */
const endMs = Date.UTC(2026, 9, 1)
const spanMs = 90 * 86_400_000
/** Nothing of a bench expires while it is measured. */
const never = new Date(Date.UTC(2100, 0, 1))

const threadsPerChunk = 400
const sessionsPerChunk = 2_000
const responsesPerThread = 5
const threadsPerSession = 10
const usersPerSession = 1 / 8
const userSkew = 0.9
/** Gentler than among users: a session is one sitting. */
const sessionSkew = 0.4

const models = [
  ['simulated/atlas', 0.28],
  ['simulated/birch', 0.22],
  ['simulated/cedar', 0.16],
  ['simulated/dune', 0.12],
  ['simulated/ember', 0.09],
  ['simulated/fjord', 0.06],
  ['simulated/grove', 0.04],
  ['simulated/heath', 0.03],
] as const
const domains = [
  ['code', 0.34],
  ['general', 0.22],
  ['business', 0.14],
  ['creative', 0.1],
  ['science', 0.08],
  ['math', 0.06],
  ['legal', 0.03],
  ['medical', 0.03],
] as const
const words = (
  'explain compare design index query latency commit cache queue proof model answer critic refine token budget session thread lock shard ' +
  'replica write read order merge stream batch pool limit retry window trace score judge prompt system graph state event store'
).split(' ')

type Weighted = readonly (readonly [name: string, share: number])[]

function pick(table: Weighted, at: number): string {
  let left = at
  for (const [name, share] of table) {
    left -= share
    if (left < 0) return name
  }
  return table[0]?.[0] ?? ''
}

/** A rank of `count`, the small ones more often: the inverse of the integral of x^-skew. */
function zipf(count: number, skew: number, at: number): number {
  const power = 1 - skew
  return Math.min(count - 1, Math.floor(((count + 1) ** power * at + (1 - at)) ** (1 / power)) - 1)
}

/** 12 bytes as an ObjectId has them: seconds, what it is of, and its number. */
function idOf(kind: number, atMs: number, number: number): ObjectId {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(Math.floor(atMs / 1_000), 0)
  bytes.writeUInt8(kind, 4)
  bytes.writeUIntBE(number, 6, 6)
  return new ObjectId(bytes)
}

const kinds = { session: 1, thread: 2, response: 3, evaluation: 4, criticism: 5, selection: 6, log: 7, attempt: 8, cached: 9 } as const

export interface SampleData {
  /** In this order they may be written: what others refer to first. */
  readonly chunkCount: number
  /** What chunk `index` (from 0) consists of. */
  chunk(index: number): readonly Chunk[]
  readonly counts: Readonly<Partial<Record<CollectionName, number>>>
}

export function sampleData(scale: Scale, seed: number): SampleData {
  const responseCount = scales[scale]
  const threadCount = responseCount / responsesPerThread
  const sessionCount = Math.max(1, Math.round(threadCount / threadsPerSession))
  const userCount = Math.max(1, Math.round(sessionCount * usersPerSession))
  const sessionChunks = Math.ceil(sessionCount / sessionsPerChunk)
  const threadChunks = Math.ceil(threadCount / threadsPerChunk)
  const text = textPool(seed)

  /** The same in every chunk: a thread knows when its session was. */
  const sessionStart = (session: number): number => endMs - spanMs + Math.floor((spanMs * 0.98 * (session + 0.5)) / sessionCount)
  const sessionId = (session: number): ObjectId => idOf(kinds.session, sessionStart(session), session)

  const sessionChunk = (index: number): readonly Chunk[] => {
    const random = seededRandom(`${seed}/sessions/${index}`)
    const from = index * sessionsPerChunk
    const documents = Array.from({ length: Math.min(sessionsPerChunk, sessionCount - from) }, (_, offset): SessionDocument => {
      const number = from + offset
      const startMs = sessionStart(number)
      const lengthMs = Math.floor(random() * 3_600_000)
      const at = random()
      const status = at < 0.93 ? 'completed' : at < 0.96 ? 'terminated' : at < 0.985 ? 'error' : 'active'
      return {
        _id: sessionId(number),
        user_id: `user-${String(zipf(userCount, userSkew, random())).padStart(6, '0')}`,
        session_start: new Date(startMs),
        session_end: status === 'active' ? null : new Date(startMs + lengthMs),
        status,
        max_iterations: 5,
        total_cost: Math.round(random() * 90_000) / 1e6,
        settings: { strategy: 'critique', critics: 2, threshold: 8 },
        created_at: new Date(startMs),
        updated_at: new Date(startMs + lengthMs),
        simulated: true,
      }
    })
    return [{ collection: 'user_sessions', documents }]
  }

  const threadChunk = (index: number): readonly Chunk[] => {
    const random = seededRandom(`${seed}/threads/${index}`)
    const threads: ThreadDocument[] = []
    const responses: ResponseDocument[] = []
    const evaluations: EvaluationDocument[] = []
    const criticisms: CriticismDocument[] = []
    const selections: SelectionDocument[] = []
    const logs: LogDocument[] = []
    const attempts: AttemptDocument[] = []
    const cached: CachedAnswerDocument[] = []
    const from = index * threadsPerChunk
    for (let number = from; number < Math.min(from + threadsPerChunk, threadCount); number += 1) {
      const session = zipf(sessionCount, sessionSkew, random())
      const session_id = sessionId(session)
      const startMs = sessionStart(session) + Math.floor(random() * spanMs * 0.02)
      const thread_id = idOf(kinds.thread, startMs, number)
      const author = pick(models, random())
      const domain = pick(domains, random())
      const prompt = Array.from({ length: 6 + Math.floor(random() * 8) }, () => words[Math.floor(random() * words.length)]).join(' ')
      const isActive = random() < 0.01
      let tokens = 0
      let cost = 0
      const firstResponse = number * responsesPerThread
      for (let part = 0; part < responsesPerThread; part += 1) {
        // An answer, two judges, an answer again, a judge again.
        const isAnswer = part === 0 || part === 3
        const iteration = part < 3 ? 1 : 2
        const role = isAnswer ? (part === 0 ? 'primary' : 'refiner') : 'critic'
        const model = isAnswer ? author : pick(models, random())
        const at = new Date(startMs + part * 2_000)
        const input = 80 + Math.floor(random() * 700)
        const output = 60 + Math.floor(random() * 500)
        const costUsd = Math.round((input * 0.15 + output * 0.6) * 1_000) / 1e9
        const tookMs = Math.round(900 * Math.exp(0.5 * normal(random)))
        const status = random() < 0.97 ? 'ok' : 'error'
        tokens += input + output
        cost += costUsd
        const offset = Math.floor(random() * (text.length - 1_600))
        const response_text = status === 'ok' ? text.slice(offset, offset + 700 + Math.floor(random() * 700)) : ''
        const _id = idOf(kinds.response, at.getTime(), firstResponse + part)
        responses.push({
          _id,
          thread_id,
          session_id,
          iteration,
          model_name: model,
          provider: 'simulated',
          role,
          response_text,
          tokens_used: input + output,
          input_tokens: input,
          output_tokens: output,
          cost_usd: costUsd,
          response_time_ms: tookMs,
          is_selected_best: part === 3,
          status,
          created_at: at,
          simulated: true,
        })
        if (part < 2) {
          attempts.push({
            _id: idOf(kinds.attempt, at.getTime(), firstResponse + part),
            step: `${thread_id.toHexString()}/${iteration}/${role}/${model}/0`,
            thread_id,
            run_id: thread_id.toHexString(),
            iteration,
            role,
            sample: 0,
            try_number: 1,
            provider: 'simulated',
            model_name: model,
            request_digest: _id.toHexString(),
            request: null,
            input_tokens_at_most: input,
            output_tokens_at_most: 2_048,
            cost_at_most_usd: costUsd,
            state: status,
            answer: null,
            usage: { inputTokens: input, outputTokens: output, cachedInputTokens: 0, estimated: false },
            cost_usd: costUsd,
            error_code: null,
            error_message: null,
            latency_ms: tookMs,
            created_at: at,
            finished_at: at,
            simulated: true,
          })
        }
        if (isAnswer) continue
        const score = Math.round(10 * Math.min(10, Math.max(1, 7.2 + normal(random)))) / 10
        if (part !== 2) {
          evaluations.push({
            _id: idOf(kinds.evaluation, at.getTime(), firstResponse + part),
            thread_id,
            session_id,
            iteration,
            evaluated_response_id: idOf(kinds.response, startMs + (iteration === 1 ? 0 : 6_000), firstResponse + (iteration === 1 ? 0 : 3)),
            evaluated_model: author,
            evaluator_model: model,
            criteria: { accuracy: score, relevance: score, clarity: score, completeness: score },
            overall_score: score,
            criticism: text.slice(offset, offset + 160),
            suggestions: [text.slice(offset, offset + 60)],
            created_at: at,
            simulated: true,
          })
        }
      }
      const endedAt = new Date(startMs + 12_000)
      criticisms.push({
        _id: idOf(kinds.criticism, startMs, number),
        thread_id,
        session_id,
        iteration: 2,
        original_response_id: idOf(kinds.response, startMs, firstResponse),
        response_id: idOf(kinds.response, startMs + 6_000, firstResponse + 3),
        responding_model: author,
        improvement_score: Math.round(random() * 20) / 10,
        created_at: endedAt,
        simulated: true,
      })
      selections.push({
        _id: idOf(kinds.selection, startMs, number),
        thread_id,
        session_id,
        iteration: 1,
        candidates: [],
        selected_model: author,
        critics: models.slice(0, 2).map(([name]) => name),
        algorithm_version: 'seeded',
        created_at: new Date(startMs),
        simulated: true,
      })
      for (let seq = 0; seq < 2; seq += 1) {
        logs.push({
          _id: idOf(kinds.log, startMs, number * 2 + seq),
          session_id,
          thread_id,
          log_level: 'info',
          component: 'engine',
          event_type: seq === 0 ? 'run-started' : 'run-finished',
          details: null,
          run_started: new Date(startMs),
          seq,
          timestamp: new Date(startMs + seq * 12_000),
          expires: never,
          simulated: true,
        })
      }
      if (number % 20 === 0) {
        const key = idOf(kinds.cached, startMs, number).toHexString()
        cached.push({ _id: `seeded-${key}`, answer: null, created_at: endedAt, expires_at: never, simulated: true })
      }
      threads.push({
        _id: thread_id,
        session_id,
        run_id: thread_id.toHexString(),
        original_prompt: prompt,
        domain,
        complexity_level: random() < 0.5 ? 'moderate' : 'simple',
        language: 'en',
        thread_status: isActive ? 'active' : 'completed',
        current_iteration: 2,
        best_model_id: author,
        best_response_id: idOf(kinds.response, startMs + 6_000, firstResponse + 3),
        final_response: isActive ? null : text.slice(0, 600),
        final_quality_score: isActive ? null : 8,
        stop_reason: isActive ? null : 'threshold',
        total_tokens_used: tokens,
        total_cost: cost,
        total_time_ms: 12_000,
        created_at: new Date(startMs),
        completed_at: isActive ? null : endedAt,
        result: null,
        simulated: true,
      })
    }
    return [
      { collection: 'conversation_threads', documents: threads },
      { collection: 'model_responses', documents: responses },
      { collection: 'model_evaluations', documents: evaluations },
      { collection: 'criticism_responses', documents: criticisms },
      { collection: 'model_selection_history', documents: selections },
      { collection: 'orchestration_logs', documents: logs },
      { collection: 'model_attempts', documents: attempts },
      { collection: 'response_cache', documents: cached },
    ]
  }

  return {
    chunkCount: sessionChunks + threadChunks,
    chunk: (index) => (index < sessionChunks ? sessionChunk(index) : threadChunk(index - sessionChunks)),
    counts: {
      user_sessions: sessionCount,
      conversation_threads: threadCount,
      model_responses: responseCount,
      model_evaluations: threadCount * 2,
      criticism_responses: threadCount,
      model_selection_history: threadCount,
      orchestration_logs: threadCount * 2,
      model_attempts: threadCount * 2,
      response_cache: Math.ceil(threadCount / 20),
    },
  }
}

/** A long text, from which answers are cut: making each of them anew would cost more than writing it. */
function textPool(seed: number): string {
  const random = seededRandom(`${seed}/text`)
  return Array.from({ length: 12_000 }, () => words[Math.floor(random() * words.length)]).join(' ')
}
