/** The systems that simulated hosts may run: their files, their closures, and what becomes of a host that runs them. */

import { hashBytes } from "../../../src/format/hash.ts";
import type { PathInfo } from "../../../src/format/path-info.ts";
import { StorePath } from "../../../src/format/store-path.ts";
import { readingOnce, type SystemObject, type SystemTree } from "../../../src/machine/system-object.ts";
import { FakeMachine } from "../../support/fake-machine.ts";

/**
 * - `broken-unit`: a unit of it fails.
 * - `sick`: its health check fails.
 * - `no-entry`: who is connected stays so, and nobody comes in any more.
 * - `cut`: it ends every connection, and lets nobody in.
 * - `no-systemctl`: its `systemctl` does not start.
 * - `unseen`: it does not serve anybody, which nothing on the host tells.
 */
export type Trait = "good" | "broken-unit" | "sick" | "no-entry" | "cut" | "no-systemctl" | "unseen";

export interface CatalogueSystem {
  /** The full store path. */
  readonly path: string;
  readonly name: string;
  readonly trait: Trait;
  /** References first; the system comes last. */
  readonly closure: readonly PathInfo[];
}

const DIGEST_LETTERS = "0123456789abcdfghijklmnpqrsvwxyz";
const VERSIONS = 6;
const TRAITS: readonly Trait[] = ["good", "broken-unit", "sick", "no-entry", "cut", "no-systemctl", "unseen"];
/** How large each object is on the way. */
const OBJECT_BYTES = 3000;
/** What every system refers to, so that only the first copy sends it. */
const LIBRARY = objectOf("z".repeat(32), "library", []);

function objectOf(digest: string, name: string, references: readonly StorePath[]): PathInfo {
  return {
    path: StorePath.of(`${digest}-${name}`),
    narHash: hashBytes("sha256", Buffer.from(digest)),
    narSize: OBJECT_BYTES,
    references,
    signatures: [],
    ultimate: false,
    registrationTime: 1,
  };
}

const service = (exec: string, more = ""): string => `[Unit]\nDescription=d\n[Service]\nExecStart=${exec}\n${more}`;

/** What hooks run, by what becomes of them. */
export const HOOK_PROGRAMS = ["done", "fails", "hangs"] as const;

/** One machine's files hold those of all systems; hosts see the objects that they have. */
const files = new FakeMachine();

function makeSystem(version: number, trait: Trait): CatalogueSystem {
  const digest = `${DIGEST_LETTERS[version]!}${DIGEST_LETTERS[10 + TRAITS.indexOf(trait)]!}`.repeat(16);
  const name = trait === "good" ? `v${version}` : `v${version}-${trait}`;
  const path = `/nix/store/${digest}-system-${name}`;
  files.addSystem(path, {
    "web.service": service(trait === "broken-unit" ? "/bin/false" : `/bin/web ${version}`),
    "soft.service": service(`/bin/soft ${version % 2}`, "X-StopIfChanged=false\n"),
    "config.service": service("/bin/config", `ExecReload=/bin/reload\nX-Reload-Triggers=${version}\n`),
    [`only-${version % 3}.service`]: service("/bin/only"),
  });
  for (const program of HOOK_PROGRAMS)
    files.files.set(`${path.replace("-system-", "-usr-")}/bin/${program}`, { kind: "file", text: "x" });
  const usr = objectOf(digest, `usr-${name}`, [LIBRARY.path]);
  const system = objectOf(digest, `system-${name}`, [usr.path, LIBRARY.path]);
  return { path, name, trait, closure: [LIBRARY, usr, system] };
}

export const SYSTEMS: readonly CatalogueSystem[] = TRAITS.flatMap((trait) =>
  Array.from({ length: VERSIONS }, (_, version) => makeSystem(version, trait)),
);
const byPath = new Map(SYSTEMS.map((system) => [system.path, system]));

export function systemNamed(name: string): CatalogueSystem {
  const found = SYSTEMS.find((system) => system.name === name);
  if (found === undefined) throw new Error(`there is no system '${name}'`);
  return found;
}

export function systemAt(path: string | undefined): CatalogueSystem | undefined {
  return path === undefined ? undefined : byPath.get(path);
}

/** A path as the trace names it. */
export function nameOf(path: string | undefined | null): string {
  return systemAt(path ?? undefined)?.name ?? path ?? "nothing";
}

export const INFOS: ReadonlyMap<string, PathInfo> = new Map(
  SYSTEMS.flatMap(({ closure }) => closure.map((info) => [info.path.baseName, info])),
);

const directories = new Map<string, string[]>();
for (const path of files.files.keys()) {
  for (let end = path.lastIndexOf("/"); end > "/nix/store".length; end = path.lastIndexOf("/", end - 1)) {
    const directory = path.slice(0, end);
    const name = path.slice(end + 1).split("/")[0]!;
    const names = directories.get(directory);
    if (names === undefined) directories.set(directory, [name]);
    else if (!names.includes(name)) names.push(name);
  }
}

const everything = storeTree(() => true);

/** What a manager reads that has a system's units loaded, or a host that has all of it; read once for all machines. */
export const definitionsOf: (path: string) => SystemObject = readingOnce(everything);

/** The part of the catalogue that a host has: objects that `has` names. */
export function storeTree(has: (baseName: string) => boolean): SystemTree {
  const isThere = (path: string): boolean => has(path.slice("/nix/store/".length).split("/", 1)[0]!);
  return {
    readFile: (path) => {
      const entry = files.files.get(path);
      return entry?.kind === "file" && isThere(path) ? entry.text : undefined;
    },
    readlink: (path) => (isThere(path) ? files.readlink(path) : undefined),
    list: (path) => (isThere(path) ? directories.get(path) : undefined),
  };
}
