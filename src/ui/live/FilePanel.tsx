// The live view of a file of prompts: what is finished, what runs. Invariant: never as high as the screen.
import { Box, Text } from 'ink'
import type { ReactNode } from 'react'
import type { RunView } from './runView.ts'
import type { Screen } from './RunPanel.tsx'

export interface FileView {
  readonly total: number
  readonly finished: number
  readonly failed: number
  readonly cost: string
  readonly elapsed: string
  readonly running: readonly { readonly id: string; readonly view: RunView }[]
  /** The newest finished ones, newest last. */
  readonly last: readonly { readonly id: string; readonly note: string }[]
}

export interface FilePanelProps {
  readonly file: FileView
  readonly traffic: string
  readonly screen: Screen
}

const barWidth = 24

export function FilePanel({ file, traffic, screen }: FilePanelProps): ReactNode {
  const most = Math.max(4, screen.rows - 1)
  const running = file.running.slice(0, Math.max(1, most - 5))
  const last = file.last.slice(-Math.max(0, Math.min(5, most - 4 - running.length)))
  const filled = file.total === 0 ? 0 : Math.round((barWidth * file.finished) / file.total)
  const failed = file.failed > 0 ? `, ${file.failed} failed` : ''
  const dim = screen.color
  return (
    <Box flexDirection="column" width={screen.columns}>
      <Text wrap="truncate" bold={screen.color}>
        {'█'.repeat(filled)}
        {'░'.repeat(barWidth - filled)} {file.finished} of {file.total} prompts{failed} · {file.elapsed} · {file.cost}
      </Text>
      {last.map(({ id, note }) => (
        <Text key={`done ${id}`} wrap="truncate" dimColor={dim}>
          {'  '}
          {id}: {note}
        </Text>
      ))}
      {running.map(({ id, view }) => {
        const iteration = view.iterations.at(-1)
        const now = iteration === undefined ? 'begins' : `${iteration.number}. ${iteration.model} ${iteration.score} ${iteration.judges}`
        return (
          <Text key={`now ${id}`} wrap="truncate">
            {'> '}
            {id}: {now} · {view.elapsed}
          </Text>
        )
      })}
      <Text wrap="truncate" dimColor={dim}>
        {traffic}
      </Text>
    </Box>
  )
}
