/** What the `nix` commands that evaluate have in common: their flags, and the request these stand for. */

import type { EvaluationArgument, EvaluationRequest, EvaluationServices } from "../../realise/evaluate.ts";
import { writeError } from "./failure.ts";
import { fetchSettingsOf } from "./fetch-settings-of.ts";
import { type CommandLine, type FlagTable, lastValue } from "./nix-command-line.ts";

/** Flags that say what is evaluated, and with what. */
export const EVALUATION_FLAGS: FlagTable = {
  "--arg": 2,
  "--argstr": 2,
  "--arg-from-file": 2,
  "--arg-from-stdin": 1,
  "--eval-store": 1,
  "--expr": 1,
  "--file": 1,
  "--impure": 0,
  "--include": 1,
  "--no-write-lock-file": 0,
  "--override-flake": 2,
  "--read-only": 0,
};

/** The request of a command line, but for what is evaluated and how it is shown. */
export async function evaluationOf(
  line: CommandLine,
  options: { readonly isPure: boolean },
): Promise<Omit<EvaluationRequest, "output">> {
  const { settings } = line;
  const depth = Number(settings.get("max-call-depth"));
  const system = settings.get("system");
  const path = settings.get("nix-path");
  const features = ["experimental-features", "extra-experimental-features"]
    .flatMap((name) => (settings.get(name) ?? "").split(/\s+/))
    .filter((name) => name !== "");
  const searchPath = (line.flags.get("--include") ?? []).map(([element = ""]) => element);
  return {
    baseDir: process.cwd(),
    args: await argumentsOf(line),
    searchPath: path === undefined ? searchPath : [...searchPath, ...path.split(/\s+/)],
    pure: isPure(line, options.isPure),
    showTrace: settings.get("show-trace") === "true",
    traceVerbose: settings.get("trace-verbose") === "true",
    experimentalFeatures: features,
    fetchSettings: fetchSettingsOf((name) => settings.get(name)),
    ...(settings.get("abort-on-warn") === "true" ? { abortOnWarn: true } : {}),
    ...(Number.isSafeInteger(depth) && depth > 0 ? { callDepthMax: depth } : {}),
    ...(system === undefined ? {} : { system }),
  };
}

function isPure(line: CommandLine, byDefault: boolean): boolean {
  if (line.flags.has("--impure") || line.flags.has("--file")) return false;
  const given = line.settings.get("pure-eval");
  return given === undefined ? byDefault : given === "true";
}

async function argumentsOf(line: CommandLine): Promise<Readonly<Record<string, EvaluationArgument>>> {
  const args: Record<string, EvaluationArgument> = {};
  for (const [name = "", expr = ""] of line.flags.get("--arg") ?? []) args[name] = { expr };
  for (const [name = "", string = ""] of line.flags.get("--argstr") ?? []) args[name] = { string };
  for (const [name = "", path = ""] of line.flags.get("--arg-from-file") ?? []) {
    const { readText } = await import("../../system/files.ts");
    args[name] = { string: await readText(path) };
  }
  for (const [name = ""] of line.flags.get("--arg-from-stdin") ?? []) args[name] = { string: await readStdin() };
  return args;
}

/** What `--expr` or `--file` names. */
export async function sourceOf(line: CommandLine): Promise<Pick<EvaluationRequest, "expression" | "file"> | undefined> {
  const expression = lastValue(line, "--expr");
  const file = lastValue(line, "--file");
  if (file === "-") return { expression: await readStdin() };
  if (file !== undefined) return { file };
  return expression === undefined ? undefined : { expression };
}

/** Traces and warnings go to standard error, worded as Nix words them. */
export function reporting(): Pick<EvaluationServices, "onTrace" | "onWarning"> {
  return {
    onTrace: (text) => writeError(`trace: ${text}`),
    onWarning: (text, isFromExpression) =>
      writeError(`${isFromExpression ? "evaluation warning" : "warning"}: ${text}`),
  };
}

async function readStdin(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk as string;
    if (text.length > STDIN_CHARS_MAX) throw new Error("what stands on standard input is longer than 64 MiB");
  }
  return text;
}

const STDIN_CHARS_MAX = 64 * 1024 * 1024;
