// Seeded numbers. Invariant: the same seed gives the same sequence on every machine.

/** sfc32 seeded from a string or number by FNV-1a; uniform in [0, 1). Source: PractRand's sfc, public domain. */
export function seededRandom(seed: string | number): () => number {
  const text = String(seed)
  const start = [0x811c9dc5, 0x1b873593, 0xcc9e2d51, 1].map((basis, lane) => {
    let hash = basis >>> 0
    for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ (text.charCodeAt(index) + lane), 0x01000193)
    return hash | 0
  })
  let [a = 0, b = 0, c = 0, counter = 1] = start
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }
  for (let warmUp = 0; warmUp < 12; warmUp += 1) next()
  return next
}

/** A standard normal draw (Box-Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
