// Puts a panel on the terminal and takes it off again. Invariant: frames are bounded in number, nothing that stood on the terminal is wiped, and
// cursor, screen and echo are back on every exit that a process can notice.
import { render, type Instance } from 'ink'
import { useLayoutEffect, type ReactNode } from 'react'
import type { Clock, Timer } from '../../core/runtime.ts'
import type { ReadyLines } from './readyLines.ts'
import type { Screen } from './RunPanel.tsx'

/** A terminal that frames can be drawn on. */
export type Terminal = NodeJS.WriteStream

export interface LivePanel {
  /** Draws the newest state soon; many calls make one frame. */
  update(): void
  /** The same, but for somebody who has just pressed a key: at once. */
  updateNow(): void
  /** Draws the last frame and gives the terminal back. */
  end(): Promise<void>
}

export interface MountOptions {
  readonly terminal: Terminal
  /** Where keys come from; null: none are read, and Ctrl-C stays the terminal's. */
  readonly keyboard: NodeJS.ReadStream | null
  readonly color: boolean
  readonly clock: Clock
  /** Between two frames at least. @default 120 */
  readonly frameMs?: number
  /** A frame also when nothing happens, for what the time alone changes. @default 480 */
  readonly idleMs?: number
  /** On a screen of its own, which is gone at the end; else below what stands there, where the last frame stays. @default false */
  readonly ownScreen?: boolean
  /** The lines that the panel's marks stand for. @default none */
  readonly ready?: ReadyLines
}

const leastColumns = 20
/** After a key, frames may come this fast. */
const keyMs = 40
/** Ink's own bound, which only has to be above ours. */
const mostFramesPerSecond = 30
const resizeMs = 60

const enterScreen = '\u001b[?1049h\u001b[2J\u001b[H'
const clearScreen = '\u001b[2J\u001b[H'
const leaveScreen = '\u001b[?1049l'

/**
 * The terminal as Ink may see it. A frame that is, or was before a resize, as high as the screen makes Ink clear the scrollback too; panels are kept
 * lower than the screen, so it never has to know how high that is. On a screen of its own, sizes are followed here.
 */
function facadeOf(terminal: Terminal, ownScreen: boolean, ready: ReadyLines | undefined): Terminal {
  return new Proxy(terminal, {
    get: (target, name) => {
      if (name === 'rows') return 100_000
      // A mark takes one column; a frame of blanks as wide as the screen would be made for nothing.
      if (name === 'columns' && ready !== undefined) return 2
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name === 'write' && ready !== undefined)
        return (text: string, ...more: [() => void]) => target.write(ready.written(text), ...more)
      if (name === 'on' && ownScreen) {
        return (event: string, listener: (...values: unknown[]) => void) =>
          event === 'resize' ? target : target.on(event as 'resize', listener)
      }
      return (value as (...values: unknown[]) => unknown).bind(target)
    },
  })
}

interface FrameProps {
  readonly children: ReactNode
  readonly onGone: () => void
}

/** Ink takes its tree down on every exit that it notices, a signal and process.exit too; what else must be given back goes with it. */
function Frame({ children, onGone }: FrameProps): ReactNode {
  useLayoutEffect(() => onGone, [onGone])
  return children
}

/** @param panel the same node as before where nothing has changed */
export function mountPanel(options: MountOptions, panel: (screen: Screen) => ReactNode): LivePanel {
  const { terminal, keyboard, color, clock, frameMs = 120, idleMs = 480, ownScreen = false, ready } = options
  const screenOf = (): Screen => ({
    columns: Math.max(ownScreen ? 1 : leastColumns, terminal.columns || 80),
    rows: terminal.rows || 24,
    color,
  })
  let isMoving = false
  const onGone = (): void => {
    if (isMoving) return
    // On a sudden end, effects that come later do not run any more: echo is given back here.
    if (keyboard?.isRaw === true) keyboard.setRawMode(false)
    if (ownScreen) terminal.write(leaveScreen)
  }
  const framed = (node: ReactNode): ReactNode => <Frame onGone={onGone}>{node}</Frame>
  let shown: ReactNode = null
  const open = (): Instance => {
    shown = panel(screenOf())
    return render(framed(shown), {
      stdout: facadeOf(terminal, ownScreen, ready),
      stderr: terminal,
      ...(keyboard !== null && { stdin: keyboard }),
      exitOnCtrlC: false,
      patchConsole: false,
      maxFps: mostFramesPerSecond,
    })
  }
  if (ownScreen) terminal.write(enterScreen)
  let ink = open()
  let isOver = false
  let lastMs = clock.monotonicMs()
  let timer: Timer | null = null
  let dueMs = Number.POSITIVE_INFINITY
  const redraw = (): void => {
    const node = panel(screenOf())
    if (node === shown) return
    shown = node
    ink.rerender(framed(node))
  }
  const drawAt = (atMs: number): void => {
    if (isOver || atMs >= dueMs) return
    timer?.cancel()
    dueMs = atMs
    timer = clock.setTimer(tick, Math.max(0, atMs - clock.monotonicMs()))
  }
  function tick(): void {
    dueMs = Number.POSITIVE_INFINITY
    lastMs = clock.monotonicMs()
    redraw()
    drawAt(lastMs + idleMs)
  }
  let resizing: Timer | null = null
  // What stood there has moved or is cut: begin on a clean screen, with as many lines as it has now.
  const onResize = (): void => {
    resizing ??= clock.setTimer(() => {
      resizing = null
      if (isOver) return
      isMoving = true
      ink.unmount()
      terminal.write(clearScreen)
      ink = open()
      isMoving = false
    }, resizeMs)
  }
  if (ownScreen) terminal.on('resize', onResize)
  drawAt(lastMs + frameMs)
  return {
    update: () => drawAt(lastMs + frameMs),
    updateNow: () => drawAt(lastMs + keyMs),
    end: async () => {
      isOver = true
      timer?.cancel()
      resizing?.cancel()
      terminal.off('resize', onResize)
      redraw()
      ink.unmount()
      await ink.waitUntilExit()
    },
  }
}
