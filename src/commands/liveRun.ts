// The live view of a command that runs prompts: folds the events of each run and keeps the panel up to date.
import type { ReactNode } from 'react'
import { formatDuration, formatUsd } from '../core/units.ts'
import type { RunEvent, RunResult } from '../orchestration/events.ts'
import { initialRun, resultOf, stepRun, type RunState } from '../orchestration/fold.ts'
import type { LivePanel } from '../ui/live/mount.tsx'
import type { Screen } from '../ui/live/RunPanel.tsx'
import { runView, trafficLine, type TrafficView } from '../ui/live/runView.ts'
import { closingLine } from '../ui/runPlain.ts'
import type { CommandContext } from './command.ts'
import type { RunSystem } from './openRunSystem.ts'

export interface LiveRun {
  /** The listener of one run; `id` names it where there are several. */
  listener(id: string): (event: RunEvent) => void
  /** A line of a file has ended. */
  finished(id: string, note: string, isFailed: boolean): void
  end(): Promise<void>
}

/** Whether a person watches: a terminal, neither --json nor --quiet, and --ui does not say otherwise. */
export function wantsLive({ io, out }: CommandContext, ui: 'auto' | 'live' | 'plain' | 'none'): boolean {
  return !out.json && !out.quiet && io.terminal !== null && (ui === 'live' || ui === 'auto')
}

function trafficOf(system: RunSystem): TrafficView {
  const { queue, cache, limiters } = system.stats()
  return {
    waiting: queue.waiting,
    running: queue.running,
    cacheHits: cache.hits + cache.storeHits + cache.shared,
    cacheMisses: cache.misses - cache.storeHits,
    limits: [...limiters].map(([provider, { requests, atOnce, waiting }]) => ({
      provider,
      requests,
      perMinute: system.limitsOf(provider).requestsPerMinute,
      atOnce,
      waiting,
    })),
  }
}

/** @param total prompts of a file; null: one prompt */
export async function startLive({ io, out }: CommandContext, system: RunSystem, total: number | null): Promise<LiveRun> {
  const { terminal } = io
  if (terminal === null) throw new TypeError('there is no terminal to draw on')
  const { mountPanel } = await import('../ui/live/mount.tsx')
  const { RunPanel } = await import('../ui/live/RunPanel.tsx')
  const { FilePanel } = await import('../ui/live/FilePanel.tsx')
  const { createElement } = await import('react')
  const { clock } = io.runtime
  const startedMs = clock.now()
  const states = new Map<string, RunState>()
  const last: { readonly id: string; readonly note: string }[] = []
  let finishedCount = 0
  let failedCount = 0
  let costUsd: number | null = 0

  const resultIn = (state: RunState): RunResult | null => (state.finished === null ? null : resultOf(state))
  const viewOf = (state: RunState) => runView(state, clock.now(), closingLine, resultIn(state))
  const panel = (screen: Screen): ReactNode => {
    const traffic = trafficLine(trafficOf(system))
    if (total === null) return createElement(RunPanel, { view: viewOf([...states.values()][0] ?? initialRun), traffic, screen })
    const running = [...states].map(([id, state]) => ({ id, view: viewOf(state) }))
    const file = {
      total,
      finished: finishedCount,
      failed: failedCount,
      cost: formatUsd(costUsd),
      elapsed: formatDuration(clock.now() - startedMs),
      running,
      last,
    }
    return createElement(FilePanel, { file, traffic, screen })
  }
  const release = out.hold()
  const live: LivePanel = mountPanel({ terminal, keyboard: null, color: out.colorNotes, clock }, panel)
  return {
    listener: (id) => (event) => {
      const state = stepRun(states.get(id) ?? initialRun, event)
      states.set(id, state)
      if (event.type === 'run-finished') {
        const spent = resultOf(state).usage.costUsd
        costUsd = costUsd === null || spent === null ? null : costUsd + spent
      }
      live.update()
    },
    finished: (id, note, isFailed) => {
      states.delete(id)
      finishedCount += 1
      if (isFailed) failedCount += 1
      last.push({ id, note })
      if (last.length > 10) last.shift()
      live.update()
    },
    end: async () => {
      await live.end()
      release()
    },
  }
}
