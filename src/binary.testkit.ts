// The real binary as a script meets it: what it prints, how it ends. Needs `npm run build`.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const binary = fileURLToPath(new URL('../bin/orx.js', import.meta.url))

export interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when stderr holds this. */
  says(text: string): Promise<void>
  /** What it has said on stderr so far. */
  said(): string
}

/** Starts it in `folder`, which is also its home. Only what a test names is in the environment, beside what Node and the system need. */
export function startOrx(folder: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}, stdin = ''): Started {
  const child = spawn(process.execPath, [binary, ...argv], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ORX_HOME: join(folder, 'home'), ...env },
  })
  let stdout = ''
  let stderr = ''
  let heard: () => void = () => undefined
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece.toString()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
    heard()
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }))),
    says: (text) =>
      new Promise((resolve) => {
        heard = () => {
          if (stderr.includes(text)) resolve()
        }
        heard()
      }),
    said: () => stderr,
  }
}
