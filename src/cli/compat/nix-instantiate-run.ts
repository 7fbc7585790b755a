/** What `nix-instantiate` does, once its command line is understood. */

import type { EvaluationRequest, EvaluationServices } from "../../realise/evaluate.ts";
import { storeServices } from "../../realise/store-services.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { resolveStoreAddress } from "../../store/store-address.ts";
import type { WriteStore } from "../../store/store.ts";
import { textFileSync } from "../../system/files-sync.ts";
import { writeOutput } from "../../system/standard-output.ts";
import type { RootNames } from "./add-root.ts";
import { GC_WARNING, writeError } from "./failure.ts";
import { evaluateForNix } from "./profiled.ts";
import type { ParsedArguments } from "./nix-instantiate-arguments.ts";
import { requestOfSettings } from "./settings-request.ts";
import { NixSettings, settingsOfEnvironment } from "./nix-settings.ts";
import { placesOf } from "./store-places.ts";

const STDIN_BYTES_MAX = 64 * 1024 * 1024;

export async function runNixInstantiate(given: ParsedArguments, signal: AbortSignal): Promise<void> {
  const settings = settingsOfEnvironment(process.env, textFileSync).apply(given.settings);
  for (const warning of settings.warnings) writeError(`warning: ${warning}`);
  const args = withFileArguments(given);
  const storeText = args.store ?? storeOfEnvironment(process.env["NIX_REMOTE"], settings.text("store"));
  const address = storeText === undefined ? undefined : await resolveStoreAddress(storeText);
  const canWrite = storeText !== undefined && !args.dryRun && (args.readWrite || args.output === "drv");
  let opened: LocalStore | undefined;
  const openOnce = async (): Promise<LocalStore> => {
    const { openLocalStore } = await import("../../store/open-store.ts");
    return (opened ??= await openLocalStore(storeText, signal));
  };
  const request = requestOf(args, { baseDir: process.cwd(), ...placesOf(address) }, settings);
  const roots = args.addRoot === undefined ? undefined : new (await import("./add-root.ts")).RootNames(args.addRoot);
  let hasWarned = args.hidesGcWarning;
  for (const input of await inputsOf(args)) {
    const services: EvaluationServices = {
      // What a value names is not remembered, and has to be written.
      ...(settings.isOn("eval-cache", true) && (args.output === "drv" || !canWrite) ? {} : { remembering: "off" }),
      // Between inputs nothing is half written.
      mayBlock: true,
      onTrace: (line) => writeError(`trace: ${line}`),
      onWarning: (text, isFromExpression) =>
        writeError(`${isFromExpression ? "evaluation warning" : "warning"}: ${text}`),
      ...(canWrite ? storeServices(openOnce) : {}),
    };
    const result = await evaluateForNix({ ...request, ...input }, signal, services, settings);
    const isDerivations = args.output === "drv" && !args.findFile && result.text !== "";
    if (isDerivations && roots === undefined && !hasWarned) {
      hasWarned = true;
      writeError(`warning: ${GC_WARNING}`);
    }
    let { text } = result;
    // A value may name anything that was added to the store; derivations need their closures only.
    const made = isDerivations ? text.split("\n") : [...result.sources.keys(), ...result.derivations.keys()];
    if (canWrite && made.length > 0) {
      const { openStore } = await import("../../store/open-store.ts");
      const { instantiate } = await import("../../realise/instantiate.ts");
      const store = opened ?? (await openStore(storeText, signal));
      try {
        await instantiate(result, made, store, signal);
        if (isDerivations && roots !== undefined) text = await rooted(text, store, roots);
      } finally {
        if (store !== opened) await store.close();
      }
    }
    print(text, args);
  }
}

/** Keeps derivations by links, and names those instead. */
async function rooted(text: string, store: WriteStore, roots: RootNames): Promise<string> {
  const { addRoot } = await import("./add-root.ts");
  const { StorePath } = await import("../../format/store-path.ts");
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    const [drvPath = "", output] = line.split("!", 2);
    const link = await addRoot(store, roots.next(), StorePath.ofFull(drvPath, store.storeDir));
    lines.push(output === undefined ? link : `${link}!${output}`);
  }
  return lines.join("\n");
}

/** Reads the files whose texts are arguments. */
function withFileArguments(args: ParsedArguments): ParsedArguments {
  const read = Object.entries(args.fileArgs).map(([name, path]) => {
    const text = textFileSync(path);
    if (text === undefined) throw new Error(`opening file "${path}": No such file or directory`);
    return [name, { string: text }] as const;
  });
  return { ...args, args: { ...args.args, ...Object.fromEntries(read) } };
}

/** `NIX_REMOTE`, or what settings say, as a store address; `undefined` when nothing is to be written. */
export function storeOfEnvironment(variable: string | undefined, setting = ""): string | undefined {
  const remote = variable === undefined || variable === "" ? setting : variable;
  if (remote === "") return "auto";
  return remote.startsWith("dummy://") ? undefined : remote;
}

/** What the command line and settings ask of the evaluator, but for the expression itself. */
export function requestOf(
  args: ParsedArguments,
  place: Pick<EvaluationRequest, "baseDir" | "storeDir" | "storeStateDir"> & { readonly storeRoot: string },
  settings: NixSettings = new NixSettings().apply(args.settings),
): EvaluationRequest {
  return {
    baseDir: place.baseDir,
    ...(place.storeDir === undefined ? {} : { storeDir: place.storeDir }),
    ...(place.storeStateDir === undefined ? {} : { storeStateDir: place.storeStateDir }),
    args: args.args,
    output: args.output,
    strict: args.strict,
    hidePlaces: args.hidePlaces,
    searchPath: args.searchPath,
    readWrite: args.readWrite || args.output === "drv",
    ...requestOfSettings(settings),
    ...(args.attrPaths.length === 0 ? {} : { attrPath: args.attrPaths }),
    ...(place.storeRoot === "" ? {} : { storeRoot: place.storeRoot }),
  };
}

type Input = Pick<EvaluationRequest, "expression" | "expressionName" | "file" | "findFile">;

async function inputsOf(args: ParsedArguments): Promise<readonly Input[]> {
  if (args.findFile) return args.inputs.map((findFile) => ({ findFile }));
  const inputs: Input[] = [];
  if (args.readStdin) inputs.push({ expression: await readStdin(), expressionName: "«stdin»" });
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

function print(text: string, args: ParsedArguments): void {
  const hasNewline = args.output === "xml" || (args.output === "raw" && !args.findFile);
  if (text === "" && args.output === "drv") return;
  writeOutput(hasNewline ? text : `${text}\n`);
}
