/**
 * Interned identifiers.
 *
 * The same name is the same JavaScript string everywhere, found by a hash that the lexer computes while it scans, so
 * that a name seen before costs no allocation and comparing names compares pointers. The table only grows, by the
 * distinct names of all texts parsed.
 */
import { KEYWORDS, Token } from "./token.ts";

let slotCount = 1 << 14;
let used = 0;
let hashes: Int32Array = new Int32Array(slotCount);
/** Index into `names` plus one; 0 is a free slot. */
let entries: Int32Array = new Int32Array(slotCount);
const names: string[] = [];
const tokens: Token[] = [];

/** One step of the hash the lexer computes over a name's characters, starting from 0. */
export function hashStep(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0;
}

/** The number of the name `text[start..end)`, whose hash is given. */
export function symbolAt(text: string, start: number, end: number, hash: number): number {
  const length = end - start;
  const mask = slotCount - 1;
  let slot = (hash ^ (hash >>> 15)) & mask;
  for (;;) {
    const entry = entries[slot] as number;
    if (entry === 0) return add(text.slice(start, end), hash, slot);
    if (hashes[slot] === hash) {
      const name = names[entry - 1] as string;
      if (name.length === length) {
        let i = 0;
        while (i < length && name.charCodeAt(i) === text.charCodeAt(start + i)) i++;
        if (i === length) return entry - 1;
      }
    }
    slot = (slot + 1) & mask;
  }
}

/** The one string for this name. */
export function symbolName(symbol: number): string {
  return names[symbol] as string;
}

/** The keyword this name is, or `Token.Identifier`. */
export function symbolToken(symbol: number): Token {
  return tokens[symbol] as Token;
}

/** The one string equal to `text`. */
export function intern(text: string): string {
  return symbolName(symbolOf(text));
}

/** The number of a name: smaller for names that were met earlier. */
export function symbolOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return symbolAt(text, 0, text.length, hash);
}

/** Names in the order in which Nix goes through the attributes of a set: that in which it met them. */
export function inSymbolOrder(attributeNames: readonly string[]): readonly string[] {
  return attributeNames.toSorted((left, right) => symbolOf(left) - symbolOf(right));
}

function add(name: string, hash: number, slot: number): number {
  // V8 makes a symbol's description unique, so that comparing two names compares pointers; a slice would stay a slice.
  names.push(Symbol.for(name).description!);
  tokens.push(KEYWORDS.get(name) ?? Token.Identifier);
  hashes[slot] = hash;
  entries[slot] = names.length;
  used++;
  if (used * 2 > slotCount) grow();
  return names.length - 1;
}

function grow(): void {
  const oldHashes = hashes;
  const oldEntries = entries;
  slotCount *= 2;
  hashes = new Int32Array(slotCount);
  entries = new Int32Array(slotCount);
  const mask = slotCount - 1;
  for (let i = 0; i < oldEntries.length; i++) {
    if (oldEntries[i] === 0) continue;
    const hash = oldHashes[i] as number;
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (entries[slot] !== 0) slot = (slot + 1) & mask;
    hashes[slot] = hash;
    entries[slot] = oldEntries[i] as number;
  }
}

// Names that Nix knows before it has read anything, in its order.
for (const name of (
  "outPath drvPath type meta name value system __overrides outputs outputName __ignoreNulls file line column __functor " +
  "__toString right wrong __structuredAttrs __json allowedReferences allowedRequisites disallowedReferences " +
  "disallowedRequisites maxSize maxClosureSize builder args __contentAddressed __impure outputHash outputHashAlgo " +
  "outputHashMode recurseForDerivations description self  startSet operator key path prefix outputSpecified __sub " +
  "__lessThan __mul __div or __findFile __nixPath body"
).split(" ")) {
  intern(name);
}
