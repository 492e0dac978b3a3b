// A whole engine around scripted providers, for the tests of this room.
import { fakeRuntime, type FakeClock } from '../core/clock.testkit.ts'
import type { Runtime } from '../core/runtime.ts'
import type { CallGate, Ledger, Price } from '../models/call.ts'
import { makeCaller, type CallerDeps } from '../models/caller.ts'
import { scriptedProvider, type Script, type ScriptedProvider } from '../models/scripted.testkit.ts'
import type { Emit, RunEvent, RunResult, RunSettings } from './events.ts'
import { orchestrate, type OrchestrationDeps, type RunRequest } from './run.ts'
import type { ModelOption } from './select.ts'

export const prompt = 'Give me a packing list for a three-day hike.'

const defaultSettings: RunSettings = {
  strategy: 'critique',
  critics: 2,
  iterations: 5,
  threshold: 8,
  patience: 1,
  maxCostUsd: null,
  maxTokens: 100,
  deadlineMs: 120_000,
  stream: true,
  useCache: false,
  priority: 5,
}

export const noLedger: Ledger = {
  name: 'ledger',
  enter: () => ({ sent: () => undefined, settle: () => undefined }),
  recall: async () => null,
}

const price: Price = { inputPerMillion: 1_000, outputPerMillion: 4_000 }

/** A reply of a judge that gives every criterion the same score. */
export function verdict(score: number, criticism = 'It could be better.', criteria = generalCriteria): string {
  return JSON.stringify({
    criteria: Object.fromEntries(criteria.map((name) => [name, score])),
    criticism,
    suggestions: ['Say more.'],
  })
}

const generalCriteria = ['accuracy', 'relevance', 'clarity', 'completeness']

export function option(model: string, more: Partial<ModelOption> = {}): ModelOption {
  const family = model.slice(model.indexOf('/') + 1)
  return { model, price, family, specialties: [], quality: 0.5, latencyMs: 1_000, available: true, ...more }
}

type RunMore = Partial<Omit<RunRequest, 'settings'>> & { readonly settings?: Partial<RunSettings> }

export interface Engine {
  readonly runtime: Runtime & { readonly clock: FakeClock }
  readonly deps: OrchestrationDeps
  readonly events: RunEvent[]
  readonly providers: ReadonlyMap<string, ScriptedProvider>
  readonly run: (more?: RunMore, signal?: AbortSignal, emit?: Emit) => Promise<RunResult>
}

export interface EngineOptions {
  readonly models?: readonly ModelOption[]
  readonly gates?: readonly CallGate[]
  readonly ledger?: Ledger
  readonly caller?: Partial<CallerDeps>
}

/** One scripted provider per name, one engine over them all; the author is the first model unless the run says otherwise. */
export function engine(scripts: Readonly<Record<string, Script>>, options: EngineOptions = {}): Engine {
  const runtime = fakeRuntime()
  const providers = new Map(Object.entries(scripts).map(([name, script]) => [name, scriptedProvider(name, script)]))
  const models = options.models ?? [...providers.keys()].map((name) => option(`${name}/model-${name}`))
  const caller = makeCaller({
    runtime,
    providers,
    gates: options.gates ?? [],
    ledger: options.ledger ?? noLedger,
    cache: { getOrLoad: (_key, load, _options, signal) => load(signal) },
    retry: (attempt) => attempt(1),
    ...options.caller,
  })
  const deps: OrchestrationDeps = { runtime, caller, models, history: new Map() }
  const events: RunEvent[] = []
  return {
    runtime,
    deps,
    events,
    providers,
    run: ({ settings, ...more } = {}, signal = new AbortController().signal, emit) =>
      orchestrate(
        {
          id: 'run-1',
          sessionId: null,
          threadId: null,
          prompt,
          domain: 'general',
          author: models[0]?.model ?? null,
          settings: { ...defaultSettings, ...settings },
          simulated: false,
          scope: 'test',
          queueMs: 0,
          ...more,
        },
        deps,
        (event) => {
          events.push(event)
          emit?.(event)
        },
        signal,
      ),
  }
}
