/** `nix eval`. */

import type { EvaluationRequest, EvaluationResult, EvaluationServices } from "../../realise/evaluate.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { storeServices } from "../../realise/store-services.ts";
import { resolveStoreAddress } from "../../store/store-address.ts";
import { writeTextTree } from "../../system/text-tree.ts";
import { indentJson } from "../render/json.ts";
import { type CommandLine, lastValue, type FlagTable } from "./nix-command-line.ts";
import { UsageError } from "./usage-error.ts";
import { EVALUATION_FLAGS, evaluationOf, flakeOf, reporting, settingsOf, sourceOf } from "./nix-evaluation.ts";
import type { NixSettings } from "./nix-settings.ts";
import { evaluateForNix } from "./profiled.ts";
import { currentSystem } from "../../realise/current-system.ts";
import { storeOfEnvironment } from "./nix-instantiate-run.ts";
import { placesOf } from "./store-places.ts";

export const EVAL_FLAGS: FlagTable = {
  ...EVALUATION_FLAGS,
  "--apply": 1,
  "--json": 0,
  "--no-pretty": 0,
  "--pretty": 0,
  "--raw": 0,
  "--write-to": 1,
};

export async function runNixEval(line: CommandLine, signal: AbortSignal): Promise<void> {
  const { flags, words } = line;
  const [isRaw, isJson] = [flags.has("--raw"), flags.has("--json")];
  if (flags.has("--file") && flags.has("--expr")) throw new UsageError("'--file' and '--expr' are exclusive");
  if (words.length > 1) throw new UsageError(`unexpected argument '${words[1]!}'`);
  if (isRaw && isJson) throw new UsageError("--raw and --json are mutually exclusive");
  const writeTo = lastValue(line, "--write-to");
  if (writeTo !== undefined && (await isPresent(writeTo))) throw new Error(`path '${writeTo}' already exists`);
  const apply = lastValue(line, "--apply");
  const settings = settingsOf(line);
  const result = await evaluateInStore(
    line,
    settings,
    {
      ...(await evaluationOf(line, settings, { isPure: true })),
      ...(await whatToEvaluate(line, settings)),
      ...(apply === undefined ? {} : { apply }),
      output: writeTo !== undefined ? "tree" : isRaw ? "raw" : isJson ? "json" : "printed",
      keepFunction: true,
      rawFrame: "while generating the eval command output",
    },
    signal,
  );
  if (writeTo !== undefined) writeTextTree(writeTo, result.tree!);
  else if (isRaw) process.stdout.write(result.text);
  else process.stdout.write(`${isJson && isPretty(line) ? indentJson(result.text) : result.text}\n`);
}

async function isPresent(path: string): Promise<boolean> {
  const { exists } = await import("../../system/files.ts");
  return await exists(path);
}

function isPretty({ flags }: CommandLine): boolean {
  return flags.has("--pretty") || (process.stdout.isTTY && !flags.has("--no-pretty"));
}

type Evaluated = Pick<EvaluationRequest, "expression" | "file" | "attrPath" | "flake">;

async function whatToEvaluate(line: CommandLine, settings: NixSettings): Promise<Evaluated> {
  const source = await sourceOf(line);
  const word = line.words[0] ?? ".";
  if (source === undefined) {
    const system = currentSystem();
    return flakeOf(line, settings, word, {
      kind: "select",
      defaults: [`packages.${system}.default`, `defaultPackage.${system}`],
      prefixes: [`packages.${system}.`, `legacyPackages.${system}.`],
    });
  }
  return word === "." ? source : { ...source, attrPath: word };
}

/** An evaluation with the store that it was done for. */
export interface Served {
  readonly result: EvaluationResult;
  /** Where the store's files really are, in front of their paths. */
  readonly storeRoot: string;
  /** The address of the store, when it may be written to. */
  readonly storeText: string | undefined;
  /** The store to build in. */
  readonly store: () => Promise<LocalStore>;
}

/** Evaluates with the store that the command line and the settings name; nothing is written to it but what is built. */
export async function evaluateServed(
  line: CommandLine,
  settings: NixSettings,
  request: EvaluationRequest,
  signal: AbortSignal,
): Promise<Served> {
  const storeText = lastValue(line, "--store") ?? storeOfEnvironment(process.env["NIX_REMOTE"], settings.text("store"));
  const canWrite = storeText !== undefined && !line.flags.has("--read-only");
  const address = storeText === undefined ? undefined : await resolveStoreAddress(storeText);
  const { storeRoot, ...places } = placesOf(address);
  const located = { ...request, ...places, readWrite: canWrite, ...(storeRoot === "" ? {} : { storeRoot }) };
  let opened: Promise<LocalStore> | undefined;
  const open = async (): Promise<LocalStore> => {
    const { openLocalStore } = await import("../../store/open-store.ts");
    return await openLocalStore(storeText, signal);
  };
  const store = async (): Promise<LocalStore> => await (opened ??= open());
  const services: EvaluationServices = {
    ...reporting(),
    mayBlock: true,
    ...(canWrite
      ? {
          // What is remembered says what a derivation is called, but not what is in it.
          remembering: "off",
          ...storeServices(store),
        }
      : {}),
  };
  const result = await evaluateForNix(located, signal, services, settings);
  return { result, storeRoot, storeText: canWrite ? storeText : undefined, store };
}

/** Evaluates; what the expression adds to the store is written there unless `--read-only` is given. */
async function evaluateInStore(
  line: CommandLine,
  settings: NixSettings,
  request: EvaluationRequest,
  signal: AbortSignal,
): Promise<EvaluationResult> {
  const { result, storeText } = await evaluateServed(line, settings, request, signal);
  const made = [...result.derivations.keys(), ...result.sources.keys()];
  if (storeText !== undefined && made.length > 0) {
    const { openStore } = await import("../../store/open-store.ts");
    const { instantiate } = await import("../../realise/instantiate.ts");
    const store = await openStore(storeText, signal);
    try {
      await instantiate(result, made, store, signal);
    } finally {
      await store.close();
    }
  }
  return result;
}
