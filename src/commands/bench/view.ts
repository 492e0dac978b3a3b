// What a person sees while a bench runs: the dashboard on a terminal, lines elsewhere, or nothing.
import type { BenchEvent } from '../../bench/live.ts'
import { provisionalVerdict } from '../../bench/provisional.ts'
import { leastResourceSamples } from '../../bench/verdict.ts'
import { makeBenchPlain } from '../../ui/bench/benchPlain.ts'
import { initialControls, keysOfText, pressKey, type Controls } from '../../ui/bench/benchKeys.ts'
import { benchScreen } from '../../ui/bench/benchScreen.ts'
import { initialBench, stepBench, type BenchState } from '../../ui/bench/benchView.ts'
import { paint } from '../../ui/bench/textLine.ts'
import type { LivePanel } from '../../ui/live/mount.tsx'
import { makeReadyLines } from '../../ui/live/readyLines.ts'
import type { CommandContext } from '../command.ts'
import { wantsLive } from '../liveRun.ts'

export interface BenchView {
  onEvent(event: BenchEvent): void
  /** Gives the terminal back. */
  close(): Promise<void>
}

export interface ViewOptions {
  readonly ui: 'auto' | 'live' | 'plain' | 'none'
  readonly fps: number
}

export async function openView(context: CommandContext, { ui, fps }: ViewOptions): Promise<BenchView> {
  const { io, out } = context
  if (ui === 'none' || out.quiet) return { onEvent: () => undefined, close: () => Promise.resolve() }
  if (wantsLive(context, ui)) return openDashboard(context, fps)
  const plain = makeBenchPlain({ clock: io.runtime.clock, print: (line) => out.note(line) })
  return { onEvent: (event) => plain.onEvent(event), close: () => Promise.resolve() }
}

async function openDashboard({ io, out, signal }: CommandContext, fps: number): Promise<BenchView> {
  const { terminal, keyboard } = io
  const { clock } = io.runtime
  if (terminal === null) throw new TypeError('there is no terminal to draw on')
  const { mountPanel } = await import('../../ui/live/mount.tsx')
  const { BenchPanel } = await import('../../ui/live/BenchPanel.tsx')
  const { createElement } = await import('react')
  let state: BenchState = initialBench(clock.monotonicMs())
  let controls: Controls = initialControls
  /** What is looked at while the display is frozen. */
  let frozen: { readonly state: BenchState; readonly atMs: number } | null = null
  let firstTarget = 0
  let drawn: { readonly text: string; readonly node: ReturnType<typeof createElement> } | null = null

  const onTyped = (text: string): void => {
    for (const key of keysOfText(text)) {
      const seen = frozen?.state ?? state
      const onScreen = {
        series: seen.series.map(({ name }) => name),
        followed: seen.followed,
        targets: seen.targets.length,
        firstTarget,
      }
      const before = controls
      controls = pressKey(controls, key, onScreen)
      if (controls.isFrozen !== before.isFrozen) frozen = controls.isFrozen ? { state, atMs: clock.monotonicMs() } : null
      // A terminal that gives single keys sends no signal for Ctrl-C: this is the same one, with the same ending.
      if (controls.stops > before.stops) io.processes.signal(io.pid, 'SIGINT')
    }
    live.updateNow()
  }
  const handler = keyboard === null ? null : onTyped
  const ready = makeReadyLines()
  const release = out.hold()
  const live: LivePanel = mountPanel(
    { terminal, keyboard, color: out.colorNotes, clock, frameMs: 1_000 / fps, idleMs: 1_000, ownScreen: true, ready },
    ({ columns, rows, color }) => {
      const screen = benchScreen(frozen?.state ?? state, controls, {
        columns,
        rows,
        nowMs: frozen?.atMs ?? clock.monotonicMs(),
        isStopping: signal.aborted,
        hasKeyboard: keyboard !== null,
      })
      firstTarget = screen.firstTarget
      const lines = screen.lines.map((line) => paint(line, color))
      const text = lines.join('\n')
      // Nothing new to see is nothing to draw.
      if (drawn?.text !== text) drawn = { text, node: createElement(BenchPanel, { marks: ready.marksOf(lines), onTyped: handler }) }
      return drawn.node
    },
  )
  signal.addEventListener('abort', live.updateNow, { once: true })
  const how = { leastSampled: leastResourceSamples, judge: provisionalVerdict }
  return {
    onEvent: (event) => {
      state = stepBench(state, event, { ...how, atMs: clock.monotonicMs() })
      if (frozen === null) live.update()
    },
    close: async () => {
      signal.removeEventListener('abort', live.updateNow)
      await live.end()
      release()
    },
  }
}
