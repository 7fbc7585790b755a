/**
 * Nix's base 32 ("nix32"): 32 digits without `e`, `o`, `u` and `t`, least significant bits of the last byte first.
 *
 * It is what store path digests and `sha256:…` hashes are written in.
 */

const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";

const VALUE_OF_CODE = new Int8Array(128).fill(-1);
for (let value = 0; value < DIGITS.length; value++) VALUE_OF_CODE[DIGITS.charCodeAt(value)] = value;

/** Number of digits that `size` bytes take. */
export function base32Chars(size: number): number {
  return Math.ceil((size * 8) / 5);
}

export function encodeBase32(bytes: Uint8Array): string {
  const size = bytes.length;
  let text = "";
  for (let n = base32Chars(size) - 1; n >= 0; n--) {
    const bit = n * 5;
    const index = bit >>> 3;
    const shift = bit & 7;
    const low = bytes[index]! >>> shift;
    const high = index + 1 < size ? bytes[index + 1]! << (8 - shift) : 0;
    text += DIGITS[(low | high) & 31]!;
  }
  return text;
}

/** The bytes, or `undefined` when `text` is not the encoding of any `size` bytes. */
export function decodeBase32(text: string, size: number): Uint8Array | undefined {
  if (text.length !== base32Chars(size)) return undefined;
  const bytes = new Uint8Array(size);
  for (let n = 0; n < text.length; n++) {
    const value = digitValue(text.charCodeAt(text.length - n - 1));
    if (value < 0) return undefined;
    const bit = n * 5;
    const index = bit >>> 3;
    const shift = bit & 7;
    bytes[index] = bytes[index]! | (value << shift);
    const carry = value >>> (8 - shift);
    if (carry !== 0) {
      if (index + 1 >= size) return undefined;
      bytes[index + 1] = bytes[index + 1]! | carry;
    }
  }
  return bytes;
}

export function isBase32(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (digitValue(text.charCodeAt(i)) < 0) return false;
  }
  return true;
}

function digitValue(code: number): number {
  return code < 128 ? VALUE_OF_CODE[code]! : -1;
}
