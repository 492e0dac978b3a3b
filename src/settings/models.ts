// Which models may take part, and what names mean. Invariant: a name that is in no catalog of a provider we can list is an error before any call.
import { OrxError, type ErrorCode } from '../core/errors.ts'
import type { Price } from '../models/call.ts'
import { profileOf, profilesOf, type ModelProfile } from '../models/catalog.ts'
import { endpoints } from '../models/endpoints.ts'
import type { ModelOption } from '../orchestration/select.ts'

export interface ModelChoice {
  /** --models; null: all that are known. */
  readonly names: readonly string[] | null
  /** --model. */
  readonly author: string | null
  /** --assume-price, for models whose price nobody knows, and for local ones. */
  readonly assumedPrice: Price | null
}

export interface ChosenModels {
  readonly models: readonly ModelOption[]
  /** `provider/model`, or null. */
  readonly author: string | null
  readonly warnings: readonly string[]
}

/** The models of one provider; `isClosed` says that it has no others. */
interface Known {
  readonly profiles: readonly ModelProfile[]
  readonly isClosed: boolean
}

/** How a server answers that keeps no list. */
const listless: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['not_found', 'bad_request', 'bad_answer'])

/**
 * `listModels` is asked only of a provider whose models no catalog knows. Throws `unknown_model`, `credential_missing`, or what listing the
 * models of the only provider failed with.
 */
export async function chooseModels(
  providers: readonly string[],
  listModels: (provider: string) => Promise<readonly string[]>,
  choice: ModelChoice,
  signal: AbortSignal,
): Promise<ChosenModels> {
  const warnings: string[] = []
  const known = new Map<string, Known>()
  for (const name of providers) {
    if (name !== 'local') {
      known.set(name, { profiles: profilesOf(name), isClosed: name === 'simulated' })
      continue
    }
    try {
      const listed = await listModels(name)
      known.set(name, { profiles: listed.map((model) => profileOf(name, model)), isClosed: true })
    } catch (error) {
      const isNamed = [...(choice.names ?? []), choice.author].some((model) => model?.startsWith(`${name}/`))
      if (isNamed && !signal.aborted && error instanceof OrxError && listless.has(error.code)) {
        // The user knows its models better; a wrong name is told by the server itself.
        known.set(name, { profiles: [], isClosed: false })
        continue
      }
      if (providers.length === 1 || !(error instanceof OrxError) || signal.aborted) throw error
      warnings.push(`local is left out: ${error.message}`)
    }
  }
  const found = choice.names?.map((name) => resolve(name, known)) ?? [...known.values()].flatMap(({ profiles }) => profiles)
  const author = choice.author === null ? null : resolve(choice.author, known)
  const profiles = author === null || found.some((profile) => nameOf(profile) === nameOf(author)) ? found : [author, ...found]
  if (profiles.length === 0) {
    throw new OrxError('unknown_model', `${providers.join(', ')} named no models`, {
      hint: 'Name some: --models provider/model,provider/model',
    })
  }
  return {
    models: profiles.map((profile) => optionOf(profile, choice.assumedPrice)),
    author: author === null ? null : nameOf(author),
    warnings,
  }
}

function nameOf({ provider, model }: ModelProfile): string {
  return `${provider}/${model}`
}

function optionOf(profile: ModelProfile, assumed: Price | null): ModelOption {
  const { family, specialties, quality, latencyMs } = profile
  const price = assumed !== null && (profile.price === null || profile.provider === 'local') ? assumed : profile.price
  return { model: nameOf(profile), price, family, specialties, quality, latencyMs, available: true }
}

function resolve(name: string, known: ReadonlyMap<string, Known>): ModelProfile {
  const slash = name.indexOf('/')
  const prefix = slash === -1 ? '' : name.slice(0, slash)
  const here = known.get(prefix)
  if (here !== undefined) {
    const model = name.slice(slash + 1)
    const profile = here.profiles.find((candidate) => candidate.model === model)
    // A hosted provider may have models that the catalog does not know yet; it will say 404 itself.
    if (profile === undefined && (here.isClosed || model === '')) throw unknown(name, known)
    return profile ?? profileOf(prefix, model)
  }
  const bare = [...known.values()].flatMap(({ profiles }) => profiles).filter((profile) => profile.model === name)
  const [only] = bare
  if (only !== undefined && bare.length === 1) return only
  if (only !== undefined) {
    throw new OrxError('unknown_model', `"${name}" is a model of several providers: ${bare.map(nameOf).join(', ')}`, {
      hint: 'Write it with its provider.',
    })
  }
  const endpoint = endpoints.find((candidate) => candidate.name === prefix)
  if (endpoint !== undefined) {
    const variable = endpoint.defaultBaseUrl === null ? endpoint.baseUrlVariable : endpoint.keyVariable
    throw new OrxError('credential_missing', `${name} needs ${variable}, which is not set`, {
      hint: `Set ${variable}, or name models of ${[...known.keys()].join(', ')}.`,
    })
  }
  throw unknown(name, known)
}

function unknown(name: string, known: ReadonlyMap<string, Known>): OrxError {
  const names = [...known.values()].flatMap(({ profiles }) => profiles.map(nameOf))
  const shown = names.length > 12 ? `${names.slice(0, 12).join(', ')} ...` : names.join(', ')
  return new OrxError('unknown_model', `there is no model "${name}"`, { hint: `These are known here: ${shown}` })
}
