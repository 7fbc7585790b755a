/** Base 64, which QuickJS does not have. Bytes are characters, each of one byte. */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function base64Of(bytes: string): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    // Past the end is no number, of which these operators make 0.
    const bits = (bytes.charCodeAt(at) << 16) | (bytes.charCodeAt(at + 1) << 8) | bytes.charCodeAt(at + 2);
    for (const shift of [18, 12, 6, 0]) text += DIGITS[(bits >> shift) & 63];
  }
  const missing = (3 - (bytes.length % 3)) % 3;
  return `${text.slice(0, text.length - missing)}${"=".repeat(missing)}`;
}

/** Undefined for what `base64Of` would not have written. */
export function bytesOfBase64(text: string): string | undefined {
  let bytes = "";
  let bits = 0;
  let count = 0;
  for (const digit of text.replace(/={1,2}$/, "")) {
    const value = DIGITS.indexOf(digit);
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += String.fromCharCode((bits >> count) & 0xff);
  }
  return base64Of(bytes) === text ? bytes : undefined;
}
