/** `nix flake`: what a flake provides, where its inputs come from, its lock file, its checks and its templates. */

import { currentSystem } from "../../realise/current-system.ts";
import type { EvaluationRequest } from "../../realise/evaluate.ts";
import type { FlakeLockRequest, FlakeTask } from "../../realise/flake/flake-request.ts";
import { writeError } from "./failure.ts";
import { type CommandLine, type FlagTable, lastValue } from "./nix-command-line.ts";
import { evaluateServed, type Served } from "./nix-eval.ts";
import { EVALUATION_FLAGS, evaluationOf, flakeOf, settingsOf } from "./nix-evaluation.ts";
import { UsageError } from "./usage-error.ts";

export const FLAKE_FLAGS: FlagTable = {
  ...EVALUATION_FLAGS,
  "--all-systems": 0,
  "--flake": 1,
  "--json": 0,
  "--legacy": 0,
  "--no-build": 0,
  "--template": 1,
};

type Run = (line: CommandLine, words: readonly string[], signal: AbortSignal) => Promise<void>;

const COMMANDS: Readonly<Record<string, Run>> = { check, info: metadata, init, lock, metadata, show, update };

export async function runNixFlake(line: CommandLine, signal: AbortSignal): Promise<void> {
  const [command, ...words] = line.words;
  if (command === undefined) throw new UsageError("'nix flake' requires a sub-command.");
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run === undefined) {
    throw new UsageError(
      `'nix flake ${command}' is not part of Pristine; there are ${Object.keys(COMMANDS).join(", ")}`,
    );
  }
  await run(line, words, signal);
}

function onlyFlake(words: readonly string[]): string {
  if (words.length > 1) throw new UsageError(`unexpected argument '${words[1]!}'`);
  return words[0] ?? ".";
}

async function ask(
  line: CommandLine,
  asked: { readonly reference: string; readonly task: FlakeTask; readonly lock?: FlakeLockRequest },
  signal: AbortSignal,
  request: Partial<EvaluationRequest> = {},
): Promise<Served> {
  const settings = settingsOf(line);
  const { flake } = flakeOf(line, settings, asked.reference, asked.task);
  return await evaluateServed(
    line,
    settings,
    {
      ...(await evaluationOf(line, settings, { isPure: true })),
      system: currentSystem(),
      flake: { ...flake!, lock: { ...flake!.lock, ...asked.lock } },
      output: "printed",
      ...request,
    },
    signal,
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function show(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  const [json, allSystems, legacy] = ["--json", "--all-systems", "--legacy"].map((flag) => line.flags.has(flag));
  const task = { kind: "show", json: json!, allSystems: allSystems!, legacy: legacy! } as const;
  print((await ask(line, { reference: onlyFlake(words), task }, signal)).result.text);
}

async function metadata(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  const task = { kind: "metadata", json: line.flags.has("--json") } as const;
  print((await ask(line, { reference: onlyFlake(words), task }, signal)).result.text);
}

async function lock(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  const asked = { reference: onlyFlake(words), task: { kind: "lock" }, lock: { failsOnUnlocked: true } } as const;
  await ask(anew(line), asked, signal);
}

async function update(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  const changes = { recreates: words.length === 0, updates: words, writes: true };
  const asked = { reference: lastValue(line, "--flake") ?? ".", task: { kind: "lock" }, lock: changes } as const;
  await ask(anew(line), asked, signal);
}

/** What is locked anew is asked for anew, however recently it was downloaded. */
function anew(line: CommandLine): CommandLine {
  return { ...line, settings: [...line.settings, { name: "tarball-ttl", value: "0" }] };
}

async function check(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  const { decodeCheckResult } = await import("../../realise/flake/run-flake.ts");
  const task = { kind: "check", allSystems: line.flags.has("--all-systems") } as const;
  const { result, store } = await ask(line, { reference: onlyFlake(words), task }, signal);
  const { checks, omittedSystems } = decodeCheckResult(result.text);
  if (!line.flags.has("--no-build") && checks.length > 0) {
    const { instantiate } = await import("../../realise/instantiate.ts");
    const { realise } = await import("../../build/realise.ts");
    const { StorePath } = await import("../../format/store-path.ts");
    const local = await store();
    const drvPaths = checks.map(({ drvPath }) => drvPath);
    await instantiate(result, drvPaths, local, signal);
    await realise({ store: local, drvPaths: drvPaths.map((path) => StorePath.ofFull(path, local.storeDir)), signal });
  }
  writeError("all checks passed!");
  if (omittedSystems.length === 0) return;
  const systems = omittedSystems.join(", ");
  writeError(`warning: The check omitted these incompatible systems: ${systems}\nUse '--all-systems' to check all.`);
}

async function init(line: CommandLine, words: readonly string[], signal: AbortSignal): Promise<void> {
  if (words.length > 0) throw new UsageError(`unexpected argument '${words[0]!}'`);
  const { TEMPLATE_REQUEST, TEMPLATE_TASK, TEMPLATES_DEFAULT, writeTemplate } = await import("../flake-template.ts");
  const reference = lastValue(line, "--template") ?? TEMPLATES_DEFAULT;
  const asked = { reference, task: TEMPLATE_TASK, lock: { writes: false } };
  const { result, storeRoot } = await ask(line, asked, signal, TEMPLATE_REQUEST);
  await writeTemplate(result, process.cwd(), { storeRoot, signal, tell: writeError });
}
