/**
 * Stories of the command line as text: files, commands, and what they print.
 *
 * A story is a `.txtar` file. Its head holds prose, commands (`$ pristine …`, run by a shell in a new directory) and
 * directives (`@…`, see `DIRECTIVES`); then come the files, each after a line `-- path --`; the last one, `transcript`,
 * is what the commands printed and their exit status. Files below `bin/` are programs on PATH.
 */

import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { removeTree } from "../../src/system/files.ts";
import { stubPackage, writeStubLock } from "./stub-lock.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const COMMAND_DEADLINE_MS = 60_000;
const NOBODY = 65534;

export interface Story {
  /** Everything before the transcript, as it is written. */
  readonly input: string;
  readonly commands: readonly string[];
  readonly directives: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, string>;
  readonly transcript: string;
}

/** What the head of a story may ask for, one a line. */
const DIRECTIVES = new Set([
  /** `@lock [PACKAGE…]`: a lock of stub packages, with these besides. */
  "@lock",
  /** `@mirror good|damaged|gone`: what stub packages are fetched from; without it, nothing listens there. */
  "@mirror",
  /** `@busybox failing|waiting`: what the first tool of all builds does; without it, it is no program. */
  "@busybox",
  /** `@as-user`: the commands run without root's rights, also when the tests have them. */
  "@as-user",
  /** `@errors-only`: leave out what is printed on standard error before the first error. */
  "@errors-only",
  /** `@needs sandbox|mounts|PROGRAM…`: else the story is skipped. */
  "@needs",
]);

const MARKER = /^-- (\S+) --$/;

export function parseStory(text: string): Story {
  const files = new Map<string, string>();
  let head = "";
  let current: string | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const marker = MARKER.exec(line)?.[1];
    if (marker !== undefined) files.set((current = marker), "");
    else if (current === undefined) head += `${line}\n`;
    else files.set(current, `${files.get(current) ?? ""}${line}\n`);
  }
  const transcript = files.get("transcript") ?? "";
  files.delete("transcript");
  const input = text.replace(/^-- transcript --$[^]*/m, "");
  const lines = head.split("\n");
  const directives = new Map<string, string>();
  for (const line of lines.filter((candidate) => candidate.startsWith("@"))) {
    const [name = "", ...rest] = line.split(" ");
    if (!DIRECTIVES.has(name)) throw new Error(`'${name}' is no directive of stories`);
    directives.set(name, rest.join(" "));
  }
  const commands = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  return { input, commands, directives, files, transcript };
}

/** Runs a story's commands and returns their transcript, with what differs between runs replaced by words. */
export async function tellStory(story: Story): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-story-"));
  const directory = join(scratch, "fleet");
  const mirror = await openMirror(story.directives.get("@mirror"));
  try {
    writeFiles(directory, story, mirror.url);
    let transcript = "";
    for (const command of story.commands) {
      const ran = await runShell(command, {
        directory,
        scratch,
        mirror: mirror.url,
        asUser: story.directives.has("@as-user"),
      });
      const normal = (text: string): string => normalise(text, { directory, scratch, mirror: mirror.url });
      const stderr = story.directives.has("@errors-only") ? ran.stderr.replace(/^[^]*?(?=^error:)/m, "") : ran.stderr;
      transcript += `$ ${command}\n${labelled("out", normal(ran.stdout))}${labelled("err", normal(stderr))}exit ${ran.status}\n`;
    }
    return transcript;
  } finally {
    mirror.server?.close();
    mirror.server?.closeAllConnections();
    await removeTree(scratch);
  }
}

function writeFiles(directory: string, story: Story, mirror: string): void {
  mkdirSync(directory, { recursive: true });
  const extra = story.directives.get("@lock");
  if (extra !== undefined) {
    const busybox = story.directives.get("@busybox");
    writeStubLock(directory, {
      mirror,
      extra: extra.split(" ").filter((name) => name !== ""),
      ...(busybox === undefined ? {} : { busybox: busybox === "waiting" ? WAITING_PROGRAM : FAILING_PROGRAM }),
    });
  }
  for (const [path, contents] of story.files) {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, contents.replaceAll("$MIRROR", mirror));
    if (path.startsWith("bin/")) chmodSync(target, 0o755);
  }
}

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | string;
}

/** `pristine` in a story is this checkout's, as built; nothing of the user's is seen or touched. */
async function runShell(
  command: string,
  options: { readonly directory: string; readonly scratch: string; readonly mirror: string; readonly asUser: boolean },
): Promise<Ran> {
  const { directory, scratch } = options;
  const isDropped = options.asUser && process.getuid?.() === 0;
  if (isDropped) {
    chownSync(scratch, NOBODY, NOBODY);
    chownSync(directory, NOBODY, NOBODY);
  }
  const programs = join(scratch, "programs");
  mkdirSync(programs, { recursive: true });
  const pristine = join(programs, "pristine");
  writeFileSync(pristine, `#!/bin/sh\nexec "${CHECKOUT}/bin/pristine" "$@"\n`, {
    mode: 0o755,
  });
  const child = spawn("bash", ["-c", command], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(isDropped ? { uid: NOBODY, gid: NOBODY } : {}),
    env: {
      PATH: `${join(directory, "bin")}:${programs}:${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin`,
      HOME: scratch,
      XDG_DATA_HOME: join(scratch, "data"),
      XDG_CACHE_HOME: join(scratch, "cache"),
      XDG_RUNTIME_DIR: scratch,
      // It would outlive the story.
      PRISTINE_RESIDENT: "off",
      LC_ALL: "C.UTF-8",
      CHECKOUT,
      MIRROR: options.mirror,
      NODE: process.execPath,
      SCRATCH: scratch,
      VECTORS: join(CHECKOUT, "test/vectors"),
    },
  });
  // The shell and all it started are one group: a story that hangs leaves nothing behind.
  const deadline = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, COMMAND_DEADLINE_MS);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? "?"));
  });
  clearTimeout(deadline);
  return { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), status };
}

function labelled(label: string, text: string): string {
  if (text === "") return "";
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : `${text}\\`).split("\n");
  return lines.map((line) => `${`${label} | ${line}`.trimEnd()}\n`).join("");
}

function normalise(text: string, paths: { directory: string; scratch: string; mirror: string }): string {
  return text
    .replaceAll(paths.directory, "$FLEET")
    .replaceAll(paths.scratch, "$SCRATCH")
    .replaceAll(CHECKOUT, "$CHECKOUT")
    .replaceAll(paths.mirror, "$MIRROR")
    .replaceAll(paths.mirror.replace("http://", ""), "$MIRROR_ADDRESS")
    .replace(/\b[0-9a-df-np-sv-z]{32}-/g, "HASH-")
    .replace(/\/drvs\/[0-9a-df-np-sv-z]{2}\/[0-9a-df-np-sv-z]{30}-/g, "/drvs/HASH-")
    .replace(/sha256-[A-Za-z0-9+/]{43}=/g, "sha256-HASH")
    .replace(/(pristine:nix\/[^\s:]+):\d+:\d+/g, "$1:LINE:COLUMN")
    .replace(/\(\d[\d.]* (ms|s)\)/g, "(TIME)");
}

export interface Mirror {
  readonly url: string;
  readonly server?: Server;
}

/** Serves stub packages on the loopback interface: as they are, damaged, or never. */
export async function openMirror(kind: string | undefined): Promise<Mirror> {
  const server = createServer((request, response) => {
    const name = /^\/pool\/(.+)\.deb$/.exec(request.url ?? "")?.[1];
    if (kind === "silent") return;
    if (name === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.end(kind === "damaged" ? "stub of something else\n" : stubPackage(name));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (kind === "good" || kind === "damaged" || kind === "silent") return { url, server };
  // The port is free again: nothing answers there.
  await new Promise((resolve) => server.close(resolve));
  return { url };
}

/** A whole program for x86-64 Linux out of machine code: builders in a sandbox have nothing else to be made of. */
function program(code: Buffer, data: Buffer = Buffer.alloc(0)): Buffer {
  const size = BigInt(PROGRAM_HEADER_SIZE + code.length + data.length);
  const header = Buffer.alloc(PROGRAM_HEADER_SIZE);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(PROGRAM_BASE + PROGRAM_HEADER_SIZE), 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  header.writeBigUInt64LE(BigInt(PROGRAM_BASE), 80);
  header.writeBigUInt64LE(BigInt(PROGRAM_BASE), 88);
  header.writeBigUInt64LE(size, 96);
  header.writeBigUInt64LE(size, 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, code, data]);
}

const PROGRAM_BASE = 0x400000;
const PROGRAM_HEADER_SIZE = 64 + 56;

/** Writes a line to standard error and exits with 3. */
const FAILING_PROGRAM: Buffer = (() => {
  const text = Buffer.from("unpack: this is no package\n");
  // mov eax,1; mov edi,2; mov esi,TEXT; mov edx,SIZE; syscall; mov eax,60; mov edi,3; syscall
  const code = Buffer.from("b801000000bf02000000be00000000ba000000000f05b83c000000bf030000000f05", "hex");
  code.writeUInt32LE(PROGRAM_BASE + PROGRAM_HEADER_SIZE + code.length, 11);
  code.writeUInt32LE(text.length, 16);
  return program(code, text);
})();

/** Waits for a signal: mov eax,34; syscall. */
export const WAITING_PROGRAM: Buffer = program(Buffer.from("b8220000000f05", "hex"));
