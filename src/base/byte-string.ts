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

/** Encodes ordinary text as UTF-8, one character per byte. */
export function byteStringOfText(text: string): string {
  // Plain ASCII is its own encoding, and is nearly all there is.
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, "utf8").toString("latin1");
  }
  return text;
}

/** Decodes UTF-8 for people; invalid sequences become replacement characters. */
export function textOfByteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, "latin1").toString("utf8");
  }
  return text;
}
