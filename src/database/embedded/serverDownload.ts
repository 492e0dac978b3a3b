// MongoDB's own download, by mongodb-memory-server-core: it knows which archive fits this system. Only its download is used, never its runner.
// Invariant: TLS is verified, stdout stays ours, a server that refuses costs seconds, and an end of ours ends its requests.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A server that is silent this long is given up, ms. */
const silenceMs = 5_000

/** The library takes settings, the mirror too, from the package.json of whatever folder orx runs in, unless it is shown another. */
const ownSettings = { config: { mongodbMemoryServer: { md5Check: true } } }

/** Downloads and unpacks into `folder`, its own; resolves to the path of the mongod. Rejects with what went wrong. */
export async function fetchServer(folder: string, onProgress: (text: string) => void, signal: AbortSignal): Promise<string> {
  const { findPackageJson } = await import('mongodb-memory-server-core/lib/util/resolveConfig.js')
  const { MongoBinaryDownload } = await import('mongodb-memory-server-core/lib/util/MongoBinaryDownload.js')
  const { getOS } = await import('mongodb-memory-server-core/lib/util/getos/index.js')
  const over = new AbortController()
  const whileWanted = AbortSignal.any([signal, over.signal])
  let toldAtPercent = 0

  class VerifiedDownload extends MongoBinaryDownload {
    override httpDownload(...[url, options, to, temporary]: Parameters<InstanceType<typeof MongoBinaryDownload>['httpDownload']>) {
      // The library verifies certificates only under an npm setting; and it would try three times, for up to a minute each.
      return super.httpDownload(url, { ...options, rejectUnauthorized: true, signal: whileWanted }, to, temporary, 1, 0, silenceMs)
    }

    override printDownloadProgress(chunk: { readonly length: number }): void {
      this.dlProgress.current += chunk.length
      const { current, length } = this.dlProgress
      const percent = length > 0 ? Math.floor((100 * current) / length) : 0
      if (percent < toldAtPercent + 5) return
      toldAtPercent = percent
      onProgress(`downloading MongoDB from mongodb.com: ${percent} %`)
    }
  }

  try {
    await writeFile(join(folder, 'package.json'), JSON.stringify(ownSettings))
    findPackageJson(folder)
    return await new VerifiedDownload({ downloadDir: folder, checkMD5: true, os: await getOS() }).getMongodPath()
  } finally {
    // An answer that nobody has read would keep its connection, and so this process, for seconds.
    over.abort()
  }
}
