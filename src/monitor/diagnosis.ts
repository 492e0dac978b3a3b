// What keeps orx from working here, check by check. Invariant: a check never throws, and never prints a secret.
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { deadlineAfter, type Clock } from '../core/runtime.ts'

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failed'
  readonly detail: string
  /** What to do; null where there is nothing. */
  readonly hint: string | null
}

/** Node 20.19 or newer. */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const isEnough = major > 20 || (major === 20 && minor >= 19)
  return { name: 'node', status: isEnough ? 'ok' : 'failed', detail: version, hint: isEnough ? null : 'Install Node 20.19 or newer.' }
}

/** The folder for data and cache, which need not be there yet: then the nearest one above it is what counts. */
export function checkHome(path: string): Check {
  let place = path
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place)
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    if (!statSync(place).isDirectory()) throw new Error(`${place} is no folder`)
    return { name: 'home', status: 'ok', detail: place === path ? path : `${path}, not made yet`, hint: null }
  } catch (error) {
    const hint = 'Set ORX_HOME to a folder that you may write to.'
    return { name: 'home', status: 'failed', detail: `${path} cannot be written to: ${messageOf(error)}`, hint }
  }
}

/** Servers that people run on their own machine, on the ports they come with. */
const usualPorts: readonly (readonly [string, number])[] = [
  ['Ollama', 11_434],
  ['LM Studio', 1_234],
  ['llama.cpp', 8_080],
  ['vLLM', 8_000],
]

const answerMs = 700

/** Asks each usual port of this machine for its models. */
export function findLocalServers(clock: Clock, signal: AbortSignal): Promise<readonly Check[]> {
  return Promise.all(
    usualPorts.map(async ([name, port]): Promise<Check> => {
      const baseUrl = `http://127.0.0.1:${port}/v1`
      const deadline = deadlineAfter(clock, answerMs, () => new Error('no answer'), signal)
      try {
        const response = await fetch(`${baseUrl}/models`, { signal: deadline.signal })
        const body = (await response.json()) as { data?: unknown }
        if (!Array.isArray(body.data)) throw new Error('something else listens there')
        return {
          name: `local ${name}`,
          status: 'ok',
          detail: `${body.data.length} models at ${baseUrl}`,
          hint: `Use it: ORX_BASE_URL=${baseUrl}`,
        }
      } catch (error) {
        const isSilent = error instanceof TypeError
        return {
          name: `local ${name}`,
          status: 'ok',
          detail: isSilent ? `nothing on port ${port}` : `port ${port}: ${messageOf(error)}`,
          hint: null,
        }
      } finally {
        deadline.cancel()
      }
    }),
  )
}

/** A check that is done by doing it: what it resolves to is its detail, what it rejects with its failure. */
export async function checkBy(name: string, probe: () => Promise<string>): Promise<Check> {
  try {
    return { name, status: 'ok', detail: await probe(), hint: null }
  } catch (error) {
    const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : 'Run orx doctor --verbose.'
    return { name, status: 'failed', detail: messageOf(error), hint }
  }
}
