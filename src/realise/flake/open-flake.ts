/** Opens the flake that a command names: reads the reference, locks the flake and writes its lock file. */

import { byteStringOfText } from "../../base/byte-string.ts";
import {
  type FlakeReference,
  type FlakeReferenceOptions,
  parseFlakeReference,
  parseFlakeReferenceWithFragment,
} from "../../format/input/flake-reference.ts";
import { parseInputPath } from "../../format/input/flake-lock.ts";
import { localSourcePath } from "../../format/input/input.ts";
import { HostError } from "../../language/host.ts";
import { asking } from "../../language/eval/coerce.ts";
import { EvalError, invalidError } from "../../language/eval/eval-error.ts";
import type { Program } from "../../language/eval/program.ts";
import { refusing } from "../../language/flake/flake-file.ts";
import { type FlakeContext, flakeContextOf, type LockedFlake, lockFlake } from "../../language/flake/lock-flake.ts";
import { GLOBAL_REGISTRY_DEFAULT, type RegistrySettings } from "../../language/flake/registry.ts";
import { settleLocks } from "../../language/flake/settle-locks.ts";
import { kindOfSync } from "../../system/files-sync.ts";
import type { Ask } from "../evaluate-messages.ts";
import type { FlakeRegistryRequest, FlakeRequest } from "./flake-request.ts";
import { locateFlake, untrackedMessage } from "./local-flake.ts";

export interface OpenFlake {
  readonly context: FlakeContext;
  readonly locked: LockedFlake;
  readonly reference: FlakeReference;
  readonly fragment: string;
}

export interface OpenFlakeOptions {
  readonly baseDir: string;
  readonly ask: Ask | undefined;
  /** Told when the result must not be remembered. */
  readonly host: {
    readonly markVolatile: (reason: string) => void;
    readonly replacingFile: (path: string, replace: () => void) => void;
  };
}

/** Settings of a flake that change nothing here and need not be mentioned. */
const SILENT_SETTINGS = /^(extra-)?(bash-prompt(-prefix|-suffix)?|flake-registry|commit-lock-?file-summary)$/;

function registrySettingsOf(request: FlakeRegistryRequest = {}): RegistrySettings {
  const overrides = (request.overrides ?? []).map(([from, to]) => {
    const target = refusing(() => parseFlakeReference(byteStringOfText(to)));
    return {
      from: refusing(() => parseFlakeReference(byteStringOfText(from))).input,
      to: target.input,
      ...(target.subdir === "" ? {} : { dir: target.subdir }),
    };
  });
  return { global: byteStringOfText(request.global ?? GLOBAL_REGISTRY_DEFAULT), overrides };
}

export function openFlake(program: Program, request: FlakeRequest, options: OpenFlakeOptions): OpenFlake {
  const context = flakeContextOf(program, registrySettingsOf(request.registries));
  const parsing = parsingOptions(program, byteStringOfText(options.baseDir));
  const text = byteStringOfText(request.reference);
  const { reference, fragment } = refusing(() =>
    request.task.kind === "select"
      ? parseFlakeReferenceWithFragment(text, parsing)
      : { reference: parseFlakeReference(text, parsing), fragment: "" },
  );
  const locked = lockTop(context, request, reference, parsing, options);
  if (request.task.kind !== "metadata" && request.task.kind !== "show") mentionSettings(program, locked);
  return { context, locked, reference, fragment };
}

function parsingOptions(program: Program, baseDir: string): FlakeReferenceOptions {
  const onWarning = (text: string): void => program.state.host.warn(text, false);
  return { baseDir, locate: (path) => locateFlake(path, { baseDir, isFlake: true, onWarning }) };
}

function lockTop(
  context: FlakeContext,
  request: FlakeRequest,
  reference: FlakeReference,
  parsing: FlakeReferenceOptions,
  { baseDir, ask, host }: OpenFlakeOptions,
): LockedFlake {
  const { lock, registries } = request;
  const usesRegistries = registries?.isUsed !== false;
  const fileOf = (path: string): string => byteStringOfText(path.startsWith("/") ? path : `${baseDir}/${path}`);
  try {
    const locked = lockFlake(context, reference, {
      usesRegistries,
      allowsUnlocked: true,
      recreates: lock.recreates ?? false,
      updates: (lock.updates ?? []).map((path) => inputPathOf(path)),
      overrides: (lock.overrides ?? []).map(([path, target]) => [
        inputPathOf(path),
        refusing(() => parseFlakeReference(byteStringOfText(target), parsing)),
      ]),
      ...(lock.referenceFile === undefined ? {} : { referenceLockFile: fileOf(lock.referenceFile) }),
    });
    return settleLocks(context, locked, {
      writes: lock.writes ?? true,
      updates: lock.allowsChanges ?? true,
      commits: lock.commits ?? false,
      failsOnUnlocked: lock.failsOnUnlocked ?? false,
      allowsDirtyLocks: lock.allowsDirtyLocks ?? false,
      ...(lock.outputFile === undefined ? {} : { outputFile: fileOf(lock.outputFile) }),
      use: usesRegistries ? "all" : "none",
      exists: (path) => kindOfSync(path, { followLinks: false }) !== undefined,
      write: (write) => {
        asking(() => {
          if (ask === undefined) throw new HostError("nothing can be written here");
          host.markVolatile("a lock file was written");
          host.replacingFile(write.path, () => ask({ kind: "write-lock", write }));
        });
      },
    });
  } catch (error) {
    throw explained(error, reference);
  }
}

function inputPathOf(text: string): readonly string[] {
  const path = refusing(() => parseInputPath(byteStringOfText(text)));
  if (path.length > 0) return path;
  throw invalidError(
    "input path to be updated cannot be zero-length; it would refer to the flake itself, not an input",
  );
}

/** A `flake.nix` that is missing only because git does not know it; the frames that led there stay. */
function explained(error: unknown, { input }: FlakeReference): unknown {
  if (!(error instanceof EvalError) || error.kind.kind !== "world" || input.get("type") !== "git") return error;
  const name = /-source\/([^']*\bflake\.nix)' does not exist$/.exec(error.message)?.[1];
  const root = name === undefined ? undefined : localSourcePath(input);
  const message = root === undefined ? undefined : untrackedMessage(root, name!);
  if (message === undefined) return error;
  const better = invalidError(message);
  for (const { text, place, isAlwaysShown } of error.trace) better.addFrame(text, place, isAlwaysShown);
  return better;
}

function mentionSettings(program: Program, { flake }: LockedFlake): void {
  for (const name of [...flake.settings.keys()].sort()) {
    if (SILENT_SETTINGS.test(name)) continue;
    program.state.host.warn(`ignoring untrusted flake configuration setting '${name}'`, false);
  }
}
