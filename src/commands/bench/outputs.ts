// The files a bench writes. Invariant: each is tried before anything is measured; one that cannot be written in the end does not keep the others
// from being written.
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { curveOf, hgrmText } from '../../bench/histogram.ts'
import type { BenchReport } from '../../bench/report.ts'
import { messageOf, OrxError } from '../../core/errors.ts'
import { benchHtml } from '../../ui/bench/benchHtml.ts'
import { benchJunit } from '../../ui/bench/benchJunit.ts'
import { benchMarkdown, githubAnnotations } from '../../ui/bench/benchMarkdown.ts'
import type { CommandContext } from '../command.ts'

export interface OutputFiles {
  readonly out: string | null
  readonly junit: string | null
  readonly markdown: string | null
  readonly html: string | null
  readonly hgrm: string | null
}

export interface Outputs {
  /** The first file that could not be written, or null. */
  write(report: BenchReport): Promise<OrxError | null>
}

/** Throws `usage` for a file or a folder that cannot be written. */
export async function openOutputs({ io, out }: CommandContext, files: OutputFiles): Promise<Outputs> {
  const path = (file: string): string => resolve(io.cwd, file)
  const refuse = (file: string) => (cause: unknown) => {
    throw new OrxError('usage', `${file} cannot be written: ${messageOf(cause)}`, {
      hint: 'Name a file in a folder that you may write to.',
      cause,
    })
  }
  for (const file of [files.out, files.junit, files.markdown, files.html]) {
    if (file !== null) await writeFile(path(file), '', { flag: 'a' }).catch(refuse(file))
  }
  if (files.hgrm !== null) await mkdir(path(files.hgrm), { recursive: true }).catch(refuse(files.hgrm))
  return {
    write: async (report) => {
      const problems: OrxError[] = []
      const write = async (file: string, content: () => string): Promise<void> => {
        try {
          await writeFile(path(file), content())
          out.note(`wrote ${file}`)
        } catch (cause) {
          problems.push(
            new OrxError('output_failed', `${file} cannot be written: ${messageOf(cause)}`, {
              hint: 'The result itself is printed; write it elsewhere.',
              cause,
            }),
          )
        }
      }
      if (files.out !== null) await write(files.out, () => `${JSON.stringify({ schemaVersion: 1, ...report }, null, 2)}\n`)
      if (files.junit !== null) await write(files.junit, () => benchJunit(report))
      if (files.markdown !== null) await write(files.markdown, () => benchMarkdown(report))
      if (files.html !== null)
        await write(files.html, () => benchHtml(report, ({ histogram, response }) => curveOf(histogram, response.unit)))
      if (files.hgrm !== null) {
        for (const { name, histogram, response } of report.scenarios) {
          if (histogram !== '') await write(`${files.hgrm}/${name.replaceAll(':', '-')}.hgrm`, () => hgrmText(histogram, response.unit))
        }
      }
      // GitHub shows what is appended there beside the run.
      const summary = io.env['GITHUB_STEP_SUMMARY']
      if (summary !== undefined && summary !== '') await appendFile(summary, benchMarkdown(report)).catch(() => undefined)
      if (io.env['GITHUB_ACTIONS'] === 'true') for (const line of githubAnnotations(report)) out.complain(line)
      return problems[0] ?? null
    },
  }
}
