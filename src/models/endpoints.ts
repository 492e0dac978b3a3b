// The providers that orx knows by name: where each is, which variables hold its key and base URL, what its documented limits are.

export interface Endpoint {
  readonly name: 'openai' | 'anthropic' | 'xai' | 'openrouter' | 'local'
  readonly format: 'openai' | 'anthropic'
  readonly keyVariable: string
  readonly baseUrlVariable: string
  /** Null: it has an address only where the user gives one. */
  readonly defaultBaseUrl: string | null
  /** Null: no limit unless set. */
  readonly requestsPerMinute: number | null
  /** Whether it takes `response_format`; what runs behind any base URL may not. */
  readonly jsonMode: boolean
}

export const endpoints: readonly Endpoint[] = [
  {
    name: 'openai',
    format: 'openai',
    keyVariable: 'OPENAI_API_KEY',
    baseUrlVariable: 'OPENAI_BASE_URL',
    defaultBaseUrl: 'https://api.openai.com/v1',
    requestsPerMinute: 60,
    jsonMode: true,
  },
  {
    name: 'anthropic',
    format: 'anthropic',
    keyVariable: 'ANTHROPIC_API_KEY',
    baseUrlVariable: 'ANTHROPIC_BASE_URL',
    defaultBaseUrl: 'https://api.anthropic.com/v1',
    requestsPerMinute: 40,
    jsonMode: false,
  },
  {
    name: 'xai',
    format: 'openai',
    keyVariable: 'XAI_API_KEY',
    baseUrlVariable: 'XAI_BASE_URL',
    defaultBaseUrl: 'https://api.x.ai/v1',
    requestsPerMinute: 100,
    jsonMode: true,
  },
  {
    name: 'openrouter',
    format: 'openai',
    keyVariable: 'OPENROUTER_API_KEY',
    baseUrlVariable: 'OPENROUTER_BASE_URL',
    defaultBaseUrl: 'https://openrouter.ai/api/v1',
    requestsPerMinute: 60,
    jsonMode: false,
  },
  {
    name: 'local',
    format: 'openai',
    keyVariable: 'ORX_API_KEY',
    baseUrlVariable: 'ORX_BASE_URL',
    defaultBaseUrl: null,
    requestsPerMinute: null,
    jsonMode: false,
  },
]
