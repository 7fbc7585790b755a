/** `nix hash`: of files and trees, and between notations. */

import { resolve } from "node:path";
import { Hash, type HashAlgorithm, describeHashError, hashBytes, parseHashAlgorithm } from "../../format/hash.ts";
import { narHash } from "../../format/nar.ts";
import { exists, readBytes } from "../../system/files.ts";
import { diskTree } from "../../system/tree.ts";
import { writeError } from "./failure.ts";
import { type CommandLine, lastValue, parseCommandLine, type FlagTable } from "./nix-command-line.ts";
import { UsageError } from "./usage-error.ts";

type Notation = "base16" | "base64" | "nix32" | "sri";

const NOTATIONS = new Set<string>(["base16", "base64", "nix32", "sri"]);

const HASH_FLAGS: FlagTable = {
  "--algo": 1,
  "--base16": 0,
  "--base32": 0,
  "--base64": 0,
  "--format": 1,
  "--mode": 1,
  "--sri": 0,
  "--type": 1,
};
const CONVERT_FLAGS: FlagTable = { "--from": 1, "--hash-algo": 1, "--to": 1 };
const TO_FLAGS: FlagTable = { "--type": 1 };

const COMMANDS: Readonly<Record<string, FlagTable>> = {
  convert: CONVERT_FLAGS,
  file: HASH_FLAGS,
  path: HASH_FLAGS,
  "to-base16": TO_FLAGS,
  "to-base32": TO_FLAGS,
  "to-base64": TO_FLAGS,
  "to-sri": TO_FLAGS,
};

export async function runNixHash(argv: readonly string[]): Promise<void> {
  const outer = parseCommandLine(argv, {}, { stopsAtWord: true });
  const command = outer.words[0];
  if (command === undefined) {
    const names = Object.keys(COMMANDS).map((name) => `         · ${name}`);
    throw new UsageError(`nix hash requires a sub-command. Available sub-commands:\n\n${names.join("\n")}`);
  }
  const table = COMMANDS[command];
  if (table === undefined) throw new UsageError(`'${command}' is not a recognised command`);
  const line = parseCommandLine(outer.rest, table);
  if (command === "convert") convert(line);
  else if (command.startsWith("to-")) convertTo(command, line);
  else await hash(command, line);
}

async function hash(command: string, line: CommandLine): Promise<void> {
  const algorithm = algorithmOf(lastValue(line, "--algo") ?? lastValue(line, "--type")) ?? "sha256";
  const mode = lastValue(line, "--mode") ?? (command === "file" ? "flat" : "nar");
  if (mode !== "flat" && mode !== "nar")
    throw new UsageError(`unknown file ingestion method '${mode}', expect 'flat', 'nar', or 'git'`);
  const notation = [...line.flags.keys()]
    .map((flag) => (flag === "--format" ? lastValue(line, flag)! : flag.slice("--".length)))
    .map((name) => (name === "base32" ? "nix32" : name))
    .filter((name) => NOTATIONS.has(name))
    .at(-1);
  for (const path of line.words) {
    if (!(await exists(path))) throw new Error(`path '${resolve(path)}' does not exist`);
    const made =
      mode === "flat"
        ? hashBytes(algorithm, await readBytes(path))
        : narHash(diskTree(resolve(path)), { algorithm }).hash;
    print(made, notationOf(notation ?? "sri"));
  }
}

function convert(line: CommandLine): void {
  const algorithm = algorithmOf(lastValue(line, "--hash-algo"));
  const from = lastValue(line, "--from");
  const to = notationOf(lastValue(line, "--to") ?? "sri");
  for (const text of line.words) {
    const parsed = parse(text, algorithm);
    const found = notationIn(text, parsed);
    if (from !== undefined && notationOf(from) !== found) {
      throw new Error(`input hash '${text}' has format '${found}', but '--from ${notationOf(from)}' was specified`);
    }
    print(parsed, to);
  }
}

function convertTo(command: string, line: CommandLine): void {
  const instead = "were deprecated in favor of `nix hash convert`.";
  writeError(`warning: The old format conversion subcommands of \`nix hash\` ${instead}`);
  const name = command.slice("to-".length);
  const algorithm = algorithmOf(lastValue(line, "--type"));
  for (const text of line.words) print(parse(text, algorithm), notationOf(name === "base32" ? "nix32" : name));
}

function parse(text: string, algorithm: HashAlgorithm | undefined): Hash {
  const parsed = Hash.parse(text, algorithm);
  if (!parsed.ok) throw new Error(describeHashError(text, parsed.error));
  return parsed.value;
}

/** The notation that a parsed hash was written in. */
function notationIn(text: string, parsed: Hash): Notation {
  if (text.startsWith(`${parsed.algorithm}-`)) return "sri";
  const digits = text.slice(text.indexOf(":") + 1);
  if (digits.length === parsed.toBase16().length) return "base16";
  return digits.length === parsed.toNix32().length ? "nix32" : "base64";
}

function print(made: Hash, notation: Notation): void {
  process.stdout.write(`${notation === "sri" ? made.toSri() : made.digits(notation)}\n`);
}

function notationOf(name: string): Notation {
  if (NOTATIONS.has(name)) return name as Notation;
  throw new UsageError(`unknown hash format '${name}', expect 'base16', 'base32', 'base64', or 'sri'`);
}

function algorithmOf(name: string | undefined): HashAlgorithm | undefined {
  if (name === undefined) return undefined;
  const algorithm = parseHashAlgorithm(name);
  if (algorithm === undefined) {
    throw new UsageError(`unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`);
  }
  return algorithm;
}
