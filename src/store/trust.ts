/**
 * Whether an object that comes from elsewhere may enter a store: it is what its content address says, or somebody
 * trusted signed for it.
 */

import { FormatError, OperationError } from "../base/errors.ts";
import { type ContentAddress, contentAddressedPath, parseContentAddress } from "../format/content-address.ts";
import { ContentHasher } from "../format/content-hasher.ts";
import type { PathInfo } from "../format/path-info.ts";
import { hasTrustedSignature, type PublicKey } from "../format/signature.ts";

export interface Trust {
  /** Whether what is not content-addressed needs a signature (`require-sigs`). */
  readonly requiresSignatures: boolean;
  readonly keys: readonly PublicKey[];
}

/** Whether an object's path follows from its content address; says nothing of the contents. */
export function isContentAddressed(info: PathInfo, storeDir: string): boolean {
  const address = addressOf(info);
  if (address === undefined) return false;
  const others = info.references.filter((path) => !path.equals(info.path));
  const self = others.length < info.references.length;
  try {
    return contentAddressedPath(storeDir, info.path.name, address, { others, self }).equals(info.path);
  } catch (error) {
    // References that such an address cannot have.
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Throws `SIGNATURE_MISSING` for an object that nobody trusted vouches for. */
export function checkTrust(info: PathInfo, storeDir: string, trust: Trust): void {
  if (!trust.requiresSignatures || isContentAddressed(info, storeDir)) return;
  if (hasTrustedSignature(info, storeDir, trust.keys)) return;
  throw new OperationError(
    "SIGNATURE_MISSING",
    `cannot add path '${info.path.render(storeDir)}' because it lacks a signature by a trusted key`,
  );
}

/** An object's NAR as it is, followed by an error when it does not have the content address it claims. */
export async function* checkedContents(
  info: PathInfo,
  storeDir: string,
  nar: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const address = addressOf(info);
  if (address === undefined) {
    yield* nar;
    return;
  }
  const hasher = new ContentHasher(address.method, address.hash.algorithm, info.path);
  for await (const chunk of nar) {
    hasher.update(chunk);
    yield chunk;
  }
  const got = hasher.digest();
  if (got.equals(address.hash)) return;
  throw new OperationError(
    "CONTENT_ADDRESS_MISMATCH",
    `ca hash mismatch importing path '${info.path.render(storeDir)}';\n` +
      `  specified: ${address.hash.render("nix32")}\n  got:       ${got.render("nix32")}`,
  );
}

function addressOf(info: PathInfo): ContentAddress | undefined {
  return info.contentAddress === undefined ? undefined : parseContentAddress(info.contentAddress);
}
