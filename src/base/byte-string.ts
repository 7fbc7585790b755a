/**
 * Byte strings: JavaScript strings in which each character stands for one byte.
 *
 * The Nix language's strings are sequences of bytes. Kept as latin1 they have Nix's lengths and order and survive
 * invalid UTF-8; V8 stores them one byte per character.
 */

export function bytesOfByteString(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

export function byteStringOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/**
 * Encodes text as UTF-8, one character per byte. A lone surrogate from U+DC80 to U+DCFF stands for the byte that
 * `textOfByteString` could not decode.
 */
export function byteStringOfText(text: string): string {
  // Plain ASCII is its own encoding, and is nearly all there is.
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) <= 0x7f) continue;
    if (text.isWellFormed()) return Buffer.from(text, "utf8").toString("latin1");
    return text
      .split(LONE_BYTE)
      .map((piece, index) => (index % 2 === 1 ? byteOfSurrogate(piece) : Buffer.from(piece, "utf8").toString("latin1")))
      .join("");
  }
  return text;
}

const LONE_BYTE = /((?<![\ud800-\udbff])[\udc80-\udcff])/;

function byteOfSurrogate(piece: string): string {
  return String.fromCharCode(piece.charCodeAt(0) - FIRST_SURROGATE);
}

/** Decodes UTF-8; bytes that are none become lone surrogates, which people see as replacement characters. */
export function textOfByteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) <= 0x7f) continue;
    const decoded = Buffer.from(text, "latin1").toString("utf8");
    return decoded.includes("\ufffd") ? decodeKeepingBytes(text) : decoded;
  }
  return text;
}

const FIRST_SURROGATE = 0xdc00;
/** One character of UTF-8, as a byte string. */
const CHARACTER =
  // oxlint-disable-next-line no-control-regex
  /[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/y;

function decodeKeepingBytes(text: string): string {
  let decoded = "";
  for (let at = 0; at < text.length;) {
    CHARACTER.lastIndex = at;
    const character = CHARACTER.exec(text)?.[0];
    decoded +=
      character === undefined
        ? String.fromCharCode(FIRST_SURROGATE + text.charCodeAt(at))
        : Buffer.from(character, "latin1").toString("utf8");
    at += character?.length ?? 1;
  }
  return decoded;
}
