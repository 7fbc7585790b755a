/** What file system calls fail with, in words. */

import { OperationError } from "../base/errors.ts";

/** Describes a file system error in a sentence, with what to do about it where that is known. */
export function fileError(action: string, error: unknown): OperationError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new OperationError("DISK_FULL", `no space is left on the disk (${action})`, {
      hint: "free some space and run the same command again: nothing that was finished is lost",
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return new OperationError("NO_PERMISSION", `permission denied (${action}: ${message})`, {
      hint:
        code === "EROFS"
          ? "that file system is read-only: choose another place"
          : "run this as the owner of that place, or choose a place that is yours",
      cause: error,
    });
  }
  if (code === "EEXIST" || code === "ENOTDIR") {
    return new OperationError("FILE_IN_THE_WAY", `a file is where a directory is to be (${action}: ${message})`, {
      hint: "name another place, or take the file away",
      cause: error,
    });
  }
  return new OperationError("FILE_OPERATION_FAILED", `${action}: ${message}`, { cause: error });
}

/** Whether an error is of a system call that failed, rather than one of ours. */
export function isSystemError(error: unknown): boolean {
  return typeof (error as { readonly syscall?: unknown } | undefined)?.syscall === "string";
}

/** The error code of a failed system call, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
