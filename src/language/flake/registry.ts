/** Flake registries: files that say what a bare name such as `nixpkgs` stands for. */

import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import { FormatError } from "../../base/errors.ts";
import {
  type InputAttribute,
  type InputAttrs,
  inputRevision,
  sameAttributes,
  textAttribute,
  withAttributes,
} from "../../format/input/attributes.ts";
import { inputAtRevision, inputOfAttributes, isDirectInput, renderInput } from "../../format/input/input.ts";
import { type Host, HostError } from "../host.ts";
import { invalidError } from "../eval/eval-error.ts";

export type RegistryKind = "flag" | "user" | "system" | "global";

interface RegistryEntry {
  readonly from: InputAttrs;
  readonly to: InputAttrs;
  readonly dir: string | undefined;
  readonly isExact: boolean;
}

/** `all` for what a user names, `limited` for the inputs of flakes, which must not depend on who evaluates. */
export type RegistryUse = "all" | "limited" | "none";

export interface RegistrySettings {
  /** The global registry: a URL, an absolute path, or empty for none. */
  readonly global: string;
  /** What `--override-flake` says. */
  readonly overrides: readonly { readonly from: InputAttrs; readonly to: InputAttrs; readonly dir?: string }[];
}

export const GLOBAL_REGISTRY_DEFAULT: string = "https://channels.nixos.org/flake-registry.json";

const LOOKUPS_MAX = 100;
const REGISTRY_VERSION = 2;

export class Registries {
  readonly #host: Host;
  readonly #settings: RegistrySettings;
  readonly #read = new Map<RegistryKind, readonly RegistryEntry[]>();

  constructor(host: Host, settings: RegistrySettings) {
    this.#host = host;
    this.#settings = settings;
  }

  /** The direct input that an input stands for, and the directory a registry adds to it. */
  resolve(input: InputAttrs, use: RegistryUse): { readonly input: InputAttrs; readonly dir: string | undefined } {
    let current = input;
    let dir: string | undefined;
    if (isDirectInput(input)) return { input, dir };
    if (use === "none") {
      throw invalidError(
        `'${renderInput(input)}' is an indirect flake reference, but registry lookups are not allowed`,
      );
    }
    for (let lookups = 0; ; lookups++) {
      if (lookups > LOOKUPS_MAX) throw invalidError(`cycle detected in flake registry for '${renderInput(current)}'`);
      const found = this.#find(current, use);
      if (found === undefined) break;
      current = found.input;
      dir = found.dir;
    }
    if (!isDirectInput(current)) {
      throw invalidError(`cannot find flake '${renderInput(current)}' in the flake registries`);
    }
    return { input: current, dir };
  }

  #find(
    input: InputAttrs,
    use: RegistryUse,
  ): { readonly input: InputAttrs; readonly dir: string | undefined } | undefined {
    const kinds: readonly RegistryKind[] = use === "all" ? ["flag", "user", "system", "global"] : ["flag", "global"];
    for (const kind of kinds) {
      for (const entry of this.#entries(kind)) {
        const found = applied(entry, input);
        if (found !== undefined) return { input: found, dir: entry.dir };
      }
    }
    return undefined;
  }

  #entries(kind: RegistryKind): readonly RegistryEntry[] {
    let entries = this.#read.get(kind);
    if (entries === undefined) {
      entries = kind === "flag" ? this.#flagEntries() : this.#fileEntries(kind);
      this.#read.set(kind, entries);
    }
    return entries;
  }

  #flagEntries(): readonly RegistryEntry[] {
    return this.#settings.overrides.map(({ from, to, dir }) => ({ from, to, dir, isExact: false }));
  }

  #fileEntries(kind: RegistryKind): readonly RegistryEntry[] {
    const path = this.#pathOf(kind);
    if (path === undefined) return [];
    try {
      const contents = path.startsWith("/")
        ? this.#host.readConfiguration(path)
        : this.#host.readFile(this.#host.fetchFile({ url: path, name: GLOBAL_NAME, unpack: false }));
      return contents === undefined ? [] : parseRegistry(contents, path);
    } catch (error) {
      // A name may still be found elsewhere; that it is found nowhere is said when it is looked up.
      if (error instanceof FormatError) this.#host.warn(`cannot read flake registry '${path}': ${error.reason}`, false);
      else if (error instanceof HostError) {
        this.#host.warn(`cannot read flake registry '${path}': ${error.message}`, false);
      } else throw error;
      return [];
    }
  }

  #pathOf(kind: RegistryKind): string | undefined {
    const { global } = this.#settings;
    if (kind === "global") return global === "" ? undefined : global;
    if (kind === "system") return `${this.#variable("NIX_CONF_DIR") ?? "/etc/nix"}/registry.json`;
    const nixConfig = this.#variable("NIX_CONFIG_HOME");
    if (nixConfig !== undefined) return `${nixConfig}/registry.json`;
    const config = this.#variable("XDG_CONFIG_HOME");
    if (config !== undefined) return `${config}/nix/registry.json`;
    const home = this.#variable("HOME");
    return home === undefined ? undefined : `${home}/.config/nix/registry.json`;
  }

  #variable(name: string): string | undefined {
    const value = this.#host.environment(name);
    return value === "" ? undefined : value;
  }
}

const GLOBAL_NAME = "flake-registry.json";

/** What an entry makes of an input, when it speaks of it. */
function applied(entry: RegistryEntry, input: InputAttrs): InputAttrs | undefined {
  const { from, to } = entry;
  if (entry.isExact) return sameAttributes(from, input) ? to : undefined;
  const isMeant =
    sameAttributes(from, input) || sameAttributes(from, withAttributes(input, { ref: undefined, rev: undefined }));
  if (!isMeant) return undefined;
  const ref = from.has("ref") ? undefined : textAttribute(input, "ref");
  const rev = from.has("rev") ? undefined : inputRevision(input);
  return inputAtRevision(to, ref, rev);
}

function parseRegistry(text: string, path: string): readonly RegistryEntry[] {
  const json = parseJson(text) as { readonly version?: unknown; readonly flakes?: unknown } | null;
  const version = json?.version ?? 0;
  if (version !== REGISTRY_VERSION) {
    throw new FormatError(
      "flake registry",
      `flake registry '${path}' has unsupported version ${JSON.stringify(version)}`,
    );
  }
  const flakes = json?.flakes;
  if (!Array.isArray(flakes)) throw new FormatError("flake registry", "it has no list of flakes");
  return flakes.map((flake: unknown) => {
    const { from, to, exact } = (flake ?? {}) as Readonly<Record<string, unknown>>;
    const target = attributesOf(to);
    return {
      from: inputOfAttributes(attributesOf(from)),
      to: inputOfAttributes(withAttributes(target, { dir: undefined })),
      dir: textAttribute(target, "dir"),
      isExact: exact === true,
    };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(textOfByteString(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new FormatError("flake registry", byteStringOfText(error.message));
  }
}

function attributesOf(json: unknown): InputAttrs {
  if (typeof json !== "object" || json === null) throw new FormatError("flake registry", "an entry is not an object");
  const attrs = new Map<string, InputAttribute>();
  for (const [name, value] of Object.entries(json)) {
    if (typeof value === "string") attrs.set(byteStringOfText(name), byteStringOfText(value));
    else if (typeof value === "number" || typeof value === "boolean") attrs.set(byteStringOfText(name), value);
    else throw new FormatError("flake registry", "unsupported input attribute type in lock file");
  }
  return attrs;
}
