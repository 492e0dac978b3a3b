import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { analyse } from './analyse.ts'

const prompts = readFileSync(new URL('../../fixtures/prompts.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { id: string; domain?: string; prompt: string })

describe('the domain', () => {
  it.each(prompts)('of the prompt $id is found', ({ prompt, domain }) => {
    expect(analyse(prompt).domain).toBe(domain ?? 'general')
  })

  it.each([
    ['Fix this:\n```\nfoo()\n```', 'code'],
    ['Prove that there are infinitely many prime numbers.', 'math'],
    ['Which court decides on a breach of contract?', 'legal'],
    ['How does photosynthesis store energy in a cell?', 'science'],
    ['', 'general'],
  ])('of %j is %s', (prompt, domain) => expect(analyse(prompt).domain).toBe(domain))
})

describe('the language', () => {
  it.each([
    ['What is the difference between latency and throughput?', 'en'],
    ['Was ist der Unterschied zwischen Latenz und Durchsatz?', 'de'],
    ['Quelle est la différence entre la latence et le débit ?', 'fr'],
    ['¿Cuál es la diferencia entre latencia y rendimiento?', 'es'],
    ['Qual è la differenza tra la latenza e il throughput?', 'it'],
    ['Wat is het verschil tussen latentie en doorvoer?', 'nl'],
    ['В чём разница между задержкой и пропускной способностью?', 'ru'],
    ['レイテンシとスループットの違いは何ですか', 'ja'],
    ['延迟和吞吐量有什么区别', 'zh'],
    ['지연 시간과 처리량의 차이는 무엇입니까', 'ko'],
  ])('of %s is %s', (prompt, language) => expect(analyse(prompt).language).toBe(language))
})

describe('the complexity', () => {
  it('grows with length, with what is asked and with how', () => {
    expect(analyse('What is a monad?').complexity).toBe('simple')
    expect(analyse('Compare two queues and name the trade-offs.').complexity).toBe('moderate')
    expect(analyse(`Design a schema, compare two designs and prove it correct. ${'It has many parts. '.repeat(40)}`).complexity).toBe(
      'complex',
    )
  })

  it('of a prompt of 1 MiB is found without a scan for each word', () => {
    expect(analyse('x '.repeat(524_288)).complexity).toBe('moderate')
  })
})
