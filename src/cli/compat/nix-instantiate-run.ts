/** What `nix-instantiate` does, once its command line is understood. */

import { buildForEvaluation } from "../../realise/build-for-evaluation.ts";
import { type EvaluationRequest, type EvaluationResult, evaluate, instantiate } from "../../realise/evaluate.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { openLocalStore, openStore, resolveStoreAddress } from "../../store/open-store.ts";
import type { WriteStore } from "../../store/store.ts";
import { writeError } from "./failure.ts";
import type { ParsedArguments } from "./nix-instantiate-arguments.ts";

const STDIN_BYTES_MAX = 64 * 1024 * 1024;

export async function runNixInstantiate(args: ParsedArguments, signal: AbortSignal): Promise<void> {
  const storeText = args.store ?? storeOfEnvironment(process.env["NIX_REMOTE"]);
  const address = storeText === undefined ? undefined : await resolveStoreAddress(storeText);
  const storeRoot = address?.kind === "local" && address.root !== "/" ? address.root : "";
  const canWrite = storeText !== undefined && !args.dryRun && (args.readWrite || args.output === "drv");
  let opened: LocalStore | undefined;
  const buildStore = async (): Promise<LocalStore> => (opened ??= await openLocalStore(storeText, signal));
  for (const input of await inputsOf(args)) {
    const result = await evaluate({ ...requestOf(args, { baseDir: process.cwd(), storeRoot }), ...input }, signal, {
      ...(args.options.get("eval-cache") === "false" ? { remembering: "off" } : {}),
      onTrace: (line) => writeError(`trace: ${line}`),
      onWarning: (text, isFromExpression) =>
        writeError(`${isFromExpression ? "evaluation warning" : "warning"}: ${text}`),
      ...(canWrite
        ? { realise: async (request, abort) => await buildForEvaluation(await buildStore())(request, abort) }
        : {}),
    });
    if (canWrite && args.output === "drv" && !args.findFile) {
      const store = opened ?? (await openStore(storeText, signal));
      try {
        await writeDerivations(result, store, signal);
      } finally {
        if (store !== opened) await store.close();
      }
    }
    print(result, args);
  }
}

/** `NIX_REMOTE` as a store address; `undefined` when nothing is to be written. */
export function storeOfEnvironment(remote: string | undefined): string | undefined {
  if (remote === undefined || remote === "") return "auto";
  return remote.startsWith("dummy://") ? undefined : remote;
}

/** What the command line asks of the evaluator, but for the expression itself. */
export function requestOf(
  args: ParsedArguments,
  place: { readonly baseDir: string; readonly storeRoot: string },
): EvaluationRequest {
  const depth = Number(args.options.get("max-call-depth"));
  const system = args.options.get("system");
  const features = ["experimental-features", "extra-experimental-features"]
    .flatMap((name) => (args.options.get(name) ?? "").split(/\s+/))
    .filter((name) => name !== "");
  return {
    baseDir: place.baseDir,
    args: args.args,
    output: args.output,
    strict: args.strict,
    hidePlaces: args.hidePlaces,
    searchPath: args.searchPath,
    readWrite: args.readWrite || args.output === "drv",
    showTrace: args.showTrace,
    traceVerbose: args.traceVerbose,
    experimentalFeatures: features,
    pure: args.options.get("pure-eval") === "true",
    ...(args.options.get("abort-on-warn") === "true" ? { abortOnWarn: true } : {}),
    ...(args.attrPaths.length === 0 ? {} : { attrPath: args.attrPaths }),
    ...(place.storeRoot === "" ? {} : { storeRoot: place.storeRoot }),
    ...(Number.isSafeInteger(depth) && depth > 0 ? { callDepthMax: depth } : {}),
    ...(system === undefined ? {} : { system }),
  };
}

type Input = Pick<EvaluationRequest, "expression" | "file" | "findFile">;

async function inputsOf(args: ParsedArguments): Promise<readonly Input[]> {
  if (args.findFile) return args.inputs.map((findFile) => ({ findFile }));
  const inputs: Input[] = [];
  if (args.readStdin) inputs.push({ expression: await readStdin() });
  else if (args.inputs.length === 0 && !args.areExpressions) inputs.push({ file: "./default.nix" });
  for (const input of args.inputs) inputs.push(args.areExpressions ? { expression: input } : { file: input });
  return inputs;
}

async function readStdin(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk as string;
    if (text.length > STDIN_BYTES_MAX) throw new Error("the expression on standard input is longer than 64 MiB");
  }
  return text;
}

async function writeDerivations(result: EvaluationResult, store: WriteStore, signal: AbortSignal): Promise<void> {
  const roots = result.text === "" ? [] : result.text.split("\n");
  await instantiate(result, roots, store, signal);
}

function print(result: EvaluationResult, args: ParsedArguments): void {
  const hasNewline = args.output === "xml" || (args.output === "raw" && !args.findFile);
  if (result.text === "" && args.output === "drv") return;
  process.stdout.write(hasNewline ? result.text : `${result.text}\n`);
}
