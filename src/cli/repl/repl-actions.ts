/** What commands of an interactive session do outside of the evaluator: build, show logs and documentation, edit. */

import { resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import type { BuildEvent } from "../../build/build-event.ts";
import { realise } from "../../build/realise.ts";
import { StorePath } from "../../format/store-path.ts";
import { instantiate } from "../../realise/instantiate.ts";
import type { ReplAction } from "../../realise/repl/repl-messages.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { readTextIfPresent } from "../../system/files.ts";
import type { LineReader } from "../../system/line-editor.ts";
import { run } from "../../system/process.ts";
import { renderMarkdown, type MarkdownOptions } from "../render/markdown.ts";
import { safeText } from "../../base/safe-text.ts";

export interface ActionServices {
  readonly store: () => Promise<LocalStore>;
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly onBuildEvent: (event: BuildEvent) => void;
  readonly markdown: MarkdownOptions;
}

export async function performAction(action: ReplAction, reader: LineReader, services: ActionServices): Promise<void> {
  switch (action.kind) {
    case "build":
      return await build(action, services);
    case "log":
      return await showLog(action.drvPath, services);
    case "edit":
      return await reader.pausedFor(async () => await edit(action.file, action.line));
    case "documentation":
      return services.out(`${safeText(renderMarkdown(action.markdown, services.markdown).trim())}\n`);
  }
}

async function build(
  action: Extract<ReplAction, { readonly kind: "build" }>,
  { store: open, signal, out, onBuildEvent }: ActionServices,
): Promise<void> {
  const store = await open();
  await instantiate(action, [action.drvPath], store, signal);
  const drvPath = StorePath.ofFull(action.drvPath, store.storeDir);
  const { outputs } = await realise({ store, drvPaths: [drvPath], signal, onEvent: onBuildEvent });
  out("\nThis derivation produced the following outputs:\n");
  for (const [name, path] of outputs.get(drvPath.baseName) ?? []) {
    const link = `repl-result-${name}`;
    if (action.makesLinks) await store.addIndirectRoot(resolve(link), path);
    out(`  ${action.makesLinks ? `./${link}` : name} -> ${path.render(store.storeDir)}\n`);
  }
}

async function showLog(drvPath: string, { store: open, out }: ActionServices): Promise<void> {
  const store = await open();
  const text = await readTextIfPresent(store.layout.logPath(StorePath.ofFull(drvPath, store.storeDir)));
  if (text === undefined) throw new OperationError("LOG_MISSING", `build log of '${drvPath}' is not available`);
  out(text.endsWith("\n") ? text : `${text}\n`);
}

/** Opens `$EDITOR`; editors that are known to take `+LINE` get the line. */
async function edit(file: string, line: number): Promise<void> {
  const editor = (process.env["EDITOR"] ?? "").trim();
  const words = (editor === "" ? "cat" : editor).split(/\s+/);
  const place = line > 0 && /emacs|nano|vim|kak/.test(editor) ? [`+${line}`] : [];
  const outcome = await run([...words, ...place, file], { output: "inherit", stdin: "inherit", group: "shared" });
  if (outcome.code !== 0) throw new OperationError("EDITOR_FAILED", `the editor '${words[0]!}' failed`);
}
