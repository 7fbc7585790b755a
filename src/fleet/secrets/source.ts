/** Where a secret's bytes come from on this machine: an operators' file, a program, a variable, or chance. */

import { randomInt } from "node:crypto";
import { OperationError } from "../../base/errors.ts";
import { renderArgv } from "../../base/shell-words.ts";
import { hashBytes } from "../../format/hash.ts";
import { readBytesIfPresent } from "../../system/files.ts";
import { renderExit, run, succeeded } from "../../system/process.ts";
import { SECRET_BYTES_MAX } from "./age-file.ts";
import type { DeclaredSecret, Generator } from "./declared.ts";
import type { Identities } from "./identities.ts";

export interface SourceContext {
  /** Where programs run. */
  readonly directory: string;
  /** Loaded when something is to be decrypted. */
  readonly identities: () => Promise<Identities>;
  readonly signal: AbortSignal;
}

export interface SecretSource {
  readonly plaintext: Uint8Array;
  /** Of an operators' file: its SHA-256. */
  readonly source: string | null;
}

export function sha256Of(bytes: Uint8Array | string): string {
  return hashBytes("sha256", typeof bytes === "string" ? Buffer.from(bytes) : bytes).toBase16();
}

export async function readSource(secret: DeclaredSecret, context: SourceContext): Promise<SecretSource> {
  const { file, command, environment, name, place } = secret;
  if (file !== null) {
    const { plaintext, bytes } = await readOperatorsFile(file, context);
    return { plaintext, source: sha256Of(bytes) };
  }
  const what = `the secret '${name}' (${place})`;
  if (command !== null) return { plaintext: await outputOf(command, what, context), source: null };
  const value = process.env[environment ?? ""];
  if (value === undefined || value === "") {
    throw new OperationError("SECRET_SOURCE", `${what} is the variable ${environment ?? ""}, which is not set`, {
      hint: "set it for this command",
    });
  }
  return { plaintext: Buffer.from(value), source: null };
}

/** An operators' file, decrypted. */
export async function readOperatorsFile(
  path: string,
  { identities, signal }: SourceContext,
): Promise<{ readonly plaintext: Uint8Array; readonly bytes: Buffer }> {
  const bytes = await readBytesIfPresent(path);
  if (bytes === undefined) {
    throw new OperationError("SECRET_FILE_MISSING", `there is no file ${path}`, {
      hint: "make it with 'pristine secrets edit', or with 'pristine secrets generate' where it is declared how",
    });
  }
  return { plaintext: await (await identities()).decrypt(bytes, path, signal), bytes };
}

export async function generateSecret(generator: Generator, what: string, context: SourceContext): Promise<Uint8Array> {
  const { alphabet, command, length } = generator;
  if (command !== null) return await outputOf(command, what, context);
  return Buffer.from(Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join(""));
}

/** What a program writes, without its last line break. It is run as it is, without a shell. */
async function outputOf(
  command: readonly string[],
  what: string,
  { directory, signal }: SourceContext,
): Promise<Uint8Array> {
  const failed = (why: string): OperationError =>
    new OperationError("SECRET_SOURCE", `${what} comes from ${renderArgv(command)}: ${why}`, {
      hint: `it runs in ${directory}; try it there`,
    });
  // It may ask on the terminal, and what it says there is not ours.
  const outcome = await run(command, { cwd: directory, group: "shared", signal, outputSizeMax: SECRET_BYTES_MAX });
  if (!succeeded(outcome)) {
    const said = outcome.stderr.toString("utf8").trim().split("\n").at(-1) ?? "";
    throw failed(said === "" ? renderExit(outcome) : `${renderExit(outcome)}, ${said}`);
  }
  const { stdout } = outcome;
  const output = stdout.at(-1) === 0x0a ? stdout.subarray(0, -1) : stdout;
  if (output.length === 0) throw failed("it wrote nothing");
  return output;
}
