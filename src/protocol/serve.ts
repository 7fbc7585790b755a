/**
 * What a client of `nix-store --serve --write` sends to add objects, all of it without waiting for an answer. So it can be
 * written into a file, and given to any Nix later.
 */

import type { PathInfo } from "../format/path-info.ts";
import { sortedReferences } from "../format/path-info.ts";
import { WireWriter } from "./wire.ts";

const MAGIC = 0x390c9deb;
/** 2.5, since Nix 2.1: the first that adds an archive as it comes. What is newer answers as it did then. */
const VERSION = 0x205;
const ADD_TO_STORE_NAR = 9;

/** The greeting, and then each object with its archive, references first. */
export async function* serveInput(
  objects: readonly { readonly info: PathInfo; readonly nar: () => AsyncIterable<Uint8Array> }[],
  storeDir: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const wire = new WireWriter();
  yield wire.uint(MAGIC).uint(VERSION).take();
  for (const { info, nar } of objects) {
    yield wire
      .uint(ADD_TO_STORE_NAR)
      .string(info.path.render(storeDir))
      .string(info.deriver?.render(storeDir) ?? "")
      .string(info.narHash.render("base16"))
      .strings(sortedReferences(info).map((path) => path.render(storeDir)))
      .uint(0)
      .uint(info.narSize)
      .bool(false)
      .strings(info.signatures)
      .string(info.contentAddress ?? "")
      .take();
    yield* nar();
  }
}
