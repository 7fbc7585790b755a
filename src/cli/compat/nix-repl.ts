/** `nix repl`. */

import picocolors from "picocolors";
import { storeServices } from "../../realise/store-services.ts";
import { ReplClient } from "../../realise/repl/repl-client.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { openLocalStore } from "../../store/open-store.ts";
import { resolveStoreAddress } from "../../store/store-address.ts";
import { performAction } from "../repl/repl-actions.ts";
import { runReplLoop } from "../repl/repl-loop.ts";
import { writeError } from "./failure.ts";
import { type CommandLine, type FlagTable, lastValue } from "./nix-command-line.ts";
import { UsageError } from "./usage-error.ts";
import { EVALUATION_FLAGS, evaluationOf, reporting, settingsOf, sourceOf } from "./nix-evaluation.ts";
import { storeOfEnvironment } from "./nix-instantiate-run.ts";

export const REPL_FLAGS: FlagTable = EVALUATION_FLAGS;

export async function runNixRepl(line: CommandLine, version: string, signal: AbortSignal): Promise<void> {
  if (line.flags.has("--file") && line.flags.has("--expr")) {
    throw new UsageError("'--file' and '--expr' are exclusive");
  }
  const source = await sourceOf(line);
  const settings = settingsOf(line);
  const storeText =
    lastValue(line, "--store") ?? storeOfEnvironment(process.env["NIX_REMOTE"], settings.text("store")) ?? "auto";
  const address = await resolveStoreAddress(storeText);
  const storeRoot = address.kind === "local" && address.root !== "/" ? { storeRoot: address.root } : {};
  let opened: Promise<LocalStore> | undefined;
  const store = async (): Promise<LocalStore> => await (opened ??= openLocalStore(storeText, signal));
  const out = (text: string): void => void process.stdout.write(text);
  const paths = line.words.length === 0 ? ["."] : line.words;
  const text = source?.file === undefined ? source?.expression : fileExpression(source.file);
  const client = new ReplClient(
    {
      request: { ...(await evaluationOf(line, settings, { isPure: false })), ...storeRoot, readWrite: true },
      canRealise: true,
      colors: true,
      isCompatible: true,
      files: [],
      flakes: source === undefined ? line.words : [],
      expressions:
        text === undefined
          ? []
          : paths.map((path) => ({
              text,
              what: path === "." ? "" : path,
              ...(path === "." ? {} : { attrPath: path }),
            })),
      variables: {},
    },
    { ...reporting(), ...storeServices(store) },
    { out, error: writeError, notice: writeError },
  );
  await runReplLoop({
    client,
    prompt: "nix-repl> ",
    banner: `Nix ${version}\nType :? for help.`,
    echoes: true,
    out,
    error: writeError,
    act: async (action, reader) => {
      await performAction(action, reader, {
        store,
        signal,
        out,
        onBuildEvent: (event) => {
          if (event.kind === "started") writeError(`building '/nix/store/${event.drvPath.baseName}'...`);
        },
        markdown: {
          columns: Math.max((process.stdout.columns ?? 0) - 5, 60),
          colors: picocolors.createColors(Boolean(process.stdout.isTTY)),
        },
      });
    },
  });
}

function fileExpression(file: string): string {
  if (file.startsWith("<")) return `import ${file}`;
  return `import (/. + ${JSON.stringify(file.startsWith("/") ? file : `${process.cwd()}/${file}`).replaceAll("${", "\\${")})`;
}
