/** Inputs of type `path`: a file system object of this machine, as it is now. */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { narHash } from "../format/nar.ts";
import { type InputAttribute, type InputAttrs, requiredText } from "../format/input/attributes.ts";
import { renderInput } from "../format/input/input.ts";
import { exists } from "../system/files.ts";
import { diskTree } from "../system/tree.ts";
import type { FetchContext, InputTree } from "./fetch-context.ts";

/** Reads the object at the input's absolute path; `lastModified` is the latest time of anything in it. */
export async function fetchPath(context: FetchContext, input: InputAttrs, at?: string): Promise<InputTree> {
  const named = textOfByteString(requiredText(input, "path"));
  const localPath = at ?? named;
  if (!localPath.startsWith("/")) {
    const shown = textOfByteString(renderInput(input));
    throw new OperationError("FETCH_FAILED", `cannot fetch input '${shown}' because it uses a relative path`);
  }
  if (!(await exists(localPath))) throw new OperationError("FETCH_FAILED", `path '${localPath}' does not exist`);
  const tree = diskTree(localPath);
  let latest = 0;
  const { hash } = narHash({
    node: (path) => {
      context.signal.throwIfAborted();
      latest = Math.max(latest, tree.modifiedAt(path));
      return tree.node(path);
    },
    read: (path, size) => tree.read(path, size),
  });
  const attrs = new Map<string, InputAttribute>(input);
  if (!attrs.has("lastModified")) attrs.set("lastModified", isSource(named, context) ? 0 : latest);
  return { localPath, narHash: hash, attrs };
}

/** An object of the store with the name of fetched trees: its times say nothing. */
function isSource(path: string, { storeDir }: FetchContext): boolean {
  return path.startsWith(`${storeDir}/`) && /^[0-9a-z]{32}-source$/.test(path.slice(storeDir.length + 1));
}
