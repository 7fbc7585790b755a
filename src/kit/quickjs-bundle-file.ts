/** A bundle as a file, over QuickJS's `os`. */

import * as os from "quickjs:os";
import type { BundleFile } from "./bundle-file.ts";
import { KitError } from "./kit-error.ts";

const SEEK_SET = 0;
/** As many arguments a call takes. */
const CHARACTERS_AT_ONCE = 8192;

export function openBundleFile(path: string): BundleFile {
  const [status, errno] = os.stat(path);
  if (errno !== 0 || (status.mode & os.S_IFMT) !== os.S_IFREG) {
    throw new KitError("KIT_BUNDLE_INVALID", `${path} is ${errno === 0 ? "no regular file" : "not there"}`);
  }
  return { path, bytes: status.size, read: (offset, size) => read(path, offset, Math.min(size, status.size - offset)) };
}

function read(path: string, offset: number, size: number): string {
  const descriptor = os.open(path, os.O_RDONLY);
  if (descriptor < 0) throw new KitError("KIT_BUNDLE_INVALID", `${path} cannot be read`);
  try {
    os.seek(descriptor, offset, SEEK_SET);
    const bytes = new Uint8Array(size);
    let done = 0;
    while (done < size) {
      const count = os.read(descriptor, bytes.buffer, done, size - done);
      if (count <= 0) break;
      done += count;
    }
    let text = "";
    for (let at = 0; at < done; at += CHARACTERS_AT_ONCE) {
      text += String.fromCharCode(...bytes.subarray(at, Math.min(at + CHARACTERS_AT_ONCE, done)));
    }
    return text;
  } finally {
    os.close(descriptor);
  }
}
