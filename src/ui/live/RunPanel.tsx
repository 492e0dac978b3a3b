// The live view of one run or of a file of them, in Ink. Invariant: it is never as high as the screen, so that nothing above it is wiped.
import { Box, Text } from 'ink'
import type { ReactNode } from 'react'
import type { RunView } from './runView.ts'

export interface Screen {
  readonly columns: number
  readonly rows: number
  readonly color: boolean
}

interface LineProps {
  readonly children: ReactNode
  readonly screen: Screen
  readonly dim?: boolean
  readonly bold?: boolean
  readonly hue?: 'cyan' | 'green' | 'yellow'
}

function Line({ children, screen, dim = false, bold = false, hue }: LineProps): ReactNode {
  return (
    <Text
      wrap="truncate"
      dimColor={screen.color && dim}
      bold={screen.color && bold}
      {...(screen.color && hue !== undefined ? { color: hue } : {})}
    >
      {children}
    </Text>
  )
}

const gap = 2
const leastModel = 12

function cell(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fitted = text.length > width ? `${text.slice(0, width - 1)}…` : text
  return align === 'left' ? fitted.padEnd(width) : fitted.padStart(width)
}

/** Below this many columns the judges and the time of an iteration are left out. */
const narrow = 72

export interface RunPanelProps {
  readonly view: RunView
  readonly traffic: string
  readonly screen: Screen
}

export function RunPanel({ view, traffic, screen }: RunPanelProps): ReactNode {
  const { columns, rows } = screen
  const most = Math.max(3, rows - 1)
  const fixed = view.closing === null ? 4 : 5
  const shown = view.iterations.slice(-Math.max(1, Math.min(10, most - fixed - 1)))
  const textRows = view.writing === null || view.closing !== null ? 0 : Math.max(0, Math.min(10, most - fixed - shown.length - 1))
  // As wide as the widest there is: a spread stands beside few scores.
  const scoreWidth = Math.max(4, ...shown.map(({ score }) => score.length))
  const modelWidth = Math.max(leastModel, Math.min(34, Math.floor(columns / 4)))
  return (
    <Box flexDirection="column" width={columns}>
      <Line screen={screen} bold>
        {cell(view.prompt, columns - gap)}
      </Line>
      <Line screen={screen} dim>
        {view.about}
      </Line>
      {shown.map((iteration) => (
        <Line key={iteration.number} screen={screen}>
          {cell(iteration.number, 3, 'right')} {cell(iteration.model, modelWidth)} {cell(iteration.score, scoreWidth, 'right')}{' '}
          {cell(iteration.cost, 10, 'right')}
          {columns < narrow ? '' : ` ${cell(iteration.time, 8, 'right')}`} {iteration.judges}
        </Line>
      ))}
      {textRows > 0 && view.writing !== null ? (
        <Box flexDirection="column">
          <Line screen={screen} hue="cyan">
            {`── ${view.writing.by} `.padEnd(columns - gap, '─')}
          </Line>
          <Box height={textRows} overflow="hidden" flexDirection="column" justifyContent="flex-end">
            <Box flexShrink={0}>
              <Text>{view.writing.text}</Text>
            </Box>
          </Box>
        </Box>
      ) : null}
      <Line screen={screen} dim>
        {traffic}
      </Line>
      <Line screen={screen}>
        {view.elapsed} · {view.cost}
      </Line>
      {view.closing === null ? null : (
        <Line screen={screen} hue="green">
          {view.closing}
        </Line>
      )}
    </Box>
  )
}
