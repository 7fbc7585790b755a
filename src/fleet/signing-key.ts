/** The key of the fleet that signs what goes to a host, from a file of the deployer's. */

import { OperationError } from "../base/errors.ts";
import { parseSigningKey, type SigningKey } from "../format/signature.ts";
import { homeDirectory } from "../system/directories.ts";
import { readTextIfPresent } from "../system/files.ts";
import type { HostInventory } from "./inventory.ts";

/** Undefined for a host that declares none. */
export async function signingKeyOf({ name, signingKeyFile }: HostInventory): Promise<SigningKey | undefined> {
  if (signingKeyFile === undefined) return undefined;
  const text = await readTextIfPresent(signingKeyFile.replace(/^~\//, `${homeDirectory()}/`));
  const hint = `deployment.signingKeyFile of ${name} names a file on this machine; 'nix key generate-secret' makes one`;
  if (text === undefined) throw new OperationError("SIGNING_KEY", `there is no key in ${signingKeyFile}`, { hint });
  try {
    return parseSigningKey(text.trim());
  } catch (error) {
    throw new OperationError("SIGNING_KEY", `${signingKeyFile} has no secret key`, { hint, cause: error });
  }
}
