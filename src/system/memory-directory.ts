/** A private directory that no disk ever sees, for what a person edits. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isProcessAlive } from "./process.ts";

/** What `statfs` says of file systems in memory: tmpfs and ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
/** With the number of the process that uses it: what a killed one has left is removed by the next. */
const PREFIX = "pristine-secret-";

export class MemoryDirectory implements Disposable {
  readonly #path: string;
  readonly #onExit: () => void;

  private constructor(path: string) {
    this.#path = path;
    this.#onExit = () => rmSync(path, { recursive: true, force: true });
    process.once("exit", this.#onExit);
  }

  /** `undefined` when this machine has no place in memory that is ours to write to. */
  static make(): MemoryDirectory | undefined {
    const parent = [process.env["XDG_RUNTIME_DIR"], "/dev/shm"].find(
      (path) => path !== undefined && path !== "" && isInMemory(path),
    );
    if (parent === undefined) return undefined;
    removeLeftOver(parent);
    // Made for us alone, whatever the umask says.
    return new MemoryDirectory(mkdtempSync(join(parent, `${PREFIX}${process.pid}-`)));
  }

  write(name: string, contents: Uint8Array): string {
    const path = join(this.#path, name);
    writeFileSync(path, contents, { mode: 0o600, flag: "wx" });
    return path;
  }

  /** An editor may have replaced the file; `undefined` when it has removed it. */
  read(name: string): Buffer | undefined {
    try {
      return readFileSync(join(this.#path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    this.#onExit();
  }
}

function isInMemory(path: string): boolean {
  try {
    return IN_MEMORY.has(statfsSync(path).type);
  } catch {
    // What cannot be looked at is none.
    return false;
  }
}

function removeLeftOver(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? NaN);
    if (Number.isNaN(pid) || isProcessAlive(pid)) continue;
    try {
      rmSync(join(parent, name), { recursive: true, force: true });
    } catch (error) {
      // Another user's is not ours to remove.
      if (!["EPERM", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
