/** The way out: a fleet as files that plain Nix and Colmena evaluate to the same derivations. */

import { basename, dirname, join, relative, resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { evaluateAnew } from "../../realise/evaluate.ts";
import {
  ensureDirectory,
  exists,
  makeTemporaryDirectory,
  namesIn,
  removeTree,
  rename,
  setMode,
  statusOf,
  writeFileAtomic,
} from "../../system/files.ts";
import { nixDirectory, nixString, requireFleetFile } from "../inventory.ts";
import { copyAsked, copyTree, isBelow, pathsAsked } from "./files-read.ts";

/** Where the fleet's own files and Pristine's Nix code lie in an export. */
const FLEET = "fleet";
const NIX = "nix";

export interface Exported {
  /** The derivation of each host's system, by its name. */
  readonly drvPaths: Readonly<Record<string, string>>;
  /** Hosts that are not in the hive, with why. */
  readonly leftOut: Readonly<Record<string, string>>;
  /** Directories and files elsewhere that the export refers to as the fleet does. */
  readonly elsewhere: readonly string[];
}

type Evaluated = Pick<Exported, "drvPaths" | "leftOut"> & { readonly name: string };

/** Writes a fleet into a new directory, once what is there has been evaluated to the same derivations. */
export async function exportFleet(fleetFile: string, output: string, signal: AbortSignal): Promise<Exported> {
  const file = resolve(fleetFile);
  const directory = resolve(output);
  await requireFleetFile(fleetFile);
  await requireFree(directory, output);
  const wanted = await evaluateExport(`exportOf (evalFleet (/. + ${nixString(file)}))`, nixDirectory(), signal);
  const asked = pathsAsked(wanted.reads);
  const fleetDirectory = dirname(file);
  const repository = await repositoryOf(fleetDirectory);
  const isElsewhere = (path: string): boolean =>
    !isBelow(path, repository) &&
    !isBelow(path, nixDirectory()) &&
    !isBelow(path, "/nix/store") &&
    !isBelow(fleetDirectory, path);
  const own = new Map([...asked].filter(([path]) => isBelow(path, repository) && !isBelow(path, nixDirectory())));
  own.set(file, new Set(["contents"]));
  const root = [...own.keys()].filter((path) => !isBelow(fleetDirectory, path)).reduce(sharedDirectory, fleetDirectory);
  for (const path of own.keys()) if (path === root || !isBelow(path, root)) own.delete(path);
  const elsewhere = outermost(
    [...asked].filter(([path, asks]) => isElsewhere(path) && isRead(asks)).map(([path]) => path),
  );

  await ensureDirectory(dirname(directory));
  const unfinished = await makeTemporaryDirectory(join(dirname(directory), `.${basename(directory)}-`));
  try {
    // A copy of a directory is called as it is, and so is what becomes of it in a store.
    const copy = join(FLEET, basename(root) === "" ? "root" : basename(root));
    await copyTree(nixDirectory(), join(unfinished, NIX));
    await copyAsked(own, { from: root, to: join(unfinished, copy) });
    const entries = entriesOf(wanted.name, join(copy, relative(root, file)));
    for (const [name, text] of Object.entries(entries)) await writeFileAtomic(join(unfinished, name), text);
    const { drvPaths } = await evaluateExport(`import (/. + ${nixString(unfinished)})`, join(unfinished, NIX), signal);
    requireSame(wanted.drvPaths, drvPaths);
    await setMode(unfinished, 0o755);
    await rename(unfinished, directory);
  } catch (error) {
    await removeTree(unfinished);
    throw error;
  }
  return { drvPaths: wanted.drvPaths, leftOut: wanted.leftOut, elsewhere };
}

async function requireFree(directory: string, output: string): Promise<void> {
  const status = await statusOf(directory);
  if (status === undefined || (status.kind === "directory" && (await namesIn(directory)).length === 0)) return;
  throw new OperationError("FILE_IN_THE_WAY", `${output} exists already`, {
    hint: "name a directory that is new or empty, by --output DIRECTORY",
  });
}

/** An exported fleet, evaluated; `value` may use what Pristine's Nix code has. */
async function evaluateExport(
  value: string,
  nix: string,
  signal: AbortSignal,
): Promise<Evaluated & { readonly reads: Parameters<typeof pathsAsked>[0] }> {
  const expression = `
    with import (/. + ${nixString(nix)}) { };
    let
      exported = ${value};
      nodes = removeAttrs exported.hive [ "meta" ];
    in
    {
      inherit (exported) name leftOut;
      drvPaths = builtins.mapAttrs (_: system: builtins.unsafeDiscardStringContext system.drvPath) exported.systems;
      nodes = builtins.mapAttrs (_: node: node.deployment) nodes;
    }`;
  const request = { expression, baseDir: "/", output: "json", strict: true } as const;
  const { text, reads } = await evaluateAnew(request, signal);
  return { ...(JSON.parse(text) as Evaluated), reads: reads.reads };
}

/** The work tree of git that a directory belongs to; files of a fleet may lie anywhere in it. */
async function repositoryOf(directory: string): Promise<string> {
  for (let above = directory; ; above = dirname(above)) {
    if (await exists(join(above, ".git"))) return above;
    if (above === dirname(above)) return directory;
  }
}

function sharedDirectory(one: string, path: string): string {
  let shared = one;
  while (!isBelow(path, shared)) shared = dirname(shared);
  return shared;
}

function isRead(asks: ReadonlySet<string>): boolean {
  return asks.has("all") || asks.has("contents");
}

/** Of files in many directories, the directories that hold them all; of `/a/b/c` and `/a/b`, the latter. */
function outermost(paths: readonly string[]): string[] {
  const directories = [...new Set(paths.map((path) => dirname(path)))].sort();
  return directories.filter((path) => !directories.some((other) => other !== path && isBelow(path, other)));
}

function requireSame(wanted: Evaluated["drvPaths"], found: Evaluated["drvPaths"]): void {
  const different = Object.keys(wanted).filter((name) => wanted[name] !== found[name]);
  if (different.length === 0) return;
  throw new OperationError(
    "EXPORT_DIFFERS",
    `${different.join(", ")} would not be the same when evaluated elsewhere: nothing was written`,
    {
      hint: "the place of the fleet's files is part of the system: builtins.toString of a path, or the name of a directory",
    },
  );
}

/** The files at the top of an export: what each tool looks for. */
function entriesOf(name: string, fleetFile: string): Readonly<Record<string, string>> {
  return {
    "default.nix": `# The fleet "${name}" for plain Nix: \`nix-build -A systems.HOST\` builds the system of a host.
let
  pristine = import ./${NIX} { };
in
pristine.exportOf (pristine.evalFleet (./. + ${nixString(`/${fleetFile}`)}))
`,
    "flake.nix": `# \`nix build path:.#nixosConfigurations.HOST.config.system.build.toplevel\` builds the system of a host.
{
  outputs =
    { ... }:
    {
      inherit (import ./.) nixosConfigurations;
      colmena = import ./hive.nix;
    };
}
`,
    "hive.nix": `# \`colmena apply\` deploys the systems of all hosts.
(import ./.).hive
`,
  };
}
