/** The operations of `nix-store`, but for its queries. */

import { resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { realise } from "../../build/realise.ts";
import { contentAddressedPath, fixedOutputPath, renderContentAddress } from "../../format/content-address.ts";
import { outputPathOf } from "../../format/derivation.ts";
import { Hash, hashBytes, type HashAlgorithm, parseHashAlgorithm } from "../../format/hash.ts";
import { memoryTreeSource } from "../../format/memory-tree.ts";
import { encodeNar } from "../../format/nar.ts";
import { StorePath } from "../../format/store-path.ts";
import { exportPaths, importPaths } from "../../store/export.ts";
import { LocalStore } from "../../store/local-store.ts";
import { resolveStoreAddress } from "../../store/store-address.ts";
import { dumpPath, restorePath } from "../../store/store-object.ts";
import { readBytes, readBytesIfPresent, statusOf } from "../../system/files.ts";
import { addRoot, RootNames } from "./add-root.ts";
import { GC_WARNING, writeError } from "./failure.ts";
import { storeOfEnvironment } from "./nix-instantiate-run.ts";
import type { NixSettings } from "./nix-settings.ts";
import type { StoreCommand } from "./nix-store-arguments.ts";
import { queryStore } from "./nix-store-query.ts";
import { say, type StoreTask } from "./nix-store-task.ts";
import { storePathAt } from "./store-path-at.ts";
import { UsageError } from "./usage-error.ts";

const OPERANDS_BYTES_MAX = 64 * 1024 * 1024;

/** Runs one command; the exit status. */
export async function runStoreCommand(
  command: StoreCommand,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<number> {
  const { operation } = command;
  if (operation === "dump") return await dump(command, signal);
  if (operation === "restore") return await restore(command, signal);
  const text = command.store ?? storeOfEnvironment(process.env["NIX_REMOTE"], settings.text("store"));
  const address = await resolveStoreAddress(text ?? "auto");
  if (address.kind !== "local") {
    throw new OperationError("STORE_NOT_LOCAL", "nix-store works on stores on this machine's disk only", {
      hint: "use --store local?root=DIRECTORY, or run it as root",
    });
  }
  await using store = await LocalStore.open(address.root, address);
  const operands = [...command.operands, ...(command.readsOperands ? await wordsOfStdin() : [])];
  return await OPERATIONS[operation]!({ store, flags: command.flags, operands, command, signal });
}

type Operation = (task: StoreTask) => Promise<number>;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  init: async () => 0,
  query: queryStore,
  realise: realiseAll,
  add: async ({ store, operands, flags, signal }) => {
    allowFlags(flags);
    for (const file of operands) {
      await requireFile(file);
      const name = baseName(file);
      say((await store.addPath(name, resolve(file), signal)).render(store.storeDir));
    }
    return 0;
  },
  "add-fixed": addFixed,
  "print-fixed-path": async ({ store, operands, flags }) => {
    allowFlags(flags, "--recursive");
    if (operands.length !== 3) throw new UsageError("'--print-fixed-path' requires three arguments");
    const [algorithm = "", digits = "", name = ""] = operands;
    const hash = Hash.parse(digits, algorithmOf(algorithm));
    if (!hash.ok) throw new Error(`hash '${digits}' is not a hash of algorithm '${algorithm}'`);
    const method = flags.includes("--recursive") ? "nar" : "flat";
    say(fixedOutputPath(store.storeDir, name, method, hash.value).render(store.storeDir));
    return 0;
  },
  "check-validity": async ({ store, operands, flags }) => {
    allowFlags(flags, "--print-invalid");
    for (const operand of operands) {
      const path = await storePathAt(store, operand);
      if (store.isValid(path)) continue;
      if (!flags.includes("--print-invalid")) throw new Error(`path '${path.render(store.storeDir)}' is not valid`);
      say(path.render(store.storeDir));
    }
    return 0;
  },
  delete: async ({ store, operands, flags, signal }) => {
    allowFlags(flags);
    const paths = await pathsAt(store, operands);
    writeError("finding garbage collector roots...");
    const { deleted, freedBytes } = await store.delete(paths, signal);
    for (const name of deleted) writeError(`deleting '${store.storeDir}/${name}'`);
    sayFreed(deleted.length, freedBytes);
    return 0;
  },
  gc: collect,
  export: async ({ store, operands, flags, signal }) => {
    allowFlags(flags);
    await writeAll(exportPaths(store, await pathsAt(store, operands), signal));
    return 0;
  },
  import: async ({ store, operands, flags, signal }) => {
    allowFlags(flags);
    if (operands.length > 0) throw new UsageError("no arguments expected");
    for (const path of await importPaths(store, process.stdin, signal)) say(path.render(store.storeDir));
    return 0;
  },
  verify: verifyAll,
  "verify-path": async ({ store, operands, flags, signal }) => {
    if (flags.length > 0) throw new UsageError("no flags expected");
    const report = await store.verify({ paths: await pathsAt(store, operands), checkContents: true, signal });
    for (const { path, expected, found, message } of report.faults) {
      writeError(
        expected === undefined || found === undefined
          ? message
          : `path '${path.render(store.storeDir)}' was modified! expected hash '${expected}', got '${found}'`,
      );
    }
    return report.faults.length === 0 ? 0 : 1;
  },
  "read-log": async ({ store, operands }) => {
    for (const operand of operands) {
      const path = await storePathAt(store, operand);
      const drvPath = path.isDerivation ? path : ((await store.pathInfo(path))?.deriver ?? path);
      const log = await readBytesIfPresent(store.layout.logPath(drvPath));
      if (log === undefined) {
        throw new Error(`build log of derivation '${path.render(store.storeDir)}' is not available`);
      }
      process.stdout.write(log);
    }
    return 0;
  },
};

function allowFlags(flags: readonly string[], ...known: readonly string[]): void {
  const unknown = flags.find((flag) => !known.includes(flag));
  if (unknown !== undefined) throw new UsageError(`unknown flag '${unknown}'`);
}

function baseName(file: string): string {
  return resolve(file).split("/").at(-1)!;
}

async function requireFile(file: string): Promise<void> {
  if ((await statusOf(resolve(file))) === undefined) throw new Error(`path '${resolve(file)}' does not exist`);
}

async function pathsAt(store: LocalStore, operands: readonly string[]): Promise<StorePath[]> {
  const paths: StorePath[] = [];
  for (const operand of operands) paths.push(await storePathAt(store, operand));
  return paths;
}

async function wordsOfStdin(): Promise<string[]> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk as string;
    if (text.length > OPERANDS_BYTES_MAX) throw new UsageError("standard input is longer than 64 MiB");
  }
  return text.split(/\s+/).filter((word) => word !== "");
}

async function writeAll(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    // A chunk is valid until the next one is asked for.
    await new Promise<void>((done, failed) => {
      process.stdout.write(Buffer.from(chunk), (error) => (error ? failed(error) : done()));
    });
  }
}

async function dump({ operands, flags }: StoreCommand, signal: AbortSignal): Promise<number> {
  allowFlags(flags);
  if (operands.length !== 1) throw new UsageError("only one argument allowed");
  await requireFile(operands[0]!);
  await writeAll(dumpPath(resolve(operands[0]!), signal));
  return 0;
}

async function restore({ operands, flags }: StoreCommand, signal: AbortSignal): Promise<number> {
  allowFlags(flags);
  if (operands.length !== 1) throw new UsageError("only one argument allowed");
  const at = resolve(operands[0]!);
  if ((await statusOf(at)) !== undefined) throw new Error(`creating directory "${at}": File exists`);
  await restorePath(process.stdin, at, signal);
  return 0;
}

function algorithmOf(name: string): HashAlgorithm {
  const algorithm = parseHashAlgorithm(name);
  if (algorithm === undefined) {
    throw new UsageError(`unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`);
  }
  return algorithm;
}

async function addFixed({ store, operands, flags, signal }: StoreTask): Promise<number> {
  allowFlags(flags, "--recursive");
  const [algorithmName, ...files] = operands;
  if (algorithmName === undefined) throw new UsageError("first argument must be hash algorithm");
  const algorithm = algorithmOf(algorithmName);
  for (const file of files) {
    await requireFile(file);
    const nar = await narOf(resolve(file), flags.includes("--recursive"), signal);
    const hashed = flags.includes("--recursive") ? nar : await readBytes(resolve(file));
    const address = {
      method: flags.includes("--recursive") ? ("nar" as const) : ("flat" as const),
      hash: hashBytes(algorithm, hashed),
    };
    const path = contentAddressedPath(store.storeDir, baseName(file), address);
    const info = {
      path,
      narHash: hashBytes("sha256", nar),
      narSize: nar.length,
      references: [],
      signatures: [],
      contentAddress: renderContentAddress(address),
      ultimate: false,
      registrationTime: 0,
    };
    await store.add(info, chunksOf(nar), signal);
    say(path.render(store.storeDir));
  }
  return 0;
}

async function narOf(file: string, isRecursive: boolean, signal: AbortSignal): Promise<Uint8Array> {
  if (!isRecursive) {
    return encodeNar(memoryTreeSource({ type: "regular", executable: false, contents: await readBytes(file) }));
  }
  const chunks: Buffer[] = [];
  for await (const chunk of dumpPath(file, signal)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function realiseAll({ store, operands, flags, command, signal }: StoreTask): Promise<number> {
  allowFlags(flags, "--dry-run", "--ignore-unknown");
  const roots = command.addRoot === undefined ? undefined : new RootNames(command.addRoot);
  const wanted = await Promise.all(
    operands.map(async (operand) => {
      const [path = "", outputs] = operand.split("!", 2);
      return { path: await storePathAt(store, path), outputs: outputs?.split(",") };
    }),
  );
  const drvs = wanted.filter(({ path }) => path.isDerivation);
  const missing = wanted.find(({ path }) => !path.isDerivation && !store.isValid(path));
  const ignoresUnknown = flags.includes("--ignore-unknown");
  if (missing !== undefined && !ignoresUnknown) {
    throw new Error(`path '${missing.path.render(store.storeDir)}' does not exist and cannot be created`);
  }
  const isDryRun = flags.includes("--dry-run");
  if (drvs.length > 0) {
    const outputs = new Map(drvs.flatMap(({ path, outputs: names }) => (names ? [[path.baseName, names]] : [])));
    await realise({ store, drvPaths: drvs.map(({ path }) => path), outputs, signal, dryRun: isDryRun });
  }
  if (isDryRun || ignoresUnknown) return 0;
  if (roots === undefined && wanted.length > 0 && !command.hidesGcWarning) writeError(`warning: ${GC_WARNING}`);
  for (const { path, outputs } of wanted) {
    const base = roots?.next();
    for (const [name, output] of await outputsOf(store, path, outputs)) {
      const link = base === undefined || name === "out" ? base : `${base}-${name}`;
      const shown = link === undefined ? output.render(store.storeDir) : await addRoot(store, link, output);
      if (!command.hidesOutput) say(shown);
    }
  }
  return 0;
}

/** What realising a path gives: a derivation's outputs, or itself. */
async function outputsOf(
  store: LocalStore,
  path: StorePath,
  names: readonly string[] | undefined,
): Promise<readonly (readonly [name: string, path: StorePath])[]> {
  if (!path.isDerivation) return [["out", path]];
  const drv = await store.derivation(path);
  return (names ?? [...drv.outputs.keys()]).map((name) => {
    if (!drv.outputs.has(name)) {
      throw new Error(`derivation '${path.render(store.storeDir)}' does not have an output named '${name}'`);
    }
    return [name, outputPathOf(drv, name, store.storeDir)!] as const;
  });
}

async function collect({ store, operands, flags, signal }: StoreTask): Promise<number> {
  const unknown = flags.find((flag) => !["--print-roots", "--print-live", "--print-dead"].includes(flag));
  if (unknown !== undefined) throw new UsageError(`bad sub-operation '${unknown}' in GC`);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  if (flags.includes("--print-roots")) {
    const lines = (await store.roots()).map(({ from, path }) => `"${from}" -> ${path.render(store.storeDir)}`);
    for (const line of [...new Set(lines)].sort()) say(line);
    return 0;
  }
  writeError("finding garbage collector roots...");
  const isQuestion = flags.length > 0;
  writeError(isQuestion ? "determining live/dead paths..." : "deleting garbage...");
  const { deleted, freedBytes } = await store.collect({ dryRun: isQuestion, signal });
  if (!isQuestion) {
    for (const name of deleted) writeError(`deleting '${store.storeDir}/${name}'`);
    sayFreed(deleted.length, freedBytes);
    return 0;
  }
  const dead = new Set(deleted);
  const names = flags.includes("--print-dead")
    ? [...dead]
    : store.database.allPaths().flatMap(({ baseName: name }) => (dead.has(name) ? [] : [name]));
  for (const name of names.sort()) say(`${store.storeDir}/${name}`);
  return 0;
}

const UNITS = "KMGTPEZY";

function sayFreed(count: number, bytes: number): void {
  let unit = 0;
  while (bytes / 1024 ** (unit + 1) >= 1024 && unit < UNITS.length - 1) unit++;
  say(`${count} store paths deleted, ${(bytes / 1024 ** (unit + 1)).toFixed(1)} ${UNITS[unit]!}iB freed`);
}

async function verifyAll({ store, operands, flags, signal }: StoreTask): Promise<number> {
  if (operands.length > 0) throw new UsageError("no arguments expected");
  allowFlags(flags, "--check-contents");
  writeError("checking path existence...");
  const checkContents = flags.includes("--check-contents");
  if (checkContents) writeError("checking hashes...");
  const { faults } = await store.verify({ checkContents, signal });
  for (const { message } of faults) writeError(message);
  if (faults.length === 0) return 0;
  writeError("warning: not all store errors were fixed");
  return 1;
}
