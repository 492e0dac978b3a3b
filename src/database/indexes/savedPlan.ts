// A plan as a file, to be looked at by somebody else and applied later. Invariant: it is applied to exactly the state that it was made for.
import { z } from 'zod'
import { OrxError } from '../../core/errors.ts'
import type { Plan } from './plan.ts'

const document = z.record(z.string(), z.unknown())
const schema = z.looseObject({
  schemaVersion: z.literal(1),
  database: z.string().min(1),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  actions: z.array(
    z.looseObject({
      kind: z.enum(['create', 'modify', 'rebuild', 'hide', 'drop']),
      collection: z.string().min(1),
      name: z.string().min(1),
      key: z.union([document, z.array(z.unknown())]),
      want: document.optional(),
      differences: z.array(z.looseObject({ field: z.string() })).default([]),
      replaces: z.string().optional(),
      reason: z.string(),
    }),
  ),
})

export function writePlan(plan: Plan): string {
  return `${JSON.stringify({ schemaVersion: 1, ...plan }, null, 2)}\n`
}

/** Throws `settings` for what is no saved plan. */
export function readPlan(text: string, where: string): Pick<Plan, 'database' | 'fingerprint' | 'actions'> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = null
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data as unknown as Pick<Plan, 'database' | 'fingerprint' | 'actions'>
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`)
  throw new OrxError('settings', `${where} is no saved plan:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, {
    hint: 'orx db:index plan --out plan.json writes one.',
  })
}

/** Throws `plan_stale` when the indexes are no longer those that the plan was made for. */
export function requireFresh(saved: Pick<Plan, 'database' | 'fingerprint'>, database: string, fingerprint: string): void {
  const hint = 'Make it again: orx db:index plan --out plan.json'
  if (saved.database !== database) {
    throw new OrxError('plan_stale', `the plan was made for the database ${saved.database}, this is ${database}`, { hint })
  }
  if (saved.fingerprint !== fingerprint) {
    throw new OrxError('plan_stale', `the indexes of ${database} have changed since the plan was made`, { hint })
  }
}
