// How large a text may lie in the database. MongoDB's own bound is 16 MiB for a whole document.

export const storedTextLimitBytes = 4_194_304

/** A text cut to limitBytes of UTF-8, at a whole character. */
export function boundedText(text: string, limitBytes: number = storedTextLimitBytes): string {
  if (text.length * 3 <= limitBytes || Buffer.byteLength(text) <= limitBytes) return text
  return new TextDecoder().decode(Buffer.from(text).subarray(0, limitBytes), { stream: true })
}
