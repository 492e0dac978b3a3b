// The folder of downloaded binaries. Invariant: a download works in a folder of its own, and only a whole, flushed, executable file is moved out of
// it: two downloads do not meet, and one that is killed leaves only what a later one removes.
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../../core/runtime.ts'

const prefix = '.download-'
/** No download takes a day, ms. */
const abandonedMs = 86_400_000

export interface CacheOptions {
  /** The folder of downloaded binaries. */
  readonly cachePath: string
  /** Tells one download from another that runs at the same time. */
  readonly token: string
  readonly clock: Clock
}

/** Runs a download in a folder of its own, and puts the file whose path it resolves to into the cache. Resolves to its path there. */
export async function intoCache({ cachePath, token, clock }: CacheOptions, download: (folder: string) => Promise<string>): Promise<string> {
  await mkdir(cachePath, { recursive: true, mode: 0o700 })
  await removeAbandoned(cachePath, clock)
  const folder = join(cachePath, `${prefix}${token}`)
  await mkdir(folder, { mode: 0o700 })
  try {
    const file = await download(folder)
    await chmod(file, 0o755)
    const handle = await open(file, 'r+')
    await handle.sync().finally(() => handle.close())
    const kept = join(cachePath, basename(file))
    await rename(file, kept)
    return kept
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function removeAbandoned(cachePath: string, clock: Clock): Promise<void> {
  for (const name of await readdir(cachePath)) {
    if (!name.startsWith(prefix)) continue
    const folder = join(cachePath, name)
    const changedMs = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    )
    if (clock.now() - changedMs > abandonedMs) await rm(folder, { recursive: true, force: true })
  }
}
