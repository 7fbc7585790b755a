/** The one place that makes text from elsewhere safe to print on a terminal. */

// eslint-disable-next-line no-control-regex -- control characters are what this looks for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
/** Characters that make text be shown in another order than it is. */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^/\s?#]+@/gi;

/** Escapes control characters (newline and tab stay) and changes of direction, and removes credentials from URLs. */
export function safeText(text: string): string {
  return text
    .replace(URL_CREDENTIALS, "$1[redacted]@")
    .replace(DIRECTION, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
