/**
 * Builds a derivation on a host, by the daemon there. The host is sent what the deployer has of its inputs, and what can
 * only be fetched; it builds the rest. Nothing that was built there enters the local store.
 */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { isFetch } from "../build/build-one.ts";
import { realise } from "../build/realise.ts";
import { type Derivation, outputPathOf } from "../format/derivation.ts";
import type { StorePath } from "../format/store-path.ts";
import { RESULT_BUILD_LOG_LINE } from "../protocol/worker/log-frames.ts";
import type { LocalStore } from "../store/local-store.ts";
import type { ReadStore } from "../store/store.ts";
import { copyToHost } from "./copy-to-host.ts";
import type { HostSession } from "./host-session.ts";

/** How many lines of a builder's log a failure tells. */
const LOG_LINES_MAX = 10;
/** Daemons colour what they say. */
// oxlint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

export async function buildOnHost(
  session: HostSession,
  options: {
    /** Has the derivation with all it refers to. */
    readonly store: LocalStore;
    readonly drvPath: StorePath;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    /** `isMinor` for what changes many times a second. */
    readonly onNote: (text: string, isMinor?: boolean) => void;
  },
): Promise<void> {
  const { clock, drvPath, onNote, signal, store } = options;
  const { name, substituteOnDestination } = session.host;
  const { fetches, ready } = await inputsFor(drvPath, { here: store, there: await session.store(signal) }, signal);
  if (fetches.length > 0) {
    onNote(`fetching ${fetches.length} files for it`);
    await realise({ store, drvPaths: fetches, signal });
  }
  onNote("copying what it builds from");
  const roots = [drvPath, ...ready];
  await copyToHost({
    from: store,
    to: session,
    roots,
    substitutes: substituteOnDestination,
    clock,
    signal,
    onProgress: ({ pathsDone, pathsTotal }) => onNote(`copying ${pathsDone}/${pathsTotal} paths to build from`, true),
    onNote,
  });
  onNote("building on the host");
  const log: string[] = [];
  const [result] = await (
    await session.store(signal)
  ).build([{ kind: "outputs", drvPath, outputs: "all" }], {
    signal,
    onLog: (event) => {
      if (event.kind !== "result" || event.type !== RESULT_BUILD_LOG_LINE) return;
      log.push(String(event.fields[0]));
      if (log.length > LOG_LINES_MAX) log.shift();
    },
  });
  if (result?.succeeded === true) return;
  const said = [result?.message ?? "it said nothing", ...log].join("\n  ").replace(COLOURS, "");
  throw new OperationError("BUILD_FAILED", `${drvPath.baseName} could not be built on ${name}: ${said}`, {
    hint: `'pristine ssh ${name} nix-store --read-log PATH' shows the whole log of a derivation; without deployment.buildOnTarget it is built here`,
  });
}

/** Of a derivation's inputs, what the host lacks and is to be sent, and which of it has to be fetched first. */
export async function inputsFor(
  root: StorePath,
  {
    here,
    there,
  }: { readonly here: Pick<LocalStore, "derivation" | "isValid" | "storeDir">; readonly there: ReadStore },
  signal: AbortSignal,
): Promise<{ readonly fetches: StorePath[]; readonly ready: StorePath[] }> {
  const drvs = new Map<
    string,
    { readonly drv: Derivation; readonly outputs: ReadonlyMap<string, StorePath | undefined> }
  >();
  const unread = [root];
  for (let drvPath = unread.pop(); drvPath !== undefined; drvPath = unread.pop()) {
    if (drvs.has(drvPath.baseName)) continue;
    signal.throwIfAborted();
    const drv = await here.derivation(drvPath);
    const outputs = new Map([...drv.outputs.keys()].map((name) => [name, outputPathOf(drv, name, here.storeDir)]));
    drvs.set(drvPath.baseName, { drv, outputs });
    unread.push(...drv.inputDerivations.map(({ path }) => path));
  }
  const present = await there.validPaths(
    [...drvs.values()].flatMap(({ outputs }) => [...outputs.values()].filter((path) => path !== undefined)),
    signal,
  );
  const fetches = new Map<string, StorePath>();
  const ready = new Map<string, StorePath>();
  const built = new Set<string>();
  // Of an input only the outputs count that something is built from: the others are often nowhere.
  const wanted = [{ drvPath: root, names: [...drvs.get(root.baseName)!.outputs.keys()] as readonly string[] }];
  for (let item = wanted.pop(); item !== undefined; item = wanted.pop()) {
    const { drvPath, names } = item;
    const { baseName } = drvPath;
    const { drv, outputs } = drvs.get(baseName)!;
    const lacking = names.map((name) => outputs.get(name)).filter((path) => !present.has(path?.baseName ?? ""));
    if (lacking.length === 0) continue;
    const isHere = lacking.every((path) => path !== undefined && here.isValid(path));
    if (isHere || isFetch(drv)) {
      if (!isHere) fetches.set(baseName, drvPath);
      for (const path of lacking) if (path !== undefined) ready.set(path.baseName, path);
    } else if (!built.has(baseName)) {
      built.add(baseName);
      wanted.push(...drv.inputDerivations.map((input) => ({ drvPath: input.path, names: input.outputs })));
    }
  }
  return { fetches: [...fetches.values()], ready: [...ready.values()] };
}
