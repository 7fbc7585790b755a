/** What is known of a flake apart from its outputs: where it came from, its revision and its inputs. */

import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import {
  booleanAttribute,
  inputNarHash,
  inputRevision,
  integerAttribute,
  textAttribute,
} from "../../format/input/attributes.ts";
import {
  type FlakeReference,
  flakeReferenceAttributes,
  renderFlakeReference,
} from "../../format/input/flake-reference.ts";
import { findUnlockedInput, isLockNode, type LockNode, renderLockFile } from "../../format/input/flake-lock.ts";
import { isLockedInput } from "../../format/input/input.ts";
import { splitStorePath } from "../../format/store-path.ts";
import { hashByteString } from "../../format/hash.ts";
import type { LockedFlake } from "../../language/flake/lock-flake.ts";

interface Facts {
  readonly storePath: string;
  readonly revision: string | undefined;
  readonly dirtyRevision: string | undefined;
  readonly revCount: number | bigint | undefined;
  readonly lastModified: number | bigint | undefined;
  readonly fingerprint: string | undefined;
}

function factsOf(locked: LockedFlake, storeDir: string): Facts {
  const { input } = locked.flake.locked;
  const split = splitStorePath(locked.flake.directory, storeDir);
  return {
    storePath: split === undefined ? locked.flake.directory : split[0].render(storeDir),
    revision: inputRevision(input),
    dirtyRevision: textAttribute(input, "dirtyRev"),
    revCount: integerAttribute(input, "revCount"),
    lastModified: integerAttribute(input, "lastModified"),
    fingerprint: flakeFingerprint(locked),
  };
}

/**
 * What the result of evaluating a flake purely depends on, as Nix computes it; `undefined` when something in it is not
 * locked.
 */
export function flakeFingerprint(locked: LockedFlake): string | undefined {
  if (findUnlockedInput(locked.locks, { allowsDirtyLocks: false }) !== undefined) return undefined;
  const { input, subdir } = locked.flake.locked;
  let text = treeFingerprint(locked.flake.locked);
  if (text === undefined) return undefined;
  text += `;${subdir};${renderLockFile(locked.locks).text}`;
  const revCount = integerAttribute(input, "revCount");
  const lastModified = integerAttribute(input, "lastModified");
  if (revCount !== undefined) text += `;revCount=${revCount}`;
  if (lastModified !== undefined) text += `;lastModified=${lastModified}`;
  return hashByteString("sha256", text).toBase16();
}

function treeFingerprint({ input }: FlakeReference): string | undefined {
  const type = textAttribute(input, "type");
  const revision = inputRevision(input);
  const narHash = inputNarHash(input)?.toSri();
  if (type === "path") return narHash === undefined ? undefined : `path:${narHash}`;
  if (type === "tarball") return narHash ?? revision;
  if (type !== "git" || revision === undefined) return revision;
  const marks = [
    ["submodules", ";s"],
    ["exportIgnore", ";e"],
    ["lfs", ";l"],
  ] as const;
  return revision + marks.map(([name, mark]) => (booleanAttribute(input, name) === true ? mark : "")).join("");
}

/** The facts as JSON on one line, with sorted names, as Nix writes them. */
export function renderMetadataJson(locked: LockedFlake, storeDir: string): string {
  const { flake } = locked;
  const facts = factsOf(locked, storeDir);
  const members = new Map<string, string>();
  const text = (name: string, value: string | undefined): void => {
    if (value !== undefined) members.set(name, jsonText(value));
  };
  text("description", flake.description);
  for (const [name, reference] of [
    ["original", flake.original],
    ["resolved", flake.resolved],
  ] as const) {
    text(`${name}Url`, renderFlakeReference(reference));
    members.set(name, attributesJson(reference, false));
  }
  text("url", renderFlakeReference(flake.locked));
  members.set("locked", attributesJson(flake.locked, true));
  text("revision", facts.revision);
  text("dirtyRevision", facts.dirtyRevision);
  if (facts.revCount !== undefined) members.set("revCount", String(facts.revCount));
  if (facts.lastModified !== undefined) members.set("lastModified", String(facts.lastModified));
  text("path", facts.storePath);
  members.set("locks", renderLockFile(locked.locks).compact);
  text("fingerprint", facts.fingerprint);
  const sorted = [...members.keys()].sort();
  return `{${sorted.map((name) => `"${name}":${members.get(name)!}`).join(",")}}`;
}

function jsonText(text: string): string {
  return byteStringOfText(JSON.stringify(textOfByteString(text)));
}

/** Attributes as JSON; what was fetched carries the mark that nothing more is to be learnt of it. */
function attributesJson(reference: FlakeReference, isFinal: boolean): string {
  const attrs = new Map(flakeReferenceAttributes(reference));
  if (isFinal) attrs.set("__final", true);
  const names = [...attrs.keys()].sort();
  const members = names.map((name) => {
    const value = attrs.get(name)!;
    return `${jsonText(name)}:${typeof value === "string" ? jsonText(value) : String(value)}`;
  });
  return `{${members.join(",")}}`;
}

/** The facts for people. */
export function renderMetadata(locked: LockedFlake, storeDir: string): string {
  const { flake } = locked;
  const facts = factsOf(locked, storeDir);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Resolved URL", renderFlakeReference(flake.resolved)],
    ["Locked URL", isLockedInput(flake.locked.input) ? renderFlakeReference(flake.locked) : undefined],
    ["Description", flake.description],
    ["Path", facts.storePath],
    ["Revision", facts.revision],
    ["Revision", facts.dirtyRevision],
    ["Revisions", facts.revCount === undefined ? undefined : String(facts.revCount)],
    ["Last modified", facts.lastModified === undefined ? undefined : localTime(Number(facts.lastModified))],
    ["Fingerprint", facts.fingerprint],
  ];
  const lines = rows
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `${`${label}:`.padEnd(LABEL_WIDTH)}${value!}`);
  if (locked.locks.inputs.size > 0) lines.push("Inputs:", ...inputLines(locked.locks));
  return lines.join("\n");
}

const LABEL_WIDTH = "Last modified: ".length;
export const TREE_BRANCH: string = byteStringOfText("├───");
export const TREE_LAST: string = byteStringOfText("└───");
export const TREE_LINE: string = byteStringOfText("│   ");
export const TREE_BLANK = "    ";

function inputLines(root: LockNode): readonly string[] {
  const lines: string[] = [];
  const visited = new Set<LockNode>([root]);
  const visit = (node: LockNode, prefix: string): void => {
    const inputs = [...node.inputs].sort(([left], [right]) => (left < right ? -1 : 1));
    inputs.forEach(([name, edge], index) => {
      const isLast = index + 1 === inputs.length;
      const start = prefix + (isLast ? TREE_LAST : TREE_BRANCH) + name;
      if (!isLockNode(edge)) {
        lines.push(`${start} follows input '${edge.join("/")}'`);
        return;
      }
      const { locked } = edge.lock!;
      const modified = integerAttribute(locked.input, "lastModified");
      const date = modified === undefined ? "" : ` (${utcTime(Number(modified))})`;
      lines.push(`${start}: ${renderFlakeReference(locked)}${date}`);
      if (visited.has(edge)) return;
      visited.add(edge);
      visit(edge, prefix + (isLast ? TREE_BLANK : TREE_LINE));
    });
  };
  visit(root, "");
  return lines;
}

function utcTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, "YYYY-MM-DDTHH:MM:SS".length).replace("T", " ");
}

function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return utcTime(seconds - date.getTimezoneOffset() * 60);
}
