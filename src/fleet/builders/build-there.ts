/**
 * Builds a derivation elsewhere: on its host, on another one or on a machine of Nix's, by the daemon there. That is sent
 * what the deployer has of the inputs, and what can only be fetched; it builds the rest.
 */

import type { Clock } from "../../base/clock.ts";
import { OperationError } from "../../base/errors.ts";
import { isFetch } from "../../build/build-one.ts";
import { realise } from "../../build/realise.ts";
import { type Derivation, outputPathOf } from "../../format/derivation.ts";
import type { StorePath } from "../../format/store-path.ts";
import { RESULT_BUILD_LOG_LINE } from "../../protocol/worker/log-frames.ts";
import type { DaemonStore } from "../../store/daemon-store.ts";
import type { LocalStore } from "../../store/local-store.ts";
import type { ReadStore } from "../../store/store.ts";
import { type CopyTarget, copyToHost } from "../copy-to-host.ts";
import type { HostSession } from "../host-session.ts";

interface BuildTarget extends CopyTarget {
  store(signal: AbortSignal): Promise<DaemonStore>;
}

/** Where something is built. */
export interface BuildPlace {
  /** For messages. */
  readonly name: string;
  readonly target: BuildTarget;
  /** Whether its daemon fetches what its substituters have of the inputs, before it is sent the rest. */
  readonly substitutes?: boolean | undefined;
  /** How to run a command there, and what else could be done, for the hint of a failure. */
  readonly shell: string;
  readonly instead: string;
  /** Throws when it cannot build one of these. */
  readonly requireFit?: (drvs: readonly Derivation[]) => void;
}

/** A host of the fleet; `option` is why it builds. */
export function hostPlace(session: HostSession, option: string): BuildPlace {
  const { name, substituteOnDestination } = session.host;
  return {
    name,
    target: session,
    substitutes: substituteOnDestination,
    shell: `pristine ssh ${name}`,
    instead: `without ${option} it is built here`,
  };
}

/** How many lines of a builder's log a failure tells. */
const LOG_LINES_MAX = 10;
/** Daemons colour what they say. */
// oxlint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

export async function buildThere(
  place: BuildPlace,
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
  const { name, target } = place;
  const { builds, fetches, ready } = await inputsFor(
    drvPath,
    { here: store, there: await target.store(signal) },
    signal,
  );
  place.requireFit?.(builds);
  if (fetches.length > 0) {
    onNote(`fetching ${fetches.length} files for it`);
    await realise({ store, drvPaths: fetches, signal });
  }
  onNote(`copying what it builds from to ${name}`);
  const roots = [drvPath, ...ready];
  await copyToHost({
    from: store,
    to: target,
    roots,
    substitutes: place.substitutes,
    clock,
    signal,
    onProgress: ({ pathsDone, pathsTotal }) => onNote(`copying ${pathsDone}/${pathsTotal} paths to build from`, true),
    onNote,
  });
  onNote(`building on ${name}`);
  const log: string[] = [];
  const [result] = await (
    await target.store(signal)
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
    hint: `'${place.shell} nix-store --read-log PATH' shows the whole log of a derivation; ${place.instead}`,
  });
}

/**
 * Of a derivation's inputs, what is lacking there and is to be sent, and which of it has to be fetched first; and what is
 * built there.
 */
export async function inputsFor(
  root: StorePath,
  {
    here,
    there,
  }: { readonly here: Pick<LocalStore, "derivation" | "isValid" | "storeDir">; readonly there: ReadStore },
  signal: AbortSignal,
): Promise<{ readonly builds: Derivation[]; readonly fetches: StorePath[]; readonly ready: StorePath[] }> {
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
  const built = new Map<string, Derivation>();
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
      built.set(baseName, drv);
      wanted.push(...drv.inputDerivations.map((input) => ({ drvPath: input.path, names: input.outputs })));
    }
  }
  return { builds: [...built.values()], fetches: [...fetches.values()], ready: [...ready.values()] };
}
