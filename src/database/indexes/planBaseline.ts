// The plans of one day, kept to be told from those of another. Invariant: stages and index names, no value of any document.
import { z } from 'zod'
import { OrxError } from '../../core/errors.ts'
import type { Verification } from './proof.ts'

const schema = z.object({
  schemaVersion: z.literal(1),
  database: z.string(),
  plans: z.array(z.object({ name: z.string(), index: z.string(), stages: z.array(z.string()) })),
})

export type Plans = z.infer<typeof schema>

export interface ChangedPlan {
  readonly name: string
  readonly before: string
  readonly now: string
}

export function writePlans({ database, paths }: Verification): string {
  const plans = paths.filter(({ stages }) => stages.length > 0).map(({ name, index, stages }) => ({ name, index, stages }))
  return `${JSON.stringify({ schemaVersion: 1, database, plans } satisfies { [Key in keyof Plans]: unknown }, null, 2)}\n`
}

/** Throws `usage` for what is no such file. */
export function readPlans(text: string, where: string): Plans {
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new OrxError('usage', `${where} is no baseline of plans`, { hint: 'orx db:index verify --save-baseline FILE writes one.', cause })
  }
}

export function changedPlans(before: Plans, { paths }: Verification): readonly ChangedPlan[] {
  return before.plans.flatMap(({ name, index, stages }) => {
    const now = paths.find((path) => path.name === name)
    if (now === undefined || now.stages.length === 0) return []
    const told = (using: string, list: readonly string[]): string => `${list.join(' > ')} with ${using}`
    const [was, is] = [told(index, stages), told(now.index, now.stages)]
    return was === is ? [] : [{ name, before: was, now: is }]
  })
}
