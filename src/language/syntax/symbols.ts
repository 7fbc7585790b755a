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

/** Where the newest name was met, and its slot; no text when it cannot be forgotten any more. */
let newestText: string | undefined;
let newestStart = -1;
let newestSlot = -1;

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
    if (entry === 0) {
      newestText = text;
      newestStart = start;
      newestSlot = slot;
      return add(text.slice(start, end), hash, slot);
    }
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

/** The one string equal to `text`, which is a name that Nix meets here. */
export function intern(text: string): string {
  const symbol = symbolAt(text, 0, text.length, hashOf(text));
  // A keyword is no name where it is read, but an attribute may be called so in quotes.
  if (tokens[symbol] !== Token.Identifier) noteMadeName(text);
  return symbolName(symbol);
}

function hashOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

/**
 * Forgets a name that was first met at this very place, and says whether it was. Nix meets the name of a parameter only
 * behind the function's body, and that of a formal with a default behind the default; whoever has such a name forgets it,
 * and interns it again there.
 */
export function forgetSymbol(text: string, start: number): boolean {
  if (newestStart !== start || newestText !== text) return false;
  newestText = undefined;
  entries[newestSlot] = 0;
  names.pop();
  tokens.pop();
  used--;
  return true;
}

/** Names that programs have made while they ran, and when; a program may make any number of them. */
const made = new Map<string, number>();
const MADE_MAX = 1 << 16;

/** Says that Nix meets this name here, in no text or not as a name. */
export function noteMadeName(name: string): void {
  // Behind all symbols there are and before the next one.
  if (!made.has(name) && made.size < MADE_MAX) made.set(name, names.length - 1 + (made.size + 1) / (2 * MADE_MAX));
}

/** Smaller for names that were met earlier, be it in a text or while a program ran. */
export function rankOfName(name: string): number {
  return Math.min(knownSymbol(name), made.get(name) ?? Infinity);
}

/** The indexes of names in the order in which they were met. */
export function orderOfNames(names: readonly string[]): readonly number[] {
  const ranks = names.map(rankOfName);
  return ranks.map((_, index) => index).sort((left, right) => compareRanks(ranks[left]!, ranks[right]!));
}

function compareRanks(left: number, right: number): number {
  // Two names never met have the same, infinite rank.
  return left === right ? 0 : left - right;
}

/** The number of a name, if it is in a text that was parsed, other than as a keyword. */
function knownSymbol(name: string): number {
  const hash = hashOf(name);
  const mask = slotCount - 1;
  for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
    const entry = entries[slot] as number;
    if (entry === 0) return Infinity;
    if (hashes[slot] === hash && names[entry - 1] === name) {
      return tokens[entry - 1] === Token.Identifier ? entry - 1 : Infinity;
    }
  }
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
  // Others may stand behind it now.
  newestText = undefined;
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

// Names that Nix knows before it reads a program, in its order: those its evaluator itself uses, those of its builtins,
// and those that its definition of `derivation` has besides. Two spaces stand around the empty name.
for (const name of (
  "outPath drvPath type meta name value system __overrides outputs outputName __ignoreNulls file line column " +
  "__functor __toString right wrong __structuredAttrs __json allowedReferences allowedRequisites " +
  "disallowedReferences disallowedRequisites maxSize maxClosureSize builder args __contentAddressed __impure " +
  "outputHash outputHashAlgo outputHashMode recurseForDerivations description self  startSet operator key path " +
  "prefix outputSpecified __sub __lessThan __mul __div or __findFile __nixPath body builtins true false null " +
  "__currentTime currentTime __currentSystem currentSystem __nixVersion nixVersion __storeDir storeDir " +
  "__langVersion langVersion __traceVerbose traceVerbose nixPath scopedImport import __typeOf typeOf isNull " +
  "__isFunction isFunction __isInt isInt __isFloat isFloat __isString isString __isBool isBool __isPath isPath " +
  "__genericClosure genericClosure break abort throw __addErrorContext addErrorContext __ceil ceil __floor floor " +
  "__tryEval tryEval __getEnv getEnv __seq seq __deepSeq deepSeq __trace trace __warn warn derivationStrict " +
  "placeholder __toPath toPath __storePath storePath __pathExists pathExists baseNameOf dirOf __readFile readFile " +
  "findFile __hashFile hashFile __readFileType readFileType __readDir readDir __toXML toXML __toJSON toJSON " +
  "__fromJSON fromJSON __toFile toFile __filterSource filterSource __path __attrNames attrNames __attrValues " +
  "attrValues __getAttr getAttr __unsafeGetAttrPos unsafeGetAttrPos __hasAttr hasAttr __isAttrs isAttrs removeAttrs " +
  "__listToAttrs listToAttrs __intersectAttrs intersectAttrs __catAttrs catAttrs __functionArgs functionArgs " +
  "__mapAttrs mapAttrs __zipAttrsWith zipAttrsWith __isList isList __elemAt elemAt __head head __tail tail map " +
  "__filter filter __elem elem __concatLists concatLists __length length __foldl' foldl' __any any __all all " +
  "__genList genList __sort sort __partition partition __groupBy groupBy __concatMap concatMap __add add sub mul " +
  "div __bitAnd bitAnd __bitOr bitOr __bitXor bitXor lessThan toString __substring substring __stringLength " +
  "stringLength __hashString hashString __convertHash convertHash __match match __split split __concatStringsSep " +
  "concatStringsSep __replaceStrings replaceStrings __parseDrvName parseDrvName __compareVersions compareVersions " +
  "__splitVersion splitVersion __unsafeDiscardStringContext unsafeDiscardStringContext __hasContext hasContext " +
  "__unsafeDiscardOutputDependency unsafeDiscardOutputDependency __addDrvOutputDependencies " +
  "addDrvOutputDependencies __getContext getContext __appendContext appendContext fetchMercurial fetchTree " +
  "__fetchurl fetchurl fetchTarball fetchGit fromTOML __getFlake getFlake __parseFlakeRef parseFlakeRef " +
  "__flakeRefToString flakeRefToString derivation strict drvAttrs commonAttrs outputsList x outputToAttrListElement"
).split(" ")) {
  intern(name);
}
