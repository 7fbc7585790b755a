// Builds a host's system: etc/ complete, usr as a relative link, init (stage 2) and meta.json.
// What packages bring in their etc/ is linked; what the declaration says wins over it.
import * as std from "std";
import { Tree, bytesOf, fail, isExecutable, kindOf, nameOf, namesIn, readManifest, targetOf } from "./tree.js";

const { engine, etc, init, meta, packages, usr, withoutEtc } = readManifest();
const leftOut = new Set(withoutEtc);
const tree = new Tree();
const etcRoot = tree.directory("etc", "");

function addPackageFiles(into, source, path, owner) {
  for (const name of namesIn(source)) {
    const at = path === "" ? name : `${path}/${name}`;
    if (leftOut.has(at)) continue;
    const from = `${source}/${name}`;
    const kind = kindOf(from);
    const present = into.children.get(name);
    if (kind === "directory") {
      const directory = present ?? { kind, owner, children: new Map() };
      if (directory.kind !== "directory")
        fail(`/etc/${at}: a directory in ${nameOf(owner)}, but not in ${nameOf(directory.owner)}`);
      into.children.set(name, directory);
      addPackageFiles(directory, from, at, owner);
    } else if (present === undefined) {
      into.children.set(name, { kind: "link", owner, target: kind === "link" ? targetOf(from) : from });
    } else {
      fail(`/etc/${at}: both in ${nameOf(present.owner)} and in ${nameOf(owner)}`);
    }
  }
}

/** Copies a file or directory of the store, links as they are. */
function copied(source, executable) {
  const kind = kindOf(source);
  if (kind === "link") return { kind, owner: source, target: targetOf(source) };
  if (kind === "file")
    return { kind, owner: source, content: bytesOf(source), executable: executable ?? isExecutable(source) };
  if (kind === undefined) fail(`${source} does not exist`);
  const children = new Map();
  for (const name of namesIn(source)) children.set(name, copied(`${source}/${name}`));
  return { kind, owner: source, children };
}

function declared(path, file) {
  if (file.link !== undefined) return { kind: "link", owner: "the declaration", target: file.link };
  const mode = file.mode ?? "symlink";
  const executable = mode === "symlink" ? undefined : (Number.parseInt(mode, 8) & 0o111) !== 0;
  if (file.text !== undefined && file.text !== null) {
    return { kind: "file", owner: "the declaration", content: file.text, executable: executable ?? false };
  }
  if (mode !== "symlink") return copied(file.source, executable);
  // A path outside the store is the host's, and cannot be seen here.
  if (file.source.startsWith("/nix/store/") && kindOf(file.source) === undefined)
    fail(`/etc/${path}: its source ${file.source} does not exist`);
  return { kind: "link", owner: "the declaration", target: file.source };
}

for (const path of packages) addPackageFiles(etcRoot, `${path}/etc`, "", path);

for (const path of Object.keys(etc).sort()) {
  const slash = path.lastIndexOf("/");
  const directory = tree.directory(slash < 0 ? "etc" : `etc/${path.slice(0, slash)}`, "the declaration");
  if (directory === undefined) fail(`/etc/${path}: something that is not a directory is in the way`);
  const name = path.slice(slash + 1);
  const present = directory.children.get(name);
  const entry = declared(path, etc[path]);
  if (present !== undefined && present.owner === "the declaration") {
    if (present.kind !== "directory" || entry.kind !== "directory")
      fail(`/etc/${path}: declared twice, as a file and as a directory`);
  }
  directory.children.set(name, entry);
}

// Directories that only left-out files were in would say nothing.
function prune(directory) {
  for (const [name, entry] of directory.children) {
    if (entry.kind !== "directory") continue;
    prune(entry);
    if (entry.children.size === 0) directory.children.delete(name);
  }
}
prune(etcRoot);

if (engine === undefined) {
  const farm = usr.slice(usr.lastIndexOf("/") + 1);
  tree.root.children.set("usr", { kind: "link", owner: "", target: `../${farm}` });
  tree.root.children.set("init", { kind: "file", owner: "", content: init, executable: true });
} else tree.root.children.set("engine", { kind: "link", owner: "", target: engine });
// What tools of Nix's start on a host once they have copied a system there.
tree.directory("bin", "").children.set("switch-to-configuration", {
  kind: "file",
  owner: "",
  content: `#!/bin/sh
kit=/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit
if ! [ -x "$kit" ]; then
  echo "there is no $kit: the first deployment, by pristine, brings it" >&2
  exit 1
fi
self=$(readlink -f "$0")
exec "$kit" switch "\${self%/bin/*}" "$@"
`,
  executable: true,
});
tree.root.children.set("meta.json", {
  kind: "file",
  owner: "",
  content: `${JSON.stringify(meta, null, 2)}\n`,
  executable: false,
});
tree.write(std.getenv("out"));
