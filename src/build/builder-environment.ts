/** The environment variables and files that a builder starts with, exactly as Nix sets them. */

import { byteStringOfText, bytesOfByteString, textOfByteString } from "../base/byte-string.ts";
import { FormatError } from "../base/errors.ts";
import { quoteWord } from "../base/shell-words.ts";
import { type Derivation, derivationKind, outputPathOf } from "../format/derivation.ts";
import { hashByteString } from "../format/hash.ts";

export interface BuilderSettings {
  readonly storeDir: string;
  /** The build directory as the builder sees it. */
  readonly buildDir: string;
  readonly cores: number;
  /** Variables of this machine, of which a fixed-output derivation may name some (`impureEnvVars`). */
  readonly outerEnv: Readonly<Record<string, string | undefined>>;
}

export interface BuilderSurroundings {
  /** Sorted by name; names and values are byte strings. */
  readonly env: ReadonlyMap<string, string>;
  /** Files in the build directory, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export function builderSurroundings(drv: Derivation, settings: BuilderSettings): BuilderSurroundings {
  const { buildDir } = settings;
  const env = new Map<string, string>([
    ["PATH", "/path-not-set"],
    ["HOME", "/homeless-shelter"],
    ["NIX_STORE", settings.storeDir],
    ["NIX_BUILD_CORES", String(settings.cores)],
  ]);
  const files = new Map<string, Uint8Array>();
  const structured = drv.env.get("__json");
  if (structured === undefined) {
    const asFile = new Set(wordsOf(drv.env.get("passAsFile")));
    for (const [name, value] of drv.env) {
      if (!asFile.has(name)) {
        env.set(name, value);
        continue;
      }
      const file = `.attr-${hashByteString("sha256", name).toNix32()}`;
      files.set(file, bytesOfByteString(value));
      env.set(`${name}Path`, `${buildDir}/${file}`);
    }
  } else {
    const attributes = structuredAttributes(drv, structured, settings.storeDir);
    files.set(".attrs.json", Buffer.from(renderJson(attributes)));
    files.set(".attrs.sh", Buffer.from(shellDeclarations(attributes)));
    env.set("NIX_ATTRS_JSON_FILE", `${buildDir}/.attrs.json`);
    env.set("NIX_ATTRS_SH_FILE", `${buildDir}/.attrs.sh`);
  }
  for (const name of ["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"]) env.set(name, buildDir);
  if (derivationKind(drv) === "fixed") {
    env.set("NIX_OUTPUT_CHECKED", "1");
    for (const name of wordsOf(drv.env.get("impureEnvVars"))) {
      env.set(name, byteStringOfText(settings.outerEnv[textOfByteString(name)] ?? ""));
    }
  }
  env.set("NIX_LOG_FD", "2");
  env.set("TERM", "xterm-256color");
  return { env: new Map([...env].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))), files };
}

/** Words of a variable that holds a list. */
export function wordsOf(text: string | undefined): string[] {
  return (text ?? "").split(/[ \t\n\r]+/).filter((word) => word !== "");
}

/** JSON with its numbers as they were written and its keys in order of their bytes. */
type Json = null | boolean | string | RawNumber | readonly Json[] | JsonObject;
type JsonObject = ReadonlyMap<string, Json>;

class RawNumber {
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }
}

type JsonReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** The derivation's attributes with the output paths filled in. */
function structuredAttributes(drv: Derivation, json: string, storeDir: string): JsonObject {
  const parse = JSON.parse as (text: string, reviver: JsonReviver) => Json;
  const parsed = parse(textOfByteString(json), (_key, value, { source }) => {
    if (typeof value === "number") return new RawNumber(source ?? String(value));
    return typeof value !== "object" || value === null || Array.isArray(value) ? value : new Map(Object.entries(value));
  });
  if (!(parsed instanceof Map)) throw new FormatError("derivation", "the structured attributes are not an object");
  const outputs = new Map<string, Json>();
  for (const name of drv.outputs.keys()) {
    const path = outputPathOf(drv, name, storeDir);
    if (path !== undefined) outputs.set(name, path.render(storeDir));
  }
  return new Map<string, Json>([...(parsed as JsonObject), ["outputs", outputs]]);
}

function entriesOf(object: JsonObject): [string, Json][] {
  return [...object].sort(([a], [b]) => (byteStringOfText(a) < byteStringOfText(b) ? -1 : 1));
}

function renderJson(value: Json): string {
  if (value instanceof Map) {
    const members = entriesOf(value as JsonObject).map(
      ([key, member]) => `${JSON.stringify(key)}:${renderJson(member)}`,
    );
    return `{${members.join(",")}}`;
  }
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(renderJson).join(",")}]`;
  return value instanceof RawNumber ? value.digits : JSON.stringify(value);
}

const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The same attributes as declarations for bash. What bash cannot hold is left out. */
function shellDeclarations(attributes: JsonObject): string {
  let text = "";
  for (const [name, value] of entriesOf(attributes)) {
    if (!SHELL_NAME.test(name)) continue;
    const simple = shellValue(value);
    if (simple !== undefined) text += `declare ${name}=${simple}\n`;
    else if (Array.isArray(value)) {
      const items = (value as readonly Json[]).map(shellValue);
      if (items.includes(undefined)) continue;
      text += `declare -a ${name}=(${items.map((item) => `${item} `).join("")})\n`;
    } else if (value instanceof Map) {
      const items = entriesOf(value as JsonObject).map(([key, item]) => [quoteWord(key), shellValue(item)] as const);
      if (items.some(([, item]) => item === undefined)) continue;
      text += `declare -A ${name}=(${items.map(([key, item]) => `[${key}]=${item} `).join("")})\n`;
    }
  }
  return text;
}

function shellValue(value: Json): string | undefined {
  if (typeof value === "string") return quoteWord(value);
  if (value === null) return "''";
  if (typeof value === "boolean") return value ? "1" : "";
  if (!(value instanceof RawNumber)) return undefined;
  if (/^-?\d+$/.test(value.digits)) return value.digits;
  const number = Number(value.digits);
  return Number.isInteger(number) ? String(number) : undefined;
}
