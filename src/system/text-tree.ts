/** Writes texts as a tree of files. */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileError } from "./file-error.ts";

/** A file's bytes, or a directory by byte-string names. */
export type TextTree = Uint8Array | ReadonlyMap<string, TextTree>;

/** Writes a tree to a path that must not exist yet. */
export function writeTextTree(path: string, tree: TextTree): void {
  try {
    write(Buffer.from(path), tree);
  } catch (error) {
    throw fileError(`cannot write '${path}'`, error);
  }
}

function write(path: Buffer, tree: TextTree): void {
  if (tree instanceof Uint8Array) {
    writeFileSync(path, tree, { flag: "wx" });
    return;
  }
  mkdirSync(path);
  for (const [name, member] of tree) write(Buffer.concat([path, SLASH, Buffer.from(name, "latin1")]), member);
}

const SLASH = Buffer.from("/");
