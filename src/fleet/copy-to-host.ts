/**
 * Copies a closure to a host over as many connections as that takes. What has arrived is complete and valid there, and
 * is not sent again; what the host can fetch itself is not sent at all, where that is wanted.
 */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import type { StorePath } from "../format/store-path.ts";
import type { LogEvent } from "../protocol/worker/log-frames.ts";
import { closureInfos, copyClosure } from "../store/copy.ts";
import type { AddProgress, ReadStore, WriteStore } from "../store/store.ts";

/** A host's store, which a new connection may have to open again. */
export interface CopyTarget {
  store(signal: AbortSignal): Promise<HostStore>;
  /** Gives up the connection; the next call of `store` makes a new one. */
  disconnect(): Promise<void>;
}

interface HostStore extends WriteStore {
  addTempRoots(paths: readonly StorePath[], signal: AbortSignal): Promise<void>;
  /** Lets the host fetch what its substituters have of these; answers what is valid then. */
  substitute(
    paths: readonly StorePath[],
    options: { readonly signal: AbortSignal; readonly onLog?: (event: LogEvent) => void },
  ): Promise<Set<string>>;
}

export interface CopyToHostOptions {
  readonly from: ReadStore;
  readonly to: CopyTarget;
  readonly roots: readonly StorePath[];
  /** The host fetches what its substituters have, and is sent the rest. */
  readonly substitutes?: boolean | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: AddProgress) => void;
  readonly onNote?: (text: string) => void;
}

/** Before each new try; as many tries in a row may bring nothing. */
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000];
/** For this long nothing may move: a host that writes a large object to a slow disk is silent for a while. */
const STALL_MS = 300_000;

/** Makes the closures of `roots` valid on the host; says how much was missing there. */
export async function copyToHost(options: CopyToHostOptions): Promise<{ paths: number; bytes: number }> {
  const { from, to, roots, clock, signal, onNote } = options;
  let missing: { readonly paths: number; readonly bytes: number } | undefined;
  let pathsLeft = Infinity;
  for (let attempt = 0; ; attempt++) {
    const stall = stallDeadline(roots);
    const moving = AbortSignal.any([signal, stall.signal]);
    try {
      const store = await to.store(moving);
      // Until a transaction keeps it by a root of its own, a collection on the host must not take what has arrived.
      await store.addTempRoots(roots, moving);
      if (options.substitutes === true)
        await substitute(store, options, { signal: moving, onMove: () => stall.postpone() });
      await copyClosure({
        from,
        to: store,
        roots,
        signal: moving,
        onProgress: (progress) => {
          stall.postpone();
          missing ??= { paths: progress.pathsTotal, bytes: progress.bytesTotal };
          if (progress.pathsTotal - progress.pathsDone < pathsLeft) attempt = 0;
          pathsLeft = Math.min(pathsLeft, progress.pathsTotal - progress.pathsDone);
          options.onProgress?.(progress);
        },
      });
      return missing ?? { paths: 0, bytes: 0 };
    } catch (error) {
      const pauseMs = PAUSES_MS[attempt];
      if (signal.aborted || pauseMs === undefined || !(error instanceof OperationError && error.retryable)) throw error;
      onNote?.(`copying was interrupted: ${error.message}; going on in ${pauseMs / 1000} s`);
      await to.disconnect();
      await clock.sleep(pauseMs, signal);
    } finally {
      stall.end();
    }
  }
}

async function substitute(
  store: HostStore,
  { from, roots, onNote }: CopyToHostOptions,
  { signal, onMove }: { readonly signal: AbortSignal; readonly onMove: () => void },
): Promise<void> {
  if ((await store.validPaths(roots, signal)).size === roots.length) return;
  const paths = [...(await closureInfos(from, roots, signal)).values()].map(({ path }) => path);
  const before = await store.validPaths(paths, signal);
  const missing = paths.filter(({ baseName }) => !before.has(baseName));
  const fetched = await store.substitute(missing, {
    signal,
    onLog: (event) => {
      onMove();
      // Anything else that a daemon says while it fetches is of no interest.
      if (event.kind === "message" && /\b(?:warning|error):/.test(event.text)) onNote?.(`the host says: ${event.text}`);
    },
  });
  onNote?.(`the host has fetched ${fetched.size} of ${missing.length} paths from its substituters`);
}

function stallDeadline([root]: readonly StorePath[]): { readonly signal: AbortSignal; postpone(): void; end(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    const message = `nothing of ${root?.baseName ?? "nothing"} was taken for ${STALL_MS / 1000} s`;
    controller.abort(new OperationError("HOST_TIMEOUT", message, { retryable: true }));
  }, STALL_MS);
  return { signal: controller.signal, postpone: () => timer.refresh(), end: () => clearTimeout(timer) };
}
