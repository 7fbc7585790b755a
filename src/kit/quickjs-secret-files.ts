/** Files in memory with owners and modes, over QuickJS. Owners and modes are set by busybox, as QuickJS has no call for it. */

import * as os from "quickjs:os";
import * as std from "quickjs:std";
import type { CommandResult, SecretFiles } from "./host.ts";

const EEXIST = 17;
const ENOENT = 2;
const CHUNK_SIZE = 64 * 1024;

export class QuickJsSecretFiles implements SecretFiles {
  readonly #busybox: (applet: readonly string[]) => CommandResult;

  constructor(busybox: (applet: readonly string[]) => CommandResult) {
    this.#busybox = busybox;
  }

  #run(...applet: readonly string[]): void {
    const { code, stderr } = this.#busybox(applet);
    if (code !== 0) throw new Error(`${applet[0]} failed: ${stderr.trim()}`);
  }

  makeDirectory(path: string, mode: string): void {
    const result = os.mkdir(path, 0o700);
    if (result !== -EEXIST) check(result, path);
    this.#run("chmod", mode, path);
  }

  make(files: Parameters<SecretFiles["make"]>[0]): void {
    for (const { path } of files) os.close(check(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), path));
    // Changing the owner may change the mode, so that comes last.
    for (const [owner, paths] of grouped(files, ({ owner: wanted }) => wanted)) this.#run("chown", owner, ...paths);
    for (const [mode, paths] of grouped(files, ({ mode: wanted }) => wanted)) this.#run("chmod", mode, ...paths);
  }

  read(path: string): string {
    const descriptor = os.open(path, os.O_RDONLY);
    if (descriptor === -ENOENT) return "";
    check(descriptor, path);
    try {
      const buffer = new Uint8Array(CHUNK_SIZE);
      let text = "";
      for (;;) {
        const size = check(os.read(descriptor, buffer.buffer, 0, CHUNK_SIZE), path);
        if (size === 0) return text;
        for (let at = 0; at < size; at++) text += String.fromCharCode(buffer[at] as number);
      }
    } finally {
      os.close(descriptor);
    }
  }

  write(path: string, bytes: string): void {
    const buffer = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
    const descriptor = check(os.open(path, os.O_WRONLY | os.O_TRUNC), path);
    try {
      let done = 0;
      while (done < buffer.length) done += check(os.write(descriptor, buffer.buffer, done, buffer.length - done), path);
    } finally {
      os.close(descriptor);
    }
  }

  rename(from: string, to: string): void {
    check(os.rename(from, to), to);
  }
}

function check(result: number, action: string): number {
  if (result < 0) throw new Error(`${action}: ${std.strerror(-result)}`);
  return result;
}

function grouped<T extends { readonly path: string }>(
  files: readonly T[],
  keyOf: (file: T) => string,
): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const file of files) {
    const key = keyOf(file);
    groups.set(key, [...(groups.get(key) ?? []), file.path]);
  }
  return groups;
}
