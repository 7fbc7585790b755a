/** Hashes. */

import {
  describeHashError,
  Hash,
  type HashAlgorithm,
  type HashEncoding,
  hashByteString,
  HASH_SIZES,
  parseHashAlgorithm,
} from "../../format/hash.ts";
import { asking, coerceToReadablePath } from "../eval/coerce.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectAttrs, expectPlainText, expectString } from "../eval/expect.ts";
import { textOf } from "../eval/type-name.ts";
import type { EvalState } from "../eval/state.ts";
import type { Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requiredAttr } from "./control.ts";
import { requireFeature } from "./features.ts";

/** The algorithm a name stands for; an error of the evaluation for any other name. */
export function hashAlgorithmOf(state: EvalState, name: string): HashAlgorithm {
  const algorithm = parseHashAlgorithm(name);
  if (algorithm === undefined) {
    throw invalidError(`unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`);
  }
  if (algorithm === "blake3") requireFeature(state, "blake3-hashes");
  return algorithm;
}

/** Parses a hash in any notation; an error of the evaluation when it is none. */
export function hashOf(state: EvalState, text: string, algorithm: HashAlgorithm | undefined): Hash {
  const parsed = Hash.parse(text, algorithm);
  if (!parsed.ok) throw invalidError(describeHashError(text, parsed.error));
  if (parsed.value.algorithm === "blake3") requireFeature(state, "blake3-hashes");
  return parsed.value;
}

/** Like `hashOf`; an empty text stands for a hash that is not known yet, all zeros. */
export function hashOrPlaceholder(state: EvalState, text: string, algorithm: HashAlgorithm | undefined): Hash {
  if (text !== "") return hashOf(state, text, algorithm);
  if (algorithm === undefined) throw invalidError("empty hash requires explicit hash algorithm");
  const hash = new Hash(algorithm, new Uint8Array(HASH_SIZES[algorithm]));
  state.host.warn(`found empty hash, assuming '${hash.toSri()}'`, false);
  return hash;
}

function algorithmArgument(state: EvalState, slot: Slot, name: string): HashAlgorithm {
  const frame = `while evaluating the first argument passed to builtins.${name}`;
  return hashAlgorithmOf(state, expectPlainText(slot, undefined, frame));
}

const ENCODINGS: Readonly<Record<string, HashEncoding | "sri">> = {
  base16: "base16",
  nix32: "nix32",
  base32: "nix32",
  base64: "base64",
  sri: "sri",
};

const convertHash: BuiltinBody = (state, [argument]) => {
  const attrs = expectAttrs(argument!, undefined, "while evaluating the first argument passed to builtins.convertHash");
  const text = (name: string): string =>
    expectPlainText(
      requiredAttr(attrs, name, `while locating the attribute '${name}'`),
      undefined,
      `while evaluating the attribute '${name}'`,
    );
  const digits = text("hash");
  const algorithm = attrs.has("hashAlgo") ? hashAlgorithmOf(state, text("hashAlgo")) : undefined;
  const format = text("toHashFormat");
  const encoding = Object.hasOwn(ENCODINGS, format) ? ENCODINGS[format] : undefined;
  if (encoding === undefined) {
    throw invalidError(`unknown hash format '${format}', expect 'base16', 'base32', 'base64', or 'sri'`);
  }
  if (format === "base32") state.host.warn('"base32" is a deprecated alias for hash format "nix32".', false);
  const hash = hashOf(state, digits, algorithm);
  return encoding === "sri" ? hash.toSri() : hash.digits(encoding);
};

export const hashBuiltins: Builtins = {
  hashString: [
    2,
    (state, [type, string]) => {
      const algorithm = algorithmArgument(state, type!, "hashString");
      const frame = "while evaluating the second argument passed to builtins.hashString";
      return hashByteString(algorithm, textOf(expectString(string!, undefined, frame))).toBase16();
    },
  ],
  hashFile: [
    2,
    (state, [type, path]) => {
      const algorithm = algorithmArgument(state, type!, "hashFile");
      const readable = coerceToReadablePath(state, path!);
      return hashByteString(
        algorithm,
        asking(() => state.host.readFile(readable)),
      ).toBase16();
    },
  ],
  convertHash: [1, convertHash],
};
