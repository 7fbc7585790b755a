/** The real host, over QuickJS's `std` and `os`. */

import * as os from "quickjs:os";
import * as std from "quickjs:std";
import { HOOK_OUTPUT_BYTES_MAX } from "../machine/hook.ts";
import { PROGRAM_DIRECTORIES, PROGRAM_PATH } from "../machine/programs.ts";
import { readingOnce } from "../machine/system-object.ts";
import type { CommandResult, HookRun, Host, HostFiles, RunOptions } from "./host.ts";
import { QuickJsSecretFiles } from "./quickjs-secret-files.ts";
import { SystemdUnits } from "./systemd.ts";
import { utf8Of } from "./utf8.ts";

/** `O_SYNC` of Linux on x86-64 and arm64, which QuickJS does not name. */
const O_SYNC = 0o4010000;
/** QuickJS names most signals, but not this one. */
const SIGKILL = 9;
const ENOENT = 2;
const EEXIST = 17;
const OUTPUT_CHARS_MAX = 8 * 1024 * 1024;
const SEEK_SET = 0;
const SCRATCH_DIRECTORY = "/run/pristine";
/** Most commands end soon: they are looked after closely at first. */
const QUICK_WAIT_MS = 500;
const QUICK_PAUSE_MS_MAX = 4;
const PAUSE_MS_MAX = 25;

function check(result: number, action: string): number {
  if (result < 0) throw new Error(`${action}: ${std.strerror(-result)}`);
  return result;
}

function writeAll(path: string, flags: number, text: string): void {
  const bytes = utf8Of(text);
  const descriptor = check(os.open(path, flags, 0o644), path);
  try {
    let done = 0;
    while (done < bytes.byteLength) {
      done += check(os.write(descriptor, bytes.buffer as ArrayBuffer, done, bytes.byteLength - done), path);
    }
  } finally {
    os.close(descriptor);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

type Sync = (path: string, options?: { readonly isWholeFileSystem: boolean }) => void;

class QuickJsFiles implements HostFiles {
  readonly #sync: Sync;

  constructor(sync: Sync) {
    this.#sync = sync;
  }

  readFile(path: string): string | undefined {
    const [status, errno] = os.lstat(path);
    if (errno !== 0 || (status.mode & os.S_IFMT) !== os.S_IFREG) return undefined;
    const file = std.open(path, "r");
    if (file === null) return undefined;
    const text = file.readAsString();
    file.close();
    return text;
  }

  readlink(path: string): string | undefined {
    const [target, errno] = os.readlink(path);
    return errno === 0 ? target : undefined;
  }

  list(path: string): readonly string[] | undefined {
    const [names, errno] = os.readdir(path);
    return errno === 0 ? names.filter((name) => name !== "." && name !== "..") : undefined;
  }

  exists(path: string): boolean {
    return os.lstat(path)[1] === 0;
  }

  makeDirectory(path: string): void {
    if (this.exists(path)) return;
    this.makeDirectory(parentOf(path));
    const result = os.mkdir(path, 0o755);
    if (result !== -EEXIST) check(result, path);
    this.#sync(parentOf(path));
  }

  writeDurably(path: string, text: string): void {
    const temporary = `${path}.new`;
    writeAll(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | O_SYNC, text);
    check(os.rename(temporary, path), path);
    this.#sync(parentOf(path));
  }

  appendDurably(path: string, text: string): void {
    const isNew = !this.exists(path);
    writeAll(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | O_SYNC, text);
    if (isNew) this.#sync(parentOf(path));
  }

  replaceLink(path: string, target: string, { durable }: { readonly durable: boolean }): void {
    const temporary = `${path}.new`;
    const result = os.symlink(target, temporary);
    if (result === -EEXIST) {
      check(os.remove(temporary), temporary);
      check(os.symlink(target, temporary), temporary);
    } else check(result, temporary);
    check(os.rename(temporary, path), path);
    if (durable) this.#sync(parentOf(path));
  }

  remove(path: string, { durable }: { readonly durable: boolean }): void {
    const result = os.remove(path);
    if (result === -ENOENT) return;
    check(result, path);
    if (durable) this.#sync(parentOf(path));
  }

  removeTree(path: string): void {
    for (const name of this.readlink(path) === undefined ? (this.list(path) ?? []) : [])
      this.removeTree(`${path}/${name}`);
    os.remove(path);
  }

  syncFileSystem(path: string): void {
    this.#sync(path, { isWholeFileSystem: true });
  }

  modifiedAt(path: string): string {
    const [status, errno] = os.lstat(path);
    return new Date(errno === 0 ? status.mtime : 0).toISOString();
  }
}

/** Runs a command; its output goes to unlinked files, so that a process it leaves behind cannot hold us up. */
function run(
  command: readonly string[],
  { timeoutSeconds, heldStdin, stdinFile, stdoutFile }: RunOptions,
): CommandResult {
  const output =
    stdoutFile === undefined ? scratchFile("out") : check(os.open(stdoutFile, os.O_WRONLY | os.O_TRUNC), stdoutFile);
  const errors = scratchFile("err");
  const [stdin, heldEnd] = openStdin(heldStdin, stdinFile);
  try {
    const pid = os.exec(command, {
      block: false,
      usePath: true,
      stdin,
      stdout: output,
      stderr: errors,
      env: environment(),
    });
    const code = wait(pid, timeoutSeconds);
    return { code, stdout: stdoutFile === undefined ? contentsOf(output) : "", stderr: contentsOf(errors) };
  } finally {
    if (stdoutFile !== undefined) os.close(output);
    os.close(stdin);
    if (heldEnd !== undefined) os.close(heldEnd);
  }
}

function environment(): Record<string, string> {
  return { ...std.getenviron(), LC_ALL: "C.UTF-8", SYSTEMD_COLORS: "0", SYSTEMD_PAGER: "" };
}

/** How long the end of a hook's output is waited for, which something that it left behind may hold open. */
const TAIL_WAIT_SECONDS = 1;

/** The output goes through `tail`, so that it fills neither the memory nor `/run`; `busybox` has it and `setsid`. */
function runHook(
  busybox: readonly string[],
  command: readonly string[],
  options: Parameters<Host["runHook"]>[1],
): HookRun {
  const output = scratchFile("hook");
  const [stdin] = openStdin(undefined);
  const [readEnd, writeEnd] = os.pipe();
  try {
    const tail = os.exec([...busybox, "tail", "-c", String(HOOK_OUTPUT_BYTES_MAX)], {
      block: false,
      usePath: true,
      stdin: readEnd,
      stdout: output,
      env: environment(),
    });
    const pid = os.exec([...busybox, "setsid", ...command], {
      block: false,
      usePath: true,
      stdin,
      stdout: writeEnd,
      stderr: writeEnd,
      env: { ...environment(), ...options.environment },
    });
    os.close(writeEnd);
    const code = wait(pid, options.timeoutSeconds, { isGroup: true });
    wait(tail, TAIL_WAIT_SECONDS);
    return { code, output: contentsOf(output) };
  } finally {
    os.close(stdin);
    os.close(readEnd);
  }
}

function openStdin(
  text: string | undefined,
  { path, offset }: NonNullable<RunOptions["stdinFile"]> = { path: "/dev/null", offset: 0 },
): [stdin: number, heldEnd: number | undefined] {
  if (text === undefined) {
    const descriptor = check(os.open(path, os.O_RDONLY), path);
    os.seek(descriptor, offset, SEEK_SET);
    return [descriptor, undefined];
  }
  const [readEnd, writeEnd] = os.pipe();
  const bytes = utf8Of(text);
  // A pipe holds 64 KiB; requests are far shorter.
  os.write(writeEnd, bytes.buffer as ArrayBuffer, 0, bytes.byteLength);
  return [readEnd, writeEnd];
}

let scratchFiles = 0;

function scratchFile(kind: string): number {
  const path = `${SCRATCH_DIRECTORY}/.${os.getpid()}-${scratchFiles++}-${kind}`;
  const descriptor = check(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), path);
  os.remove(path);
  return descriptor;
}

function contentsOf(descriptor: number): string {
  os.seek(descriptor, 0, SEEK_SET);
  const file = std.fdopen(descriptor, "r");
  if (file === null) return "";
  const text = file.readAsString(OUTPUT_CHARS_MAX);
  file.close();
  return text;
}

/** How long a killed process is waited for. */
const KILL_WAIT_MS = 5_000;

function wait(pid: number, timeoutSeconds: number, { isGroup = false } = {}): number {
  let deadline = nowMs() + timeoutSeconds * 1000;
  let isKilled = false;
  const quick = nowMs() + QUICK_WAIT_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, nowMs() < quick ? QUICK_PAUSE_MS_MAX : PAUSE_MS_MAX)) {
    const [found, status] = os.waitpid(pid, os.WNOHANG);
    if (found === pid && isKilled) return 124;
    if (found === pid) return (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
    if (found < 0) return 127;
    if (nowMs() >= deadline) {
      // A process that waits for a disk does not end by a signal; it is left behind.
      if (isKilled) return 124;
      os.kill(isGroup ? -pid : pid, SIGKILL);
      isKilled = true;
      deadline = nowMs() + KILL_WAIT_MS;
    }
    os.sleep(pause);
  }
}

function readProc(path: string): string {
  const file = std.open(path, "r");
  const text = file?.readAsString() ?? "";
  file?.close();
  return text;
}

/** The monotonic clock counts from boot. */
function nowMs(): number {
  return Math.round(os.now());
}

export function openHost(scriptPath: string): Host {
  // Programs are looked for there, and not where the caller's `PATH` says: sudo keeps that on NixOS.
  std.setenv("PATH", PROGRAM_PATH);
  if (os.lstat(SCRATCH_DIRECTORY)[1] !== 0) os.mkdir(SCRATCH_DIRECTORY, 0o755);
  // `<kit>/kit.js` is started by `<kit>/bin/pristine-kit`.
  const kitRoot = parentOf(scriptPath);
  const programs = new Map<string, readonly string[] | undefined>();
  const isFile = (path: string): boolean => os.stat(path)[1] === 0;
  const find = (program: string): readonly string[] | undefined => {
    const own = `${kitRoot}/bin/${program}`;
    if (isFile(own)) return [own];
    const directory = PROGRAM_DIRECTORIES.find((candidate) => isFile(`${candidate}/${program}`));
    return directory === undefined ? undefined : [`${directory}/${program}`];
  };
  const which = (program: string): readonly string[] | undefined => {
    if (!programs.has(program)) programs.set(program, find(program));
    return programs.get(program);
  };
  const sync: Sync = (path, { isWholeFileSystem } = { isWholeFileSystem: false }) => {
    const command = [...(which("busybox") ?? []), "sync", ...(isWholeFileSystem ? ["-f"] : []), path];
    const { code, stderr } = run(command, { timeoutSeconds: isWholeFileSystem ? 300 : 60 });
    if (code !== 0) throw new Error(`${path} cannot be synced to disk: ${stderr.trim()}`);
  };
  const files = new QuickJsFiles(sync);
  const sleepMs = (milliseconds: number): void => {
    os.sleep(milliseconds);
  };
  return {
    files,
    system: readingOnce(files),
    secretFiles: new QuickJsSecretFiles((applet) =>
      run([...(which("busybox") ?? []), ...applet], { timeoutSeconds: 10 }),
    ),
    units: new SystemdUnits({ run, files, sleepMs }),
    kitCommand: `${kitRoot}/bin/pristine-kit`,
    kitPath: kitRoot.startsWith("/nix/store/") ? kitRoot : undefined,
    kitVersion: PRISTINE_VERSION,
    run,
    runHook: (command, options) => runHook(which("busybox") ?? [], command, options),
    which,
    wallClock: () => new Date().toISOString(),
    uptimeMs: nowMs,
    bootId: () => readProc("/proc/sys/kernel/random/boot_id").trim(),
    sleepMs,
  };
}
