/** A real Nix fetches the same revisions of Mercurial repositories, and verifies the same commits of git. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleTree } from "../../scripts/oracle.ts";
import { unmetNeed } from "../support/needs.ts";
import type { FetchCase } from "./fetch-cases.ts";
import { compareFetches } from "./fetch-comparison.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-hg-")));
after(() => rmSync(directory, { recursive: true, force: true }));
const material = join(directory, "material");
mkdirSync(material);

function run(cwd: string, ...argv: readonly string[]): string {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    HGPLAIN: "",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.org",
  };
  return execFileSync(argv[0]!, argv.slice(1), { cwd, env, encoding: "utf8" }).trim();
}

interface MercurialRepository {
  readonly path: string;
  readonly first: string;
}

function makeMercurial(path: string): MercurialRepository {
  mkdirSync(join(path, "sub"), { recursive: true });
  const hg = (...args: string[]): string => run(path, "hg", "--config", "ui.username=a", ...args);
  hg("init");
  writeFileSync(join(path, "file"), "one\n");
  writeFileSync(join(path, "sub/run"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("file", join(path, "link"));
  hg("commit", "--addremove", "-m", "first", "-d", "1600000000 0");
  const first = hg("log", "-r", ".", "--template", "{node}");
  hg("branch", "other");
  writeFileSync(join(path, "file"), "two\n");
  hg("commit", "-m", "second", "-d", "1600000010 0");
  hg("tag", "-d", "1600000020 0", "v1");
  hg("update", "default");
  return { path, first };
}

const reason = existsSync(join(oracleTree(), "usr/bin/hg")) ? unmetNeed("hg") : "needs hg in the oracle's tree";
function mercurialCases(): Readonly<Record<string, FetchCase | string>> {
  const { path, first } = makeMercurial(join(material, "clean"));
  makeMercurial(join(material, "unclean"));
  const unclean = join(material, "unclean");
  writeFileSync(join(unclean, "file"), "changed\n");
  writeFileSync(join(unclean, "untracked"), "untracked\n");
  writeFileSync(join(unclean, "added"), "added\n");
  run(unclean, "hg", "add", "added");
  const fetched = (argument: string): string =>
    `let t = builtins.fetchMercurial ${argument}; in t // { outPath = null; path = t.outPath; files = all t.outPath; }`;
  return {
    "hg: a repository": fetched(path),
    "hg: as text": fetched(`"file://${path}"`),
    "hg: a revision": fetched(`{ url = ${path}; rev = "${first}"; }`),
    "hg: a branch": fetched(`{ url = ${path}; rev = "other"; name = "named"; }`),
    "hg: a tag": fetched(`{ url = ${path}; rev = "v1"; }`),
    "hg: pure, a revision": { expression: fetched(`{ url = "file://${path}"; rev = "${first}"; }`), pure: true },
    "hg: an unclean tree": fetched(`{ url = ${unclean}; }`),
    "hg: fetchTree": `show (builtins.fetchTree { type = "hg"; url = "file://${path}"; rev = "${first}"; })`,
    "hg: fetchTree as text": `show (builtins.fetchTree "hg+file://${path}?ref=other")`,
    "hg: fetchTree with a wrong hash": `builtins.fetchTree { type = "hg"; url = "file://${path}"; rev = "${first}"; narHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }`,
    "hg: a branch that is not there": {
      expression: fetched(`{ url = ${path}; rev = "absent"; }`),
      differs: /unknown revision 'absent'/,
    },
    "hg: a repository that is not there": {
      expression: fetched(`"${material}/absent"`),
      differs: /hg clone failed: abort: repository/,
    },
    "hg: a long revision": `builtins.fetchTree { type = "hg"; url = "file://${path}"; rev = "${"a".repeat(64)}"; }`,
  };
}

const unverified = unmetNeed("ssh-keygen");
function verifiedCases(): Readonly<Record<string, FetchCase | string>> {
  for (const name of ["key", "other"]) {
    run(material, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(material, name));
  }
  const keyOf = (name: string): string => run(material, "cat", `${name}.pub`).split(" ")[1]!;
  const repository = join(material, "signed");
  mkdirSync(repository);
  const git = (...args: string[]): string => run(repository, "git", ...args);
  const signing = ["-c", "gpg.format=ssh", "-c", `user.signingkey=${join(material, "key")}`];
  git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(repository, "file"), "unsigned\n");
  git("add", "file");
  git("commit", "--quiet", "-m", "unsigned");
  const unsigned = git("rev-parse", "HEAD");
  writeFileSync(join(repository, "file"), "signed\n");
  git(...signing, "commit", "--quiet", "-S", "-am", "signed");
  const rev = git("rev-parse", "HEAD");
  const features = "flakes verified-fetches";
  const url = `url = "file://${repository}";`;
  const fetched = (attributes: string): FetchCase => ({
    expression: `show (builtins.fetchGit { ${url} ${attributes} })`,
    features,
  });
  const failed = /^Commit signature verification on commit [0-9a-f]{40} failed:/;
  return {
    "verify: a signed commit": fetched(`rev = "${rev}"; publicKey = "${keyOf("key")}";`),
    "verify: one of several keys": fetched(
      `rev = "${rev}"; publicKeys = [ { type = "ssh-ed25519"; key = "${keyOf("other")}"; } { type = "ssh-ed25519"; key = "${keyOf("key")}"; } ];`,
    ),
    "verify: the work tree's commit": fetched(`publicKey = "${keyOf("key")}";`),
    "verify: not asked for": fetched(`rev = "${unsigned}"; publicKey = "${keyOf("key")}"; verifyCommit = false;`),
    "verify: an unsigned commit": {
      ...fetched(`rev = "${unsigned}"; publicKey = "${keyOf("key")}";`),
      differs: failed,
    },
    "verify: another key": { ...fetched(`rev = "${rev}"; publicKey = "${keyOf("other")}";`), differs: failed },
    "verify: a type that is none": {
      ...fetched(`rev = "${rev}"; publicKey = "${keyOf("key")}"; keytype = "ssh-none";`),
      differs: /^Invalid SSH key type 'ssh-none' in publicKeys\.\nPlease use one of:/,
    },
    "verify: without the feature": {
      expression: `show (builtins.fetchGit { ${url} rev = "${rev}"; publicKey = "${keyOf("key")}"; })`,
      features: "flakes",
    },
  };
}

await compareFetches(
  { ...(reason === false ? mercurialCases() : {}), ...(unverified === false ? verifiedCases() : {}) },
  { directory, from: material },
);
// Last, because what is skipped ends at once.
if (reason !== false) test("Mercurial", { skip: reason }, () => undefined);
if (unverified !== false) test("verified commits", { skip: unverified }, () => undefined);
