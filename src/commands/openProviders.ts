// The providers that the settings name, over one pool of connections; the simulated one where there is none.
import { OrxError } from '../core/errors.ts'
import { deadlineAfter } from '../core/runtime.ts'
import { formatDuration } from '../core/units.ts'
import { makeAgent, type ProviderAgent } from '../models/agent.ts'
import { anthropicProvider } from '../models/anthropic.ts'
import { ollamaProvider } from '../models/ollama.ts'
import { openAiProvider } from '../models/openai.ts'
import type { Provider } from '../models/provider.ts'
import { providerSettings, type ProviderSettings } from '../settings/providers.ts'
import type { CommandContext } from './command.ts'

export interface OpenedProviders extends ProviderSettings {
  /** Without any, the simulated provider is meant; it is started by who asks it. */
  readonly simulated: boolean
  readonly names: readonly string[]
  readonly byName: Map<string, Provider>
  readonly agent: ProviderAgent
  /** @param withinMs a run that has less time than the usual ten seconds waits no longer */
  listModels(name: string, withinMs?: number): Promise<readonly string[]>
  close(): Promise<void>
}

/** A list of models is a small thing: a server that keeps it back for longer answers no prompt either. */
const listMs = 10_000

/** @param simulate the simulated provider alone, whatever is set */
export function openProviders({ io, sources, version, signal, warn }: CommandContext, simulate: boolean): OpenedProviders {
  const stated = simulate ? { providers: [], warnings: [] } : providerSettings(sources)
  for (const warning of stated.warnings) warn(warning)
  const { clock } = io.runtime
  const agent = makeAgent({ version, clock })
  const byName = new Map<string, Provider>()
  for (const { endpoint, baseUrl, key } of stated.providers) {
    const { name, keyVariable, jsonMode, format } = endpoint
    const peer = { provider: name, identity: name, baseUrl, keyVariable, key, agent, clock }
    if (format === 'anthropic') byName.set(name, anthropicProvider(peer))
    // Ollama speaks its own format below /api, OpenAI's below /v1.
    else if (name === 'local' && /\/api\/?$/.test(baseUrl)) byName.set(name, ollamaProvider(peer))
    else byName.set(name, openAiProvider({ ...peer, jsonMode }))
  }
  const simulated = byName.size === 0
  return {
    ...stated,
    simulated,
    names: simulated ? ['simulated'] : [...byName.keys()],
    byName,
    agent,
    listModels: async (name, withinMs = listMs) => {
      const boundMs = Math.min(withinMs, listMs)
      const late = (): OrxError =>
        new OrxError('provider_timeout', `${name} did not list its models within ${formatDuration(boundMs)}`, {
          hint: `Check the server behind ${name}, or name models of another provider with --models.`,
        })
      const deadline = deadlineAfter(clock, boundMs, late, signal)
      try {
        return (await byName.get(name)?.listModels(deadline.signal)) ?? []
      } finally {
        deadline.cancel()
      }
    },
    close: () => agent.close(),
  }
}
