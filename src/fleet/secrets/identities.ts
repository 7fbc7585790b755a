/**
 * The keys that an operator decrypts with. Those without a passphrase are used here; for others the `age` program is
 * run, which asks on the terminal, or calls plugins.
 */

import { join } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { configHome, homeDirectory } from "../../system/directories.ts";
import { readTextIfPresent } from "../../system/files.ts";
import { findProgram, run, succeeded } from "../../system/process.ts";
import { OPERATOR_KEY } from "../init.ts";
import { type AgeIdentity, decryptWith, isAgeIdentity, SECRET_BYTES_MAX } from "./age-file.ts";
import { isSshPrivateKey, parseSshPrivateKey } from "./ssh-key.ts";
import { SshIdentity } from "./ssh-stanza.ts";

export class Identities {
  readonly #keys: readonly AgeIdentity[];
  /** Files that only the `age` program can use. */
  readonly #locked: readonly string[];
  readonly #tried: readonly string[];

  private constructor(keys: readonly AgeIdentity[], locked: readonly string[], tried: readonly string[]) {
    this.#keys = keys;
    this.#locked = locked;
    this.#tried = tried;
  }

  /** The files that are named, else those of `PRISTINE_IDENTITY`, else where such keys usually are. */
  static async load(named: readonly string[], fleetDirectory: string): Promise<Identities> {
    const variable = (process.env["PRISTINE_IDENTITY"] ?? "").split(":").filter((path) => path !== "");
    const chosen = named.length > 0 ? named : variable;
    const home = homeDirectory();
    const usual = [
      join(fleetDirectory, OPERATOR_KEY),
      join(home, ".ssh/id_ed25519"),
      join(home, ".ssh/id_rsa"),
      join(configHome(), "age/keys.txt"),
    ];
    const keys: AgeIdentity[] = [];
    const locked: string[] = [];
    const tried: string[] = [];
    for (const path of chosen.length > 0 ? chosen : usual) {
      const text = await readTextIfPresent(path);
      if (text === undefined) {
        if (chosen.length === 0) continue;
        throw new OperationError("SECRET_IDENTITY", `there is no key ${path}`, {
          hint: "check --identity and PRISTINE_IDENTITY",
        });
      }
      tried.push(path);
      try {
        const found = keysIn(text);
        if (found === "locked") locked.push(path);
        else keys.push(...found);
      } catch (error) {
        // What usually lies there need not be for this.
        if (chosen.length === 0) continue;
        const reason = error instanceof Error ? error.message : String(error);
        throw new OperationError("SECRET_IDENTITY", `${path} has no key that can decrypt: ${reason}`, {
          hint: "it must be a key of age, or one of ssh (ed25519 or rsa) that is not the public part",
        });
      }
    }
    return new Identities(keys, locked, tried);
  }

  /** Decrypts a file; throws `SECRET_IDENTITY` or `SECRET_DAMAGED`. */
  async decrypt(file: Uint8Array, place: string, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await decryptWith(this.#keys, file, { place, tried: this.#tried });
    } catch (error) {
      const isOurs = error instanceof OperationError && error.code === "SECRET_IDENTITY";
      if (!isOurs || this.#locked.length === 0) throw error;
      return await this.#decryptByProgram(file, place, signal);
    }
  }

  async #decryptByProgram(file: Uint8Array, place: string, signal: AbortSignal): Promise<Uint8Array> {
    const files = this.#locked.join(", ");
    if ((await findProgram("age")) === undefined) {
      throw new OperationError("SECRET_IDENTITY", `${place} may need ${files}, which only the program 'age' can use`, {
        hint: "install age (Debian: apt install age), or name a key without a passphrase with --identity FILE",
      });
    }
    const argv = ["age", "--decrypt", ...this.#locked.flatMap((path) => ["--identity", path])];
    const outcome = await run(argv, { stdin: file, group: "shared", signal, outputSizeMax: 2 * SECRET_BYTES_MAX });
    if (succeeded(outcome)) return outcome.stdout;
    const said = /^age: error: (.*)$/m.exec(outcome.stderr.toString("utf8"))?.[1] ?? "age failed";
    throw new OperationError("SECRET_IDENTITY", `${place} cannot be decrypted: ${said}`, {
      hint: `tried ${this.#tried.join(", ")}; name another key with --identity FILE`,
    });
  }
}

/** The keys in a file, or that they need a passphrase or a plugin. */
function keysIn(text: string): readonly AgeIdentity[] | "locked" {
  if (isSshPrivateKey(text)) {
    const key = parseSshPrivateKey(text);
    return key === "encrypted" ? "locked" : [new SshIdentity(key)];
  }
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.some((line) => line.startsWith("AGE-PLUGIN-") || /^(?:age-encryption\.org\/|-----BEGIN AGE)/.test(line)))
    return "locked";
  if (keys.length === 0 || !keys.every((line) => line.startsWith("AGE-SECRET-KEY-"))) throw new Error("it has none");
  if (!keys.every(isAgeIdentity)) throw new Error("a line of it is damaged");
  return keys;
}
