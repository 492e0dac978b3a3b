// What must never be printed. Invariant: whatever leaves the program passes a Redactor that knows every secret the program was given.

export type Redactor = (text: string) => string

const uriPassword = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*):([^\s/@]*(?:@[^\s/@]*)*)@(?=[^\s/])/gi

/** The options of a MongoDB URI that carry a secret. Source: the MongoDB driver's connection options. */
const uriSecret = /(\b(?:tlsCertificateKeyFilePassword|proxyPassword)=|\bAWS_SESSION_TOKEN:)[^&,\s"'`]+/gi

/** Hides the password of each URI in a text, and the secrets among its options: `mongodb://user:***@host/?proxyPassword=***`. */
export function redactUris(text: string): string {
  return text.replace(uriPassword, '$1$2:***@').replace(uriSecret, '$1***')
}

/** Whether a word as a whole is a URI that carries a password. */
export function isUriWithPassword(word: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:[^\s@]+@\S+$/i.test(word)
}

/** Hides URI passwords and every one of the given secrets, as they stand, URI-encoded and within JSON. Values under 6 characters are no secrets. */
export function makeRedactor(secrets: Iterable<string>): Redactor {
  const needles = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < 6) continue
    needles.add(secret)
    needles.add(encodeURIComponent(secret))
    needles.add(JSON.stringify(secret).slice(1, -1))
  }
  const ordered = [...needles].toSorted((a, b) => b.length - a.length)
  return (text) => {
    let clean = text.includes('://') ? redactUris(text) : text
    for (const needle of ordered) if (clean.includes(needle)) clean = clean.replaceAll(needle, '***')
    return clean
  }
}
