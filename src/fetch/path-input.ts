/** Inputs of type `path`: a file system object of this machine, as it is now. */

import { textOfByteString } from "../base/byte-string.ts";
import { narHash } from "../format/nar.ts";
import type { InputAttribute, InputAttrs } from "../format/input/attributes.ts";
import { diskTree } from "../system/tree.ts";
import type { InputTree } from "./fetcher.ts";

/** Reads the object at the input's absolute path; `lastModified` is the latest time of anything in it. */
export function fetchPath(input: InputAttrs): InputTree {
  const localPath = textOfByteString(String(input.get("path")));
  const tree = diskTree(localPath);
  let latest = 0;
  const { hash } = narHash({
    node: (path) => {
      latest = Math.max(latest, tree.modifiedAt(path));
      return tree.node(path);
    },
    read: (path, size) => tree.read(path, size),
  });
  const attrs = new Map<string, InputAttribute>(input);
  if (!attrs.has("lastModified")) attrs.set("lastModified", latest);
  return { localPath, narHash: hash, attrs };
}
