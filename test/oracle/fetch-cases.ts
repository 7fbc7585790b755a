/** What is fetched from the material; a case is an expression, alone or with how it is evaluated. */

import type { Material } from "./fetch-material.ts";

export interface FetchCase {
  readonly expression: string;
  readonly pure?: boolean;
  readonly features?: string;
  /** What our refusal says where the real Nix's words come from a library. */
  readonly differs?: RegExp;
}

const ZEROS = "0".repeat(52);
const EMPTY_SRI = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

export function FETCH_CASES(material: Material): Readonly<Record<string, FetchCase | string>> {
  const { directory, url } = material;
  const archive = (name: string): string => `tree (fetchTarball "${url}/${name}")`;
  return {
    "fetchurl: a file": `file (builtins.fetchurl "${url}/text")`,
    "fetchurl: by name": `file (builtins.fetchurl { url = "${url}/text"; name = "other"; })`,
    "fetchurl: redirected": `file (builtins.fetchurl "${url}/redirect/text")`,
    "fetchurl: a wrong hash": `builtins.fetchurl { url = "${url}/text"; sha256 = "${ZEROS}"; }`,
    "fetchurl: file://": `file (builtins.fetchurl "file://${directory}/text")`,
    "fetchurl: nothing there": `builtins.fetchurl "${url}/absent"`,
    "fetchurl: an unknown argument": `builtins.fetchurl { url = "${url}/text"; sha1 = "x"; }`,
    "fetchurl: no url": `builtins.fetchurl { name = "x"; }`,
    "fetchurl: a bad name": `builtins.fetchurl "${url}/a%20b"`,
    "fetchurl: pure without a hash": { expression: `builtins.fetchurl "${url}/text"`, pure: true },
    "fetchurl: nobody answers": {
      expression: `builtins.fetchurl "http://127.0.0.1:1/x"`,
      differs: /^unable to download 'http:\/\/127\.0\.0\.1:1\/x': /,
    },
    "tarball: plain": archive("plain.tar"),
    "tarball: flat": archive("flat.tar"),
    "tarball: pax": archive("pax.tar"),
    "tarball: v7": archive("v7.tar"),
    "tarball: two members": archive("two.tar"),
    "tarball: one file": archive("one-file.tar"),
    "tarball: long names": archive("long.tar"),
    "tarball: hard links": archive("hard.tar"),
    "tarball: names that lead out": archive("escape.tar"),
    "tarball: gzip": archive("plain.tar.gz"),
    "tarball: bzip2": archive("plain.tar.bz2"),
    "tarball: xz": archive("plain.tar.xz"),
    "tarball: zstd": archive("plain.tar.zst"),
    "tarball: empty": archive("nothing.tar"),
    "tarball: zip": archive("tree.zip"),
    "tarball: zip of a directory": archive("single.zip"),
    "tarball: redirected": archive("redirect/plain.tar.gz"),
    "tarball: by name": `tree (fetchTarball { url = "${url}/plain.tar"; name = "named"; })`,
    "tarball: imported": `import (fetchTarball "${url}/plain.tar.gz")`,
    "tarball: a wrong hash": `fetchTarball { url = "${url}/plain.tar"; sha256 = "${ZEROS}"; }`,
    "tarball: cut off": { expression: archive("cut.tar"), differs: /ends within a member/ },
    "tarball: compressed and cut off": { expression: archive("cut.tar.gz"), differs: /gzip cannot decompress/ },
    "tarball: no archive": { expression: archive("text"), differs: /tar/ },
    "tarball: a pipe in it": { expression: archive("fifo.tar"), differs: /member 'pipe' is neither/ },
    "tarball: git's own name in it": { expression: archive("dotgit.tar"), differs: /git keeps for itself/ },
    "tarball: a directory": `fetchTarball "file://${directory}/tree"`,
    "tarball: a repository": `fetchTarball "file://${directory}/repository"`,
    "tarball: absent": `fetchTarball "file://${directory}/absent"`,
    "tarball: nothing there": `fetchTarball "${url}/absent.tar"`,
    "tarball: pure without a hash": { expression: `fetchTarball "${url}/plain.tar"`, pure: true },
    "fetchTree: tarball": `show (builtins.fetchTree { type = "tarball"; url = "${url}/plain.tar"; })`,
    "fetchTree: tarball as text": `show (builtins.fetchTree "${url}/plain.tar")`,
    "fetchTree: immutable": `show (builtins.fetchTree "${url}/immutable/plain.tar")`,
    "fetchTree: tarball with a wrong hash": `builtins.fetchTree { type = "tarball"; url = "${url}/plain.tar"; narHash = "${EMPTY_SRI}"; }`,
    "fetchTree: tarball of another time": `builtins.fetchTree { type = "tarball"; url = "${url}/plain.tar"; lastModified = 3; }`,
    "fetchTree: tarball with a revision": `show (builtins.fetchTree { type = "tarball"; url = "${url}/plain.tar"; rev = "${"b".repeat(40)}"; })`,
    "fetchTree: file": `let t = builtins.fetchTree { type = "file"; url = "${url}/text"; }; in t // { text = builtins.readFile t.outPath; outPath = null; path = "\${t}"; }`,
    "fetchTree: file with a wrong hash": `builtins.fetchTree { type = "file"; url = "${url}/text"; narHash = "${EMPTY_SRI}"; }`,
    "fetchTree: path": `show (builtins.fetchTree { type = "path"; path = "${directory}/tree"; })`,
    "fetchTree: path as text": `show (builtins.fetchTree "path:${directory}/tree?lastModified=5&rev=${"c".repeat(40)}")`,
    "fetchTree: path with a wrong hash": `builtins.fetchTree { type = "path"; path = "${directory}/tree"; narHash = "${EMPTY_SRI}"; }`,
    "fetchTree: a path that is not there": {
      expression: `builtins.fetchTree { type = "path"; path = "${directory}/absent"; }`,
      differs: /does not exist/,
    },
    "fetchTree: a relative path": `builtins.fetchTree { type = "path"; path = "./tree"; }`,
    "fetchTree: of a path in the store": `show (builtins.fetchTree { type = "path"; path = (builtins.fetchTree { type = "path"; path = "${directory}/tree"; }).outPath; })`,
    "fetchTree: no type": `builtins.fetchTree { url = "x"; }`,
    "fetchTree: an unknown type": `builtins.fetchTree { type = "x"; }`,
    "fetchTree: an unknown attribute": `builtins.fetchTree { type = "tarball"; url = "x"; a = 1; }`,
    "fetchTree: a list": `builtins.fetchTree { type = "tarball"; url = [ ]; }`,
    "fetchTree: a name": `builtins.fetchTree { type = "git"; url = "x"; name = "y"; }`,
    "fetchTree: pure and unlocked": { expression: `builtins.fetchTree "${url}/plain.tar"`, pure: true },
    "fetchTree: final": `builtins.fetchTree { type = "path"; path = "${directory}/tree"; __final = true; }`,
    "fetchTree: text without flakes": { expression: `builtins.fetchTree "${url}/plain.tar"`, features: "fetch-tree" },
    "fetchTree: a path without flakes": {
      expression: `builtins.fetchTree { type = "path"; path = "${directory}/tree"; }`,
      features: "fetch-tree",
    },
    "fetchTree: not there": { expression: `builtins ? fetchTree`, features: "nix-command" },
  };
}
