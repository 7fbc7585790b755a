/**
 * Finds the Debian mirror in apt's configuration, both notations of it. Pure: files are given as text.
 *
 * Only the address is taken from there. The suite is the one that is locked, which need not be this machine's.
 */

import { OperationError } from "../../base/errors.ts";
import { parseControl } from "../../format/debian/control.ts";

export interface AptEntry {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

export interface AptFile {
  readonly path: string;
  readonly text: string;
}

/** One archive of packages: what `pristine lock` reads an InRelease from. */
export interface ArchiveSource {
  readonly uri: string;
  readonly suite: string;
  readonly component: string;
}

export interface MirrorSettings {
  readonly mirror?: string | undefined;
  readonly securityMirror?: string | undefined;
}

export const MIRROR_VARIABLE = "PRISTINE_DEBIAN_MIRROR";
export const SECURITY_MIRROR_VARIABLE = "PRISTINE_DEBIAN_SECURITY_MIRROR";

const DEBIAN_SUITE =
  /^(?:stable|oldstable|oldoldstable|testing|unstable|sid|buster|bullseye|bookworm|trixie|forky|duke)$/;
const DEBIAN_SECURITY_SUITE = /^([a-z]+)(?:-security|\/updates)$/;
const FETCHABLE = /^(?:https?|file):/;

/** Entries for binary packages that are switched on. Files that are neither notation are passed over. */
export function parseAptSources(files: readonly AptFile[]): AptEntry[] {
  return files.flatMap(({ path, text }) => (path.endsWith(".sources") ? parseStanzas(text) : parseLines(text)));
}

/** The archives that a suite is locked from, the main one first. */
export function archiveSources(
  entries: readonly AptEntry[],
  suite: string,
  settings: MirrorSettings = {},
): ArchiveSource[] {
  const mirror = settings.mirror ?? mainMirror(entries);
  if (mirror === undefined) {
    throw new OperationError("LOCK_NO_MIRROR", "apt on this machine names no Debian mirror", {
      hint: `set ${MIRROR_VARIABLE} (and ${SECURITY_MIRROR_VARIABLE}) to a mirror's address`,
    });
  }
  const main = { uri: withoutSlash(mirror), suite, component: "main" };
  if (suite === "sid" || suite === "unstable") return [main];
  // The security archive of a mirror conventionally lies beside its main archive.
  const security =
    settings.securityMirror ??
    (settings.mirror === undefined ? securityMirror(entries) : undefined) ??
    main.uri.replace(/\/debian$/, "/debian-security");
  if (withoutSlash(security) === main.uri) {
    throw new OperationError("LOCK_NO_MIRROR", `no mirror for ${suite}'s security updates is known`, {
      hint: `set ${SECURITY_MIRROR_VARIABLE} to its address`,
    });
  }
  return [
    main,
    { uri: main.uri, suite: `${suite}-updates`, component: "main" },
    { uri: withoutSlash(security), suite: `${suite}-security`, component: "main" },
  ];
}

function mainMirror(entries: readonly AptEntry[]): string | undefined {
  const entry = entries.find((one) => usable(one) && one.suites.some((suite) => DEBIAN_SUITE.test(suite)));
  return entry?.uris.find((uri) => FETCHABLE.test(uri));
}

function securityMirror(entries: readonly AptEntry[]): string | undefined {
  const isSecurity = (suite: string): boolean => DEBIAN_SUITE.test(DEBIAN_SECURITY_SUITE.exec(suite)?.[1] ?? "");
  return entries.find((one) => usable(one) && one.suites.some(isSecurity))?.uris.find((uri) => FETCHABLE.test(uri));
}

function usable(entry: AptEntry): boolean {
  return entry.components.includes("main") && entry.uris.some((uri) => FETCHABLE.test(uri));
}

function withoutSlash(uri: string): string {
  return uri.replace(/\/+$/, "");
}

function parseStanzas(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const stanza of parseControl(text)) {
    const words = (field: string): string[] => (stanza.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
    if (/^(?:no|false|off|0)$/i.test(stanza.get("enabled") ?? "yes") || !words("types").includes("deb")) continue;
    entries.push({ uris: words("uris"), suites: words("suites"), components: words("components") });
  }
  return entries;
}

function parseLines(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const line of text.split("\n")) {
    const words = line
      .replace(/#.*/, "")
      .replace(/^(\s*deb\s+)\[[^\]]*\]/, "$1")
      .split(/\s+/)
      .filter((word) => word !== "");
    const [type, uri, suite, ...components] = words;
    if (type !== "deb" || uri === undefined || suite === undefined) continue;
    entries.push({ uris: [uri], suites: [suite], components });
  }
  return entries;
}
