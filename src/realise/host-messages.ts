/** System calls that failed, in the words Nix has for them. */

import { byteStringOfText } from "../base/byte-string.ts";
import type { OperationError } from "../base/errors.ts";

/** Texts of the C library. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EIO: "Input/output error",
  EISDIR: "Is a directory",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENOENT: "No such file or directory",
  ENOTDIR: "Not a directory",
  ENXIO: "No such device or address",
  EPERM: "Operation not permitted",
};

const ACTIONS: Readonly<Record<string, string>> = {
  realpath: "getting status of",
  scandir: "cannot read directory",
  opendir: "cannot read directory",
  stat: "getting status of",
  lstat: "getting status of",
  readlink: "reading symbolic link",
};

/** The refusal as a byte string; an error that is none of a system call keeps its own words. */
export function refusalText(error: OperationError): string {
  return systemCallText(error.cause) ?? byteStringOfText(error.message);
}

/** What Nix says when a system call fails, as a byte string; `undefined` for what it has no words for. */
export function systemCallText(error: unknown): string | undefined {
  const { code = "", syscall = "", path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === "ELOOP") return byteStringOfText(`infinite symlink recursion in path '${path ?? ""}'`);
  const reason = REASONS[code];
  if (reason !== undefined && syscall === "read") return `read of 4096 bytes: ${reason}`;
  if (reason !== undefined && syscall === "open") return byteStringOfText(`opening file '${path ?? ""}': ${reason}`);
  const action = ACTIONS[syscall];
  if (reason === undefined || action === undefined) return undefined;
  return byteStringOfText(`${action} "${path ?? ""}": ${reason}`);
}
