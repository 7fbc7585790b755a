/** Builds one derivation whose inputs are valid: locks, surroundings, builder or fetch, registration, cleaning up. */

import { OperationError } from "../base/errors.ts";
import { textOfByteString } from "../base/byte-string.ts";
import { closureOf } from "../format/closure-graph.ts";
import { type Derivation, derivationKind, outputPathOf } from "../format/derivation.ts";
import { renderContentAddress } from "../format/content-address.ts";
import { StorePath } from "../format/store-path.ts";
import type { LocalStore } from "../store/local-store.ts";
import { systemErrorCode } from "../system/file-error.ts";
import {
  createFile,
  ensureDirectory,
  freeBytes,
  linkTarget,
  makeTemporaryDirectory,
  removeTree,
  setMode,
  statusOf,
  writeFileAtomic,
} from "../system/files.ts";
import { findProgram, renderExit, run, succeeded } from "../system/process.ts";
import { withFormerStackLimit } from "../system/stack-limit.ts";
import type { BuildEvent } from "./build-event.ts";
import { LogTail } from "./build-log.ts";
import { registerOutputs } from "./build-outputs.ts";
import { builderSurroundings, wordsOf } from "./builder-environment.ts";
import { fetchUrl } from "./fetch-url.ts";
import { SANDBOX_BUILD_DIR, SANDBOX_GID, SANDBOX_UID, sandboxCommand, type SandboxInput } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";

export interface BuildSettings {
  readonly store: LocalStore;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
  readonly cores: number;
  /** Leaves the build directory of a failed build. */
  readonly keepFailed: boolean;
  readonly timeoutMs: number | undefined;
  /** A builder that says nothing for so long is ended. */
  readonly silenceMs: number | undefined;
  readonly downloadsDir: string | undefined;
  readonly outerEnv: Readonly<Record<string, string | undefined>>;
  readonly bwrap: string | undefined;
  /** Remembered for the whole run: a valid path's references never change. */
  readonly referencesOf: (path: StorePath) => readonly StorePath[];
}

export interface BuildOutcome {
  /** Whether it had become valid in the meantime. */
  readonly wasValid: boolean;
  readonly fetchedBytes: number;
}

export function isFetch(drv: Derivation): boolean {
  return drv.builder === "builtin:fetchurl";
}

/** Realises one derivation. Throws what went wrong; the store is valid either way and nothing is left behind. */
export async function buildOne(drvPath: StorePath, drv: Derivation, settings: BuildSettings): Promise<BuildOutcome> {
  const { store, signal, onEvent } = settings;
  const outputs = [...drv.outputs.keys()].map((name) => {
    const path = outputPathOf(drv, name, store.storeDir);
    if (path !== undefined) return path;
    throw new OperationError(
      "DERIVATION_UNSUPPORTED",
      `'${drvPath.render(store.storeDir)}' has outputs whose paths are only known after building, which is not supported`,
    );
  });
  checkPlatform(drvPath, drv, store.storeDir);
  const locks = await store.lockPaths(outputs, signal, (lockPath) => onEvent({ kind: "waiting", drvPath, lockPath }));
  try {
    if (outputs.every((path) => store.isValid(path))) return { wasValid: true, fetchedBytes: 0 };
    if (isFetch(drv)) return { wasValid: false, fetchedBytes: await fetchOne(drvPath, drv, outputs[0]!, settings) };
    if (drv.builder.startsWith("builtin:")) {
      throw new OperationError(
        "DERIVATION_UNSUPPORTED",
        `'${drvPath.render(store.storeDir)}' wants the builder '${drv.builder}', which is not supported`,
      );
    }
    await buildInSandbox(drvPath, drv, settings);
    return { wasValid: false, fetchedBytes: 0 };
  } finally {
    locks.release();
  }
}

const PLATFORMS: Readonly<Record<string, readonly string[]>> = {
  x64: ["x86_64-linux", "i686-linux"],
  arm64: ["aarch64-linux"],
};

function checkPlatform(drvPath: StorePath, drv: Derivation, storeDir: string): void {
  const own = PLATFORMS[process.arch] ?? [];
  if (drv.system === "builtin" || isFetch(drv) || own.includes(drv.system)) return;
  throw new OperationError(
    "PLATFORM_UNSUPPORTED",
    `a '${drv.system}' machine is required to build '${drvPath.render(storeDir)}', but this is a '${own[0] ?? process.arch}'`,
    { hint: "build it on such a machine, or change the system it is declared for" },
  );
}

async function fetchOne(
  drvPath: StorePath,
  drv: Derivation,
  path: StorePath,
  settings: BuildSettings,
): Promise<number> {
  const { store, signal, onEvent } = settings;
  const destination = store.realPath(path);
  await removeTree(destination);
  const { narHash, narSize, fetchedBytes } = await fetchUrl({
    drv,
    drvPath,
    storeDir: store.storeDir,
    destination,
    signal,
    cacheDir: settings.downloadsDir,
    env: settings.outerEnv,
    onProgress: (bytesDone, bytesTotal) => onEvent({ kind: "progress", drvPath, bytesDone, bytesTotal }),
    onRetry: (reason, waitMs) => onEvent({ kind: "retry", drvPath, reason, waitMs }),
  });
  const output = drv.outputs.get("out");
  const info = {
    path,
    narHash,
    narSize,
    references: [],
    deriver: drvPath,
    signatures: [],
    ...(output?.kind === "fixed" ? { contentAddress: renderContentAddress(output) } : {}),
    ultimate: true,
    registrationTime: Math.floor(Date.now() / 1000),
  };
  await store.register([{ info }]);
  return fetchedBytes;
}

const PASSWD = `root:x:0:0:Nix build user:${SANDBOX_BUILD_DIR}:/noshell
nixbld:x:${SANDBOX_UID}:${SANDBOX_GID}:Nix build user:${SANDBOX_BUILD_DIR}:/noshell
nobody:x:65534:65534:Nobody:/:/noshell
`;
const GROUP = `root:x:0:\nnixbld:!:${SANDBOX_GID}:\nnogroup:x:65534:\n`;
const HOSTS = "127.0.0.1 localhost\n::1 localhost\n";
const NSSWITCH = "hosts: files dns\nservices: files\n";
const NETWORK_FILES = ["/etc/resolv.conf", "/etc/services", "/etc/hosts"];

async function buildInSandbox(drvPath: StorePath, drv: Derivation, settings: BuildSettings): Promise<void> {
  const { store, signal, onEvent } = settings;
  const shown = drvPath.render(store.storeDir);
  const bwrap = settings.bwrap ?? (await findProgram("bwrap"));
  if (bwrap === undefined) {
    throw new OperationError("SANDBOX_MISSING", "builds need the program 'bwrap', which is not installed", {
      hint: "apt-get install bubblewrap",
    });
  }
  const network = derivationKind(drv) === "fixed";
  const closure = await inputClosure(drv, settings);
  const surroundings = builderSurroundings(drv, {
    storeDir: store.storeDir,
    buildDir: SANDBOX_BUILD_DIR,
    cores: settings.cores,
    outerEnv: settings.outerEnv,
  });

  const chroot = `${store.realPath(drvPath)}.chroot`;
  const rootDir = `${chroot}/root`;
  await removeTree(chroot);
  await ensureDirectory(store.layout.buildsDir, 0o755);
  const buildDir = await makeTemporaryDirectory(`${store.layout.buildsDir}/nix-build-${drvPath.name}-`);
  let keepBuildDir = false;
  try {
    await prepareRoot(rootDir, chroot, store.storeDir, network);
    for (const [name, contents] of [...surroundings.files, ...exportedGraphs(drv, closure, settings)]) {
      await writeFileAtomic(`${buildDir}/${name}`, contents, { durable: false });
    }
    const inputs: SandboxInput[] = [];
    for (const path of closure.values()) {
      const onDisk = store.realPath(path);
      inputs.push({ onDisk, inside: path.render(store.storeDir), linkTarget: await linkTarget(onDisk) });
    }
    const command = sandboxCommand({
      bwrap,
      rootDir,
      buildDir,
      inputs,
      builder: drv.builder,
      args: drv.args,
      env: surroundings.env,
      network,
      networkFiles: network ? NETWORK_FILES : [],
      seccomp: seccompFilter(),
    });
    const logPath = store.layout.logPath(drvPath);
    await ensureDirectory(logPath.slice(0, logPath.lastIndexOf("/")), 0o755);
    const tail = new LogTail((line) => onEvent({ kind: "log", drvPath, line }));
    const silence = new Silence(settings.silenceMs, shown);
    try {
      using log = createFile(logPath);
      const outcome = await run(withFormerStackLimit(command.argv), {
        inputs: command.inputs,
        env: {},
        cwd: "/",
        output: "discard",
        mergeStderr: true,
        fixedAddresses: true,
        deadlineMs: settings.timeoutMs,
        graceMs: 500,
        signal: silence.signal === undefined ? signal : AbortSignal.any([signal, silence.signal]),
        onStdout: (chunk) => {
          silence.reset();
          log.write(chunk);
          tail.write(chunk);
        },
      });
      tail.end();
      if (!succeeded(outcome)) {
        keepBuildDir = settings.keepFailed;
        throw await builderFailure({
          shown,
          exit: renderExit(outcome),
          tail,
          logPath,
          store,
          keptDir: keepBuildDir ? buildDir : undefined,
        });
      }
    } finally {
      silence.end();
    }
    await requireOwnStoreDir(rootDir, store.storeDir, shown);
    await registerOutputs({
      drv,
      drvPath,
      store,
      builtStoreDir: `${rootDir}${store.storeDir}`,
      inputClosure: closure.values(),
      signal,
    });
  } catch (error) {
    if (systemErrorCode(error) === "ENOSPC") throw diskFull(shown, error);
    throw error;
  } finally {
    await removeTree(chroot);
    if (!keepBuildDir) await removeTree(buildDir);
  }
}

/** The directory that becomes the builder's `/`. Only we may enter what is above it. */
async function prepareRoot(rootDir: string, chroot: string, storeDir: string, network: boolean): Promise<void> {
  await ensureDirectory(chroot, 0o700);
  for (const directory of ["etc", "tmp", "dev", "proc", "build", storeDir.slice(1)]) {
    await ensureDirectory(`${rootDir}/${directory}`, 0o755);
  }
  await setMode(`${rootDir}/tmp`, 0o1777);
  await setMode(`${rootDir}${storeDir}`, 0o1775);
  const files: [string, string][] = [
    ["etc/passwd", PASSWD],
    ["etc/group", GROUP],
    network ? ["etc/nsswitch.conf", NSSWITCH] : ["etc/hosts", HOSTS],
  ];
  for (const [name, text] of files) await writeFileAtomic(`${rootDir}/${name}`, text, { durable: false });
  await setMode(`${rootDir}/etc`, 0o555);
  await setMode(rootDir, 0o750);
}

/** The root is the builder's: a link in the place of its store directory would lead us out of it. */
async function requireOwnStoreDir(rootDir: string, storeDir: string, shown: string): Promise<void> {
  let at = rootDir;
  for (const name of storeDir.slice(1).split("/")) {
    at += `/${name}`;
    if ((await statusOf(at))?.kind === "directory") continue;
    throw new OperationError("OUTPUT_REFUSED", `builder for '${shown}' replaced the store directory that it was given`);
  }
}

/** Everything a builder may see of the store. */
async function inputClosure(drv: Derivation, settings: BuildSettings): Promise<Map<string, StorePath>> {
  const { store, referencesOf } = settings;
  const inputs = [...drv.inputSources];
  for (const { path, outputs } of drv.inputDerivations) {
    const input = await store.derivation(path);
    for (const name of outputs) {
      const output = outputPathOf(input, name, store.storeDir);
      if (output !== undefined) inputs.push(output);
    }
  }
  return closureOf(inputs, referencesOf);
}

/** Files that `exportReferencesGraph` asks for: the closure of a path, in the form of `nix-store --register-validity`. */
function exportedGraphs(
  drv: Derivation,
  closure: ReadonlyMap<string, StorePath>,
  settings: BuildSettings,
): [string, Uint8Array][] {
  const structured = drv.env.get("__json");
  if (structured !== undefined) {
    if (!Object.hasOwn(JSON.parse(textOfByteString(structured)) as object, "exportReferencesGraph")) return [];
    throw new OperationError(
      "DERIVATION_UNSUPPORTED",
      `'${drv.name}' has exportReferencesGraph among structured attributes, which is not supported`,
    );
  }
  const words = wordsOf(drv.env.get("exportReferencesGraph"));
  const { storeDir } = settings.store;
  const files: [string, Uint8Array][] = [];
  for (let index = 0; index + 1 < words.length; index += 2) {
    const name = words[index]!;
    const path = StorePath.ofFull(textOfByteString(words[index + 1]!), storeDir);
    if (name.includes("/") || !closure.has(path.baseName)) {
      throw new OperationError(
        "BUILD_FAILED",
        `exportReferencesGraph of '${drv.name}': '${path.render(storeDir)}' is not an input, or '${name}' is not a file name`,
      );
    }
    let text = "";
    const members = [...closureOf([path], settings.referencesOf).values()];
    for (const member of members.sort((a, b) => (a.baseName < b.baseName ? -1 : 1))) {
      const references = settings.referencesOf(member).map((reference) => `${reference.render(storeDir)}\n`);
      text += `${member.render(storeDir)}\n\n${references.length}\n${references.join("")}`;
    }
    files.push([name, Buffer.from(text)]);
  }
  return files;
}

/** Ends a builder that has been silent for too long. */
class Silence {
  readonly signal: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #limitMs: number | undefined;
  readonly #shown: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number | undefined, shown: string) {
    this.#limitMs = limitMs;
    this.#shown = shown;
    this.signal = limitMs === undefined ? undefined : this.#controller.signal;
    this.reset();
  }

  reset(): void {
    if (this.#limitMs === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const message = `building of '${this.#shown}' timed out after ${this.#limitMs! / 1000} seconds of silence`;
      this.#controller.abort(new OperationError("BUILD_TIMED_OUT", message));
    }, this.#limitMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Less than this is taken as a full disk when a builder fails. */
const NEARLY_FULL_BYTES = 8 * 1024 * 1024;

async function builderFailure(failure: {
  readonly shown: string;
  readonly exit: string;
  readonly tail: LogTail;
  readonly logPath: string;
  readonly store: LocalStore;
  readonly keptDir: string | undefined;
}): Promise<OperationError> {
  const { shown, exit, tail, logPath, store, keptDir } = failure;
  const own = tail.lines.at(-1);
  if (own?.startsWith("bwrap: ") === true && !own.startsWith("bwrap: execvp")) {
    return new OperationError(
      "SANDBOX_FAILED",
      `the sandbox for '${shown}' cannot be made: ${own.slice("bwrap: ".length)}`,
      {
        hint:
          "builds need user namespaces: run as root, or allow them with " +
          "'sysctl kernel.unprivileged_userns_clone=1' or 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'",
      },
    );
  }
  if (own?.startsWith("bwrap: execvp") === true) {
    return new OperationError(
      "BUILD_FAILED",
      `the builder of '${shown}' cannot be executed: ${own.slice("bwrap: execvp ".length)}`,
      {
        hint: "a builder must be an executable file among the derivation's inputs, and so must its interpreter or loader",
      },
    );
  }
  if ((await freeBytes(store.layout.realStoreDir)) < NEARLY_FULL_BYTES) return diskFull(shown, undefined);
  const lines =
    tail.lines.length === 0
      ? ""
      : `;\nlast ${tail.lines.length} log lines:\n${tail.lines.map((line) => `> ${line}`).join("\n")}`;
  const kept = keptDir === undefined ? "" : `\nbuild directory kept: ${keptDir}`;
  const code = exit === "timed out" ? "BUILD_TIMED_OUT" : "BUILD_FAILED";
  return new OperationError(code, `builder for '${shown}' failed: ${exit}${lines}\nfull log: ${logPath}${kept}`);
}

function diskFull(shown: string, cause: unknown): OperationError {
  return new OperationError("DISK_FULL", `no space is left on the disk while building '${shown}'`, {
    hint: "free some space (the store's collector may help) and run the same command again: what was finished is kept",
    cause,
  });
}
