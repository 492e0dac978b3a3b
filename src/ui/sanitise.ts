// What a model or a file says is never trusted by the terminal. Invariant: no control sequence, no invisible direction mark passes.

// C0 without tab and newline, DEL, C1; bidi embeddings, overrides, isolates and marks; other invisible format characters; lone surrogates (as a range:
// a property's name has ICU read its tables when the program starts).
const unsafe =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]/gu

// OSC, DCS, APC, PM, SOS up to their terminator; CSI; other escapes. ESC or its C1 twin.
const sequences =
  // oxlint-disable-next-line no-control-regex -- as above
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g

/** A text that is safe to print: tabs and newlines stay, `\r\n` becomes a newline. */
export function sanitise(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(sequences, '').replace(unsafe, '')
}

/** The same on one line: newlines and tabs become blanks. */
export function sanitiseLine(text: string): string {
  return sanitise(text.replace(/[\r\n\t]+/g, ' ')).trim()
}

/** JSON whose strings hold such characters as escapes: a program reads the same, and a terminal that it is shown on is not moved. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(unsafe, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
