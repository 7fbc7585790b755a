/** What the `nix` commands that evaluate have in common: their flags, and the request these stand for. */

import type { EvaluationArgument, EvaluationRequest, EvaluationServices } from "../../realise/evaluate.ts";
import type { FlakeTask } from "../../realise/flake/flake-request.ts";
import { textFileSync } from "../../system/files-sync.ts";
import { writeError } from "./failure.ts";
import { type NixSettings, settingsOfEnvironment } from "./nix-settings.ts";
import { requestOfSettings } from "./settings-request.ts";
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
  "--commit-lock-file": 0,
  "--no-registries": 0,
  "--no-update-lock-file": 0,
  "--no-write-lock-file": 0,
  "--output-lock-file": 1,
  "--reference-lock-file": 1,
  "--update-input": 1,
  "--override-input": 2,
  "--recreate-lock-file": 0,
  "--override-flake": 2,
  "--read-only": 0,
};

/** The request of a command line, but for what is evaluated and how it is shown. */
export async function evaluationOf(
  line: CommandLine,
  settings: NixSettings,
  options: { readonly isPure: boolean },
): Promise<Omit<EvaluationRequest, "output">> {
  const isImpure = line.flags.has("--impure") || line.flags.has("--file");
  return {
    ...requestOfSettings(settings),
    baseDir: process.cwd(),
    args: await argumentsOf(line),
    searchPath: (line.flags.get("--include") ?? []).map(([element = ""]) => element),
    pure: !isImpure && settings.isOn("pure-eval", options.isPure),
  };
}

/** The settings of the environment and the command line; what is wrong with them is told. */
export function settingsOf(line: CommandLine): NixSettings {
  const settings = settingsOfEnvironment(process.env, textFileSync).apply(line.settings);
  for (const warning of settings.warnings) writeError(`warning: ${warning}`);
  return settings;
}

/** A flake that a word names, when neither `--expr` nor `--file` is given. */
export function flakeOf(
  line: CommandLine,
  settings: NixSettings,
  word: string,
  task: FlakeTask,
): Pick<EvaluationRequest, "flake"> {
  const pairs = (flag: string): [string, string][] =>
    (line.flags.get(flag) ?? []).map(([from = "", to = ""]) => [from, to]);
  const [referenceFile, outputFile] = [lastValue(line, "--reference-lock-file"), lastValue(line, "--output-lock-file")];
  return {
    flake: {
      reference: word,
      task,
      lock: {
        overrides: pairs("--override-input"),
        writes: !line.flags.has("--no-write-lock-file"),
        allowsChanges: !line.flags.has("--no-update-lock-file"),
        recreates: line.flags.has("--recreate-lock-file"),
        commits: line.flags.has("--commit-lock-file"),
        updates: (line.flags.get("--update-input") ?? []).map(([input = ""]) => input),
        ...(settings.isOn("allow-dirty-locks") ? { allowsDirtyLocks: true } : {}),
        ...(referenceFile === undefined ? {} : { referenceFile }),
        ...(outputFile === undefined ? {} : { outputFile }),
      },
      registries: {
        isUsed: !line.flags.has("--no-registries") && settings.isOn("use-registries", true),
        overrides: pairs("--override-flake"),
        ...(settings.has("flake-registry") ? { global: settings.text("flake-registry") } : {}),
      },
    },
  };
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
