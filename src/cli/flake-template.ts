/** Making files from a template of a flake, as `nix flake init` does: what is there already stays as it is. */

import { OperationError } from "../base/errors.ts";
import type { EvaluationRequest, EvaluationResult } from "../realise/evaluate.ts";
import type { FlakeTask } from "../realise/flake/flake-request.ts";
import {
  ensureDirectory,
  exists,
  linkTarget,
  namesIn,
  readBytes,
  replaceSymlink,
  statusOf,
  writeFileAtomic,
} from "../system/files.ts";
import { runChecked } from "../system/process.ts";

/** The flake whose templates are meant when none is named. */
export const TEMPLATES_DEFAULT = "templates";

/** What is asked of the flake: a template, and what of it is needed. */
export const TEMPLATE_TASK: FlakeTask = {
  kind: "select",
  defaults: ["templates.default", "defaultTemplate"],
  prefixes: ["templates."],
};

export const TEMPLATE_REQUEST: Pick<EvaluationRequest, "apply" | "output" | "pure"> = {
  apply: 't: { path = toString t.path; welcomeText = t.welcomeText or ""; }',
  output: "json",
  pure: true,
};

interface Copying {
  readonly tell: (line: string) => void;
  readonly written: string[];
  conflicts: number;
}

/** Writes the files of a template, which an evaluation selected, below a directory. Nothing is overwritten. */
export async function writeTemplate(
  result: EvaluationResult,
  destination: string,
  options: { readonly storeRoot: string; readonly signal: AbortSignal; readonly tell: (line: string) => void },
): Promise<void> {
  const { path, welcomeText } = JSON.parse(result.text) as { readonly path: string; readonly welcomeText: string };
  const { signal, tell } = options;
  const copying: Copying = { tell, written: [], conflicts: 0 };
  await copyDirectory(localPathOf(result, path, options.storeRoot), destination, copying, signal);
  if (copying.written.length > 0 && (await exists(`${destination}/.git`))) {
    // A flake in a work tree is what git knows of.
    await runChecked(["git", "-C", destination, "add", "--intent-to-add", "--force", "--", ...copying.written], {
      signal,
    });
  }
  if (welcomeText !== "") {
    tell("\n");
    tell(welcomeText);
  }
  if (copying.conflicts > 0) {
    throw new OperationError("FILE_IN_THE_WAY", `encountered ${copying.conflicts} conflicts - see above`);
  }
}

/** Where the files of a store path are: with what was fetched or read, or in the store. */
function localPathOf({ sources }: EvaluationResult, path: string, storeRoot: string): string {
  for (const [object, source] of sources) {
    if (source.kind === "path" && (path === object || path.startsWith(`${object}/`))) {
      return source.localPath + path.slice(object.length);
    }
  }
  return storeRoot + path;
}

async function copyDirectory(from: string, to: string, copying: Copying, signal: AbortSignal): Promise<void> {
  await ensureDirectory(to);
  for (const name of await namesIn(from)) {
    signal.throwIfAborted();
    const [source, target] = [`${from}/${name}`, `${to}/${name}`];
    const status = await statusOf(source);
    if (status?.kind === "directory") {
      await copyDirectory(source, target, copying, signal);
      told(target, copying);
      continue;
    }
    if (status?.kind !== "file" && status?.kind !== "symlink") {
      throw new OperationError("TEMPLATE_UNKNOWN", `'${source}' is neither a file, a directory nor a symbolic link`);
    }
    const link = status.kind === "symlink" ? await linkTarget(source) : undefined;
    if ((await statusOf(target)) !== undefined) {
      const isSame =
        link === undefined ? await hasContents(target, await readBytes(source)) : (await linkTarget(target)) === link;
      if (isSame) copying.tell(`skipping identical file: ${source}`);
      else {
        copying.tell(`refusing to overwrite existing file "${target}"\n please merge it manually with '${source}'`);
        copying.conflicts++;
      }
      continue;
    }
    if (link === undefined)
      await writeFileAtomic(target, await readBytes(source), {
        mode: (status.mode & 0o111) === 0 ? 0o644 : 0o755,
        durable: false,
      });
    else await replaceSymlink(link, target);
    told(target, copying);
  }
}

function told(path: string, { written, tell }: Copying): void {
  written.push(path);
  tell(`wrote: "${path}"`);
}

async function hasContents(path: string, contents: Buffer): Promise<boolean> {
  return (await statusOf(path))?.kind === "file" && (await readBytes(path)).equals(contents);
}
