// Builds a host's /usr: directories merged from many packages, every file a link into its package.
// A link inside a package stays the link it is, so relative ones keep pointing into the merged tree.
// Deep directories of data that one package alone fills become one link, which keeps the tree small.
import * as std from "std";
import { Tree, fail, kindOf, nameOf, namesIn, readManifest, sameBytes, targetOf } from "./tree.js";

const { packages, alternatives, leftOut, foldBelow } = readManifest();
const tree = new Tree();
const conflicts = [];
const omitted = new Set(leftOut);

function same(one, other) {
  if (one.kind !== other.kind) return false;
  if (one.target === other.target) return true;
  return one.source !== undefined && other.source !== undefined && sameBytes(one.source, other.source);
}

function addDirectory(into, source, path, owner) {
  for (const name of namesIn(source)) {
    const from = `${source}/${name}`;
    const at = path === "" ? name : `${path}/${name}`;
    if (omitted.has(at)) continue;
    const kind = kindOf(from);
    const present = into.children.get(name);
    if (kind === "directory") {
      const directory = present ?? { kind, owner, children: new Map(), sources: [] };
      if (directory.kind !== "directory") {
        conflicts.push(`${at}: a directory in ${nameOf(owner)}, but not in ${nameOf(directory.owner)}`);
        continue;
      }
      directory.sources.push(from);
      into.children.set(name, directory);
      addDirectory(directory, from, at, owner);
      continue;
    }
    const entry =
      kind === "link"
        ? { kind: "link", owner, target: targetOf(from) }
        : { kind: "link", owner, target: from, source: from };
    if (present === undefined) into.children.set(name, entry);
    else if (!same(present, entry)) conflicts.push(`${at}: both in ${nameOf(present.owner)} and in ${nameOf(owner)}`);
  }
}

for (const path of packages) addDirectory(tree.root, `${path}/usr`, "", path);

if (conflicts.length > 0) {
  fail(
    `packages that cannot be on one host together:\n${conflicts.map((line) => `  /usr/${line}\n`).join("")}` +
      "Remove one of them from the host's packages.",
  );
}

// Every host has these, whatever its packages.
for (const name of ["bin", "sbin", "lib", "lib64", "share"]) tree.directory(name, "");

for (const path of Object.keys(alternatives).sort()) {
  if (tree.find(path) !== undefined) continue;
  const slash = path.lastIndexOf("/");
  const chosen = alternatives[path].find((name) => tree.find(`${path.slice(0, slash)}/${name}`) !== undefined);
  if (chosen !== undefined) {
    tree
      .directory(path.slice(0, slash), "")
      .children.set(path.slice(slash + 1), { kind: "link", owner: "", target: chosen });
  }
}

/** Whether every relative link below a directory stays below it. */
function isSelfContained(directory, depth) {
  for (const entry of directory.children.values()) {
    if (entry.kind === "directory") {
      if (!isSelfContained(entry, depth + 1)) return false;
    } else if (!entry.target.startsWith("/")) {
      const up = entry.target.split("/").filter((part) => part === "..").length;
      if (up > depth) return false;
    }
  }
  return true;
}

function fold(directory, path) {
  for (const [name, entry] of directory.children) {
    if (entry.kind !== "directory") continue;
    const inside = foldBelow.some((parent) => path === parent || path.startsWith(`${parent}/`));
    if (inside && entry.sources?.length === 1 && isSelfContained(entry, 0)) {
      directory.children.set(name, { kind: "link", owner: entry.owner, target: entry.sources[0] });
    } else {
      fold(entry, path === "" ? name : `${path}/${name}`);
    }
  }
}
fold(tree.root, "");

tree.write(std.getenv("out"));
