// Which providers there are: each key or base URL adds one. Invariant: a base URL that a working folder names never receives a key
// that comes from elsewhere, so that a folder somebody unpacked cannot send the user's key away.
import { OrxError } from '../core/errors.ts'
import { secret, type Secret } from '../core/secret.ts'
import { endpoints, type Endpoint } from '../models/endpoints.ts'
import type { Sources } from './sources.ts'

export interface ProviderSetting {
  readonly endpoint: Endpoint
  readonly baseUrl: string
  readonly key: Secret | null
  readonly keyFrom: Place | null
  readonly baseUrlFrom: Place | 'default'
}

export type Place = 'environment' | 'working folder' | 'config file' | 'user file'

interface Found {
  readonly text: string
  readonly place: Place
}

/** Where a variable stands first: environment, working folder or the file of --config, user file; null where it stands nowhere. */
export function placeOf(variable: string, { env, dotenv, project, user }: Sources): Found | null {
  const places: readonly (readonly [unknown, Place])[] = [
    [env[variable], 'environment'],
    [dotenv[variable], 'working folder'],
    [project?.values[variable], project?.isNamed ? 'config file' : 'working folder'],
    [user?.values[variable], 'user file'],
  ]
  for (const [text, place] of places) if (typeof text === 'string' && text.trim() !== '') return { text: text.trim(), place }
  return null
}

function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(url.hostname)
}

function parsedUrl({ text, place }: Found, variable: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new OrxError('settings', `${variable} (${place}): expected a URL such as http://127.0.0.1:11434/v1, without user or password`, {
      hint: `Correct ${variable}, or unset it.`,
    })
  }
  return url
}

export interface ProviderSettings {
  readonly providers: readonly ProviderSetting[]
  readonly warnings: readonly string[]
}

/** The providers that the sources name. Throws `settings` for a base URL that is none. */
export function providerSettings(sources: Sources): ProviderSettings {
  const warnings: string[] = []
  const providers = endpoints.flatMap((endpoint): readonly ProviderSetting[] => {
    const { keyVariable, baseUrlVariable, defaultBaseUrl } = endpoint
    const key = placeOf(keyVariable, sources)
    let url = placeOf(baseUrlVariable, sources)
    if (url !== null) {
      const parsed = parsedUrl(url, baseUrlVariable)
      const isForeign = url.place === 'working folder' || url.place === 'config file'
      if (isForeign && (key === null ? !isLoopback(parsed) : key.place !== url.place)) {
        const why = key === null ? 'it has no key of its own and is not on this machine' : `its key comes from the ${key.place}`
        warnings.push(`${baseUrlVariable} of the ${url.place} is not used: ${why}. Set it in the environment if you trust it.`)
        url = null
      }
    }
    const baseUrl = url?.text ?? defaultBaseUrl
    if (baseUrl === null || (key === null && url === null)) return []
    return [
      { endpoint, baseUrl, key: key === null ? null : secret(key.text), keyFrom: key?.place ?? null, baseUrlFrom: url?.place ?? 'default' },
    ]
  })
  return { providers, warnings }
}

const keyVariables: readonly string[] = [...endpoints.map(({ keyVariable }) => keyVariable), 'ORX_SERVE_TOKEN']

/** The variables that are no flags: keys, base URLs, the database. */
export const settingVariables: readonly string[] = [
  ...endpoints.flatMap(({ keyVariable, baseUrlVariable }) => [keyVariable, baseUrlVariable]),
  'ORX_MONGODB_URI',
  'ORX_SERVE_TOKEN',
]

/** ORX_MONGODB_URI of the environment or a file; null: the embedded server. */
export function mongodbUri(sources: Sources): string | null {
  return placeOf('ORX_MONGODB_URI', sources)?.text ?? null
}

/** As it stands where its percent signs mean nothing: the driver will say so. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The values that must never be printed. */
export function secretsOf(sources: Sources): readonly string[] {
  const uri = mongodbUri(sources)
  const password = uri === null ? null : (/^[a-z+]+:\/\/[^:/@]*:(.*)@[^@]*$/i.exec(uri)?.[1] ?? null)
  const keys = keyVariables.flatMap((variable) =>
    [sources.env[variable], sources.dotenv[variable], sources.project?.values[variable], sources.user?.values[variable]].filter(
      (value): value is string => typeof value === 'string',
    ),
  )
  return [...keys, ...(password ? [password, decoded(password)] : [])]
}
