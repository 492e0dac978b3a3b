// The system as the bench opens it: the same assembly as for a run, on the simulated provider and the bench's database.
import { makeAgent } from '../../models/agent.ts'
import { profilesOf, type ModelProfile } from '../../models/catalog.ts'
import { openAiProvider } from '../../models/openai.ts'
import type { RunSettings } from '../../orchestration/events.ts'
import type { ModelOption } from '../../orchestration/select.ts'
import type { OpenBenchSystem } from '../../bench/scenarios/orchestrations.ts'
import { openSystem } from '../../system.ts'
import type { CommandContext } from '../command.ts'

const panelSize = 2
const askedTokens = 600

const settings: RunSettings = {
  strategy: 'critique',
  critics: 2,
  iterations: 5,
  threshold: 8,
  patience: 1,
  maxCostUsd: null,
  maxTokens: 2_048,
  deadlineMs: 120_000,
  stream: true,
  useCache: true,
  priority: 5,
}

const optionOf = ({ provider, model, price, family, specialties, quality, latencyMs }: ModelProfile): ModelOption => ({
  model: `${provider}/${model}`,
  price,
  family,
  specialties,
  quality,
  latencyMs,
  available: true,
})

export function benchSystemOf({ io, version }: Pick<CommandContext, 'io' | 'version'>): OpenBenchSystem {
  return ({ runtime, provider: baseUrl, db, concurrency, seed, withPanel }) => {
    const agent = makeAgent({ version, clock: runtime.clock, connectionsPerHost: concurrency })
    const identity = `simulated:${seed}`
    const provider = openAiProvider({
      provider: 'simulated',
      identity,
      baseUrl,
      keyVariable: '',
      key: null,
      agent,
      clock: runtime.clock,
      jsonMode: true,
    })
    const all = profilesOf('simulated')
    const panel = withPanel ? all.slice(-panelSize) : []
    const system = openSystem({
      runtime,
      providers: new Map([['simulated', provider]]),
      models: all.filter((profile) => !panel.includes(profile)).map(optionOf),
      limitsOf: () => ({ requestsPerMinute: null, unitsPerMinute: null, atOnce: concurrency }),
      db,
      simulated: true,
      learns: false,
      concurrency,
      maxWaiting: 10_000,
      resumedSessionId: null,
      // No two benches share answers.
      userId: `bench-${runtime.newId()}`,
      settings,
      onDatabaseLost: () => undefined,
      residentBytes: () => io.samples.residentBytes(io.pid) ?? 0,
      onMemoryAlert: () => undefined,
    })
    return Promise.resolve({
      system,
      order: (prompt) => ({ prompt, id: null, threadId: null, domain: null, author: null, settings }),
      panel: panel.map(({ model }) => `simulated/${model}`),
      ask: async (model, messages, signal) => {
        const request = {
          model: model.slice('simulated/'.length),
          messages,
          maxTokens: askedTokens,
          stream: false,
          format: 'json' as const,
        }
        return (await provider.chat(request, signal)).text
      },
      close: async () => {
        await system.close('completed')
        await agent.close()
      },
    })
  }
}
