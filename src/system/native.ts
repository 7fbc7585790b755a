/**
 * System calls that Node does not offer, by koffi: flock, extended attributes, mount propagation of our own process.
 *
 * The library is loaded on first use, so programs that need none of it do not pay for it.
 */

import { getSystemErrorName } from "node:util";

type NativeFunction = (...args: unknown[]) => number;

interface Koffi {
  load(path: string | null): { func(prototype: string): NativeFunction & { async: (...args: unknown[]) => void } };
  errno(): number;
}

interface Native {
  readonly koffi: Koffi;
  readonly flock: NativeFunction & { async: (...args: unknown[]) => void };
  readonly llistxattr: NativeFunction;
  readonly lremovexattr: NativeFunction;
  readonly pipe2: NativeFunction;
  readonly personality: NativeFunction;
  readonly syncfs: NativeFunction;
}

let loaded: Native | undefined;

function native(): Native {
  if (loaded !== undefined) return loaded;
  const koffi = process.getBuiltinModule("node:module").createRequire(import.meta.url)("koffi") as Koffi;
  const libc = koffi.load(null);
  loaded = {
    koffi,
    flock: libc.func("int flock(int fd, int operation)"),
    llistxattr: libc.func("int64_t llistxattr(const void *path, _Out_ uint8_t *list, uint64_t size)"),
    lremovexattr: libc.func("int lremovexattr(const void *path, const char *name)"),
    pipe2: libc.func("int pipe2(_Out_ int *fds, int flags)"),
    personality: libc.func("int personality(unsigned long persona)"),
    syncfs: libc.func("int syncfs(int fd)"),
  };
  return loaded;
}

/** A failed system call, with `code` as Node's own errors have it. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${call}: ${code}`);
    this.code = code;
  }
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Tries to take a lock on an open file without waiting. Says whether it was taken. */
export function tryFlock(fd: number, mode: "shared" | "exclusive"): boolean {
  const { koffi, flock } = native();
  for (;;) {
    if (flock(fd, (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
    const code = getSystemErrorName(-koffi.errno());
    if (code === "EWOULDBLOCK" || code === "EAGAIN") return false;
    if (code !== "EINTR") throw new SystemCallError("flock", koffi.errno());
  }
}

export function unflock(fd: number): void {
  native().flock(fd, LOCK_UN);
}

/** Removes all extended attributes of a file itself (not of what a link points to). Says how many there were. */
export function removeXattrs(file: string | Buffer): number {
  const { llistxattr, lremovexattr } = native();
  const path = Buffer.concat([typeof file === "string" ? Buffer.from(file) : file, Buffer.of(0)]);
  const list = Buffer.alloc(64 * 1024);
  const size = llistxattr(path, list, list.length);
  // Most file systems either have none or do not know them: both are what is wanted.
  if (size <= 0) return 0;
  const names = list.subarray(0, size).toString("latin1").split("\0").filter(Boolean);
  // SELinux labels belong to the system's policy, not to the object.
  const removable = names.filter((name) => name !== "security.selinux");
  for (const name of removable) lremovexattr(path, name);
  return removable.length;
}

const O_CLOEXEC = 0o2000000;

/** A pipe that programs can be given on several of their descriptors; both ends are to be closed by the caller. */
export function makePipe(): { readonly readFd: number; readonly writeFd: number } {
  const { koffi, pipe2 } = native();
  const fds: [number, number] = [-1, -1];
  if (pipe2(fds, O_CLOEXEC) !== 0) throw new SystemCallError("pipe2", koffi.errno());
  return { readFd: fds[0], writeFd: fds[1] };
}

const PERSONALITY_QUERY = 0xffffffff;
const ADDR_NO_RANDOMIZE = 0x0040000;

/** Runs `action`; programs it starts have their memory at the same addresses every time. */
export function withFixedAddresses<T>(action: () => T): T {
  const { personality } = native();
  const before = personality(PERSONALITY_QUERY);
  if (before === -1) return action();
  personality(before | ADDR_NO_RANDOMIZE);
  try {
    return action();
  } finally {
    personality(before);
  }
}

/** Writes everything on the file system of an open file to its disk. */
export function syncFileSystem(fd: number): void {
  const { koffi, syncfs } = native();
  if (syncfs(fd) !== 0) throw new SystemCallError("syncfs", koffi.errno());
}
