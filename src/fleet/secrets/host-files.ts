/**
 * The files of one host beside the fleet file: its secrets, encrypted for its ssh key alone, and a record of what they
 * were made from. `docs/formats/secrets.md` describes them; evaluation reads them, and only this writes them.
 */

import { dirname, join } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { ensureDirectory, namesIn, readTextIfPresent, removeFile, writeFileAtomic } from "../../system/files.ts";
import { encryptTo } from "./age-file.ts";
import { type SecretSource, sha256Of } from "./source.ts";
import { parseSshPublicKey, renderSshPublicKey, type SshPublicKey } from "./ssh-key.ts";

const DIRECTORY = "pristine.secrets.d";
const RECORD = "secrets.json";
const ENROLLED = "host.pub";

interface SecretEntry {
  readonly name: string;
  /** SHA-256 of the operators' file; none for secrets from elsewhere. */
  readonly source: string | null;
  /** SHA-256 of the host's file. */
  readonly sha256: string;
}

interface HostRecord {
  readonly version: 1;
  /** The ssh key that all of them are encrypted for. */
  readonly recipient: string;
  readonly secrets: readonly SecretEntry[];
}

export class HostFiles {
  readonly directory: string;
  readonly #host: string;
  #record: HostRecord | undefined;

  private constructor(directory: string, host: string, record: HostRecord | undefined) {
    this.directory = directory;
    this.#host = host;
    this.#record = record;
  }

  static async open(fleetFile: string, host: string): Promise<HostFiles> {
    const directory = join(dirname(fleetFile), DIRECTORY, host);
    const path = join(directory, RECORD);
    const text = await readTextIfPresent(path);
    return new HostFiles(directory, host, text === undefined ? undefined : parseRecord(text, path));
  }

  /** The key that was enrolled by `secrets rekey --enroll`. */
  async enrolled(): Promise<string | undefined> {
    return await readTextIfPresent(join(this.directory, ENROLLED));
  }

  async enroll(key: SshPublicKey): Promise<void> {
    await ensureDirectory(this.directory);
    await writeFileAtomic(join(this.directory, ENROLLED), `${renderSshPublicKey(key)}\n`);
  }

  /** Whether everything is encrypted for this key. */
  isFor(recipient: string): boolean {
    return this.#record?.recipient === recipient;
  }

  sourceOf(name: string): string | null | undefined {
    return this.#record?.secrets.find((entry) => entry.name === name)?.source;
  }

  /**
   * Encrypts secrets for a host's key. Those that are not given stay, when they are for that key and still `declared`;
   * the record comes last, so that an interruption leaves what has to be done again.
   */
  async write(
    recipient: string,
    secrets: ReadonlyMap<string, SecretSource>,
    declared: readonly string[],
  ): Promise<void> {
    await ensureDirectory(this.directory);
    const kept = this.isFor(recipient) ? (this.#record?.secrets ?? []) : [];
    const entries = new Map(kept.filter(({ name }) => declared.includes(name)).map((entry) => [entry.name, entry]));
    for (const [name, { plaintext, source }] of secrets) {
      const text = await encryptTo([recipient], plaintext);
      await writeFileAtomic(join(this.directory, `${name}.age`), text);
      entries.set(name, { name, source, sha256: sha256Of(text) });
    }
    await this.#save({ version: 1, recipient, secrets: [...entries.values()] });
    for (const file of await namesIn(this.directory)) {
      if (file.endsWith(".age") && !declared.includes(file.slice(0, -".age".length)))
        await removeFile(join(this.directory, file));
    }
  }

  /** Notes that an operators' file was encrypted anew, and says what it did: what hosts have stays as it is. */
  async follow(from: string, to: string): Promise<void> {
    const record = this.#record;
    if (record === undefined || !record.secrets.some(({ source }) => source === from)) return;
    const secrets = record.secrets.map((entry) => (entry.source === from ? { ...entry, source: to } : entry));
    await this.#save({ ...record, secrets });
  }

  async #save(record: HostRecord): Promise<void> {
    const secrets = record.secrets.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const before = this.#record;
    this.#record = { ...record, secrets };
    if (JSON.stringify(this.#record) === JSON.stringify(before)) return;
    await writeFileAtomic(join(this.directory, RECORD), `${JSON.stringify(this.#record, undefined, 2)}\n`);
  }

  /** The declared key of the host as it is encrypted to. */
  recipientOf(hostKey: string | null): string | undefined {
    if (hostKey === null) return undefined;
    try {
      return renderSshPublicKey(parseSshPublicKey(hostKey));
    } catch (error) {
      throw new OperationError(
        "SECRET_HOST_KEY",
        `the ssh key of ${this.#host} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
        { hint: `correct deployment.hostKey, or run 'pristine secrets rekey --enroll ${this.#host}'` },
      );
    }
  }
}

function parseRecord(text: string, path: string): HostRecord {
  try {
    const record = JSON.parse(text) as HostRecord;
    if (record.version === 1 && typeof record.recipient === "string" && Array.isArray(record.secrets)) return record;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new OperationError("SECRET_RECORD_INVALID", `${path} is not as Pristine writes it`, {
    hint: "restore it from your repository's history, or remove it and run 'pristine secrets rekey'",
  });
}
