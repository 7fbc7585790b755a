/** Things to fetch: repositories and archives made with the ordinary programs, and a server that gives them out. */

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const WHEN = 1_600_000_000;

const GIT_ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "c",
  GIT_COMMITTER_EMAIL: "c@example.org",
};

function git(directory: string, second: number, ...args: string[]): string {
  const date = `${WHEN + second} +0000`;
  const env = { ...GIT_ENVIRONMENT, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  return execFileSync("git", ["-C", directory, "-c", "protocol.file.allow=always", ...args], {
    env,
    encoding: "utf8",
  }).trim();
}

function write(path: string, contents: string, mode = 0o644): void {
  writeFileSync(path, contents);
  chmodSync(path, mode);
  utimesSync(path, WHEN, WHEN);
}

/** A tree with every kind of file: executables, links, empty directories, names that are not ASCII. */
function makeTree(root: string): void {
  mkdirSync(join(root, "sub/empty"), { recursive: true });
  write(join(root, "default.nix"), "{ answer = 42; }\n");
  write(join(root, "sub/run.sh"), "#!/bin/sh\n", 0o755);
  write(join(root, "sub/ünï code"), "x\n");
  write(join(root, "empty"), "");
  symlinkSync("sub/run.sh", join(root, "link"));
  symlinkSync("/nowhere", join(root, "absolute"));
  for (const directory of ["sub/empty", "sub", "."]) utimesSync(join(root, directory), WHEN, WHEN);
}

export interface Repository {
  readonly path: string;
  readonly first: string;
  readonly second: string;
  /** A commit that only a branch has. */
  readonly branch: string;
}

function makeRepository(path: string): Repository {
  mkdirSync(join(path, "sub"), { recursive: true });
  git(path, 0, "init", "--quiet", "--initial-branch=main");
  write(join(path, "file"), "one\n");
  write(join(path, "sub/run"), "#!/bin/sh\n", 0o755);
  write(join(path, "ignored"), "not exported\n");
  write(join(path, ".gitattributes"), "ignored export-ignore\nsub/deep export-ignore\n");
  symlinkSync("file", join(path, "link"));
  mkdirSync(join(path, "sub/deep"));
  write(join(path, "sub/deep/x"), "x\n");
  git(path, 0, "add", "--all");
  git(path, 10, "commit", "--quiet", "-m", "first");
  const first = git(path, 0, "rev-parse", "HEAD");
  git(path, 0, "tag", "-a", "-m", "annotated", "v1");
  git(path, 0, "checkout", "--quiet", "-b", "other");
  write(join(path, "file"), "on a branch\n");
  git(path, 20, "commit", "--quiet", "-am", "branch");
  const branch = git(path, 0, "rev-parse", "HEAD");
  git(path, 0, "checkout", "--quiet", "main");
  write(join(path, "file"), "two\n");
  git(path, 30, "commit", "--quiet", "-am", "second");
  return { path, first, second: git(path, 0, "rev-parse", "HEAD"), branch };
}

/** A work tree with every way to be dirty. */
function makeDirty(path: string): void {
  makeRepository(path);
  write(join(path, "file"), "changed\n");
  write(join(path, "untracked"), "untracked\n");
  write(join(path, "intended"), "intended\n");
  git(path, 0, "add", "--intent-to-add", "intended");
  write(join(path, "staged"), "staged\n");
  git(path, 0, "add", "staged");
  execFileSync("rm", [join(path, "sub/run")]);
}

export interface Material {
  readonly directory: string;
  readonly url: string;
  readonly repository: Repository;
  readonly outer: Repository;
  close(): Promise<void>;
}

/** Makes everything below `directory`, an empty one. */
export async function makeMaterial(directory: string): Promise<Material> {
  const tree = join(directory, "tree");
  makeTree(tree);
  const run = (...argv: string[]): void => void execFileSync(argv[0]!, argv.slice(1), { cwd: directory });
  const tar = (name: string, ...args: string[]): void => run("tar", "--owner=0", "--group=0", "-cf", name, ...args);
  tar("plain.tar", "tree");
  tar("flat.tar", "-C", "tree", ".");
  tar("pax.tar", "--format=pax", "tree");
  tar("v7.tar", "--format=v7", "--exclude=ünï*", "tree");
  tar("two.tar", "tree/default.nix", "tree/sub");
  tar("one-file.tar", "-C", "tree", "default.nix");
  mkdirSync(join(directory, "long", "d".repeat(120), "e".repeat(120)), { recursive: true });
  write(join(directory, "long", "d".repeat(120), "e".repeat(120), "f".repeat(150)), "deep\n");
  tar("long.tar", "long");
  mkdirSync(join(directory, "hard"));
  write(join(directory, "hard/a"), "same\n");
  run("ln", "hard/a", "hard/b");
  tar("hard.tar", "hard");
  tar("escape.tar", "--absolute-names", "--transform=s,^tree,../../../tree,", "tree");
  mkdirSync(join(directory, "dotgit/.git"), { recursive: true });
  write(join(directory, "dotgit/.git/config"), "x\n");
  tar("dotgit.tar", "dotgit");
  run("mkfifo", "pipe");
  tar("fifo.tar", "pipe");
  for (const [program, suffix] of [
    ["gzip", "gz"],
    ["bzip2", "bz2"],
    ["xz", "xz"],
    ["zstd", "zst"],
  ] as const) {
    run("sh", "-c", `${program} -qck plain.tar > plain.tar.${suffix}`);
  }
  run("sh", "-c", "head -c 2000 plain.tar.gz > cut.tar.gz; head -c 3000 plain.tar > cut.tar; : > nothing.tar");
  run("sh", "-c", "cd tree && zip -qry ../tree.zip . -x '*ünï*' && cd .. && zip -qry single.zip tree -x '*ünï*'");
  write(join(directory, "text"), "just text\n");
  const repository = makeRepository(join(directory, "repository"));
  makeDirty(join(directory, "dirty"));
  run("git", "clone", "--quiet", "--bare", "repository", "bare.git");
  run("git", "init", "--quiet", "--initial-branch=main", "unborn");
  write(join(directory, "unborn/file"), "new\n");
  git(join(directory, "unborn"), 0, "add", "file");
  const outer = makeRepository(join(directory, "outer"));
  git(outer.path, 0, "submodule", "--quiet", "add", `file://${repository.path}`, "inner");
  git(outer.path, 40, "commit", "--quiet", "-m", "submodule");
  const server = await serve(directory);
  const { port } = server.address() as AddressInfo;
  return {
    directory,
    url: `http://127.0.0.1:${port}`,
    repository,
    outer: { ...outer, second: git(outer.path, 0, "rev-parse", "HEAD") },
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}

/** Files by name; below `/redirect/` by a detour, below `/immutable/` with an address that never changes. */
async function serve(directory: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const [, kind, name] = /^\/(redirect|immutable|missing)\/(.*)$/.exec(path) ?? ["", "", path.slice(1)];
    if (kind === "redirect") {
      response.writeHead(302, { location: `/${name}` }).end();
      return;
    }
    try {
      const bytes = readFileSync(join(directory, name ?? ""));
      const link = `<http://${request.headers.host}/${name}?rev=${"a".repeat(40)}&revCount=7>; rel="immutable"`;
      response.writeHead(200, { etag: `"${bytes.length}"`, ...(kind === "immutable" ? { link } : {}) }).end(bytes);
    } catch {
      response.writeHead(404).end("nothing here");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
