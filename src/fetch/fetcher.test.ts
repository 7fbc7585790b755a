/** Fetching from a server of our own and from repositories made here: what is asked of them, kept, and refused. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { InputAttribute, InputAttrs } from "../format/input/attributes.ts";
import { tarArchive, type TarMember } from "../../test/support/tar-archive.ts";
import { Fetcher } from "./fetcher.ts";
import type { FetchSettings } from "./fetch-settings.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-fetch-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const signal = AbortSignal.timeout(60_000);

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** What the server answers under each path, and what it was asked. */
const replies = new Map<string, (headers: NodeJS.Dict<string | string[]>) => Reply>();
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? "");
  const {
    status = 200,
    headers = {},
    body = "",
  } = replies.get(request.url ?? "")?.(request.headers) ?? { status: 404 };
  response.writeHead(status, headers).end(body);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => server.close().closeAllConnections());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

let caches = 0;

function fetcherWith(settings: Partial<FetchSettings> = {}, cache = `cache-${caches++}`): Fetcher {
  const env = { PATH: process.env["PATH"] ?? "", HOME: directory, XDG_CACHE_HOME: join(directory, cache) };
  return new Fetcher({
    storeDir: "/nix/store",
    baseDir: directory,
    env,
    settings: { downloadAttempts: 1, netrcFile: undefined, ...settings },
  });
}

function serve(path: string, body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): string {
  replies.set(path, () => ({ body, headers }));
  return url + path;
}

function input(attrs: Readonly<Record<string, InputAttribute>>): InputAttrs {
  return new Map(Object.entries(attrs));
}

const file = (path: string, contents = "x"): TarMember => ({ path, type: "0", contents });

async function treeOf(name: string, members: readonly TarMember[]): Promise<string> {
  const address = serve(`/${name}.tar`, tarArchive(members));
  const { localPath } = await fetcherWith().tree(input({ type: "tarball", url: address }), signal);
  return localPath!;
}

const hostile: Record<string, { readonly members: readonly TarMember[]; readonly refused: RegExp }> = {
  "a device": { members: [{ path: "d", type: "3" }], refused: /member 'd' is neither/ },
  "a pipe": { members: [{ path: "p", type: "6" }], refused: /member 'p' is neither/ },
  "git's own directory": { members: [file("a/.git/config")], refused: /git keeps for itself/ },
  "a file below a file": { members: [file("a"), file("a/b")], refused: /non-directory parent/ },
  "a file below a link": {
    members: [{ path: "a", type: "2", linkTarget: "/etc" }, file("a/passwd")],
    refused: /non-directory parent/,
  },
  "a hard link to nothing": { members: [{ path: "a", type: "1", linkTarget: "b" }], refused: /'\/b' does not exist/ },
  "a name that is too long": { members: [file("n".repeat(300))], refused: /too long/ },
  "a file at the root": { members: [file("./.")], refused: /at its root/ },
};

for (const [name, { members, refused }] of Object.entries(hostile)) {
  test(`an archive with ${name} is refused, and leaves nothing`, async () => {
    const cache = `hostile-${caches++}`;
    const address = serve(`/${encodeURIComponent(name)}.tar`, tarArchive(members));
    await assert.rejects(fetcherWith({}, cache).tree(input({ type: "tarball", url: address }), signal), refused);
    assert.deepEqual(readdirSync(join(directory, cache, "pristine/fetch/unfinished")), []);
    assert.ok(!existsSync(join(directory, cache, "pristine/fetch/trees")));
  });
}

test("names that lead out of an archive stay in it, and links are made last", async () => {
  const tree = await treeOf("escape", [
    file("../../outside", "1"),
    file("/absolute", "2"),
    { path: "link", type: "2", linkTarget: "../../etc/passwd" },
    { path: "hard", type: "1", linkTarget: "absolute" },
  ]);
  assert.deepEqual(readdirSync(tree).sort(), ["absolute", "hard", "link", "outside"]);
  assert.equal(readFileSync(join(tree, "hard"), "utf8"), "2");
  assert.equal(readlinkSync(join(tree, "link")), "../../etc/passwd");
});

test("a later member takes the place of an earlier one", async () => {
  const tree = await treeOf("twice", [file("other"), file("a/b"), file("a", "new"), file("other", "newer")]);
  assert.equal(readFileSync(join(tree, "a"), "utf8"), "new");
  assert.equal(readFileSync(join(tree, "other"), "utf8"), "newer");
});

test("an archive cut off at any block is refused", async () => {
  const archive = tarArchive([file("a", "y".repeat(2000))]);
  for (let end = 100; end < archive.length - 1024; end += 700) {
    const address = serve(`/cut-${end}.tar`, archive.subarray(0, end));
    await assert.rejects(fetcherWith().tree(input({ type: "tarball", url: address }), signal), /tar/);
  }
});

test("what is current is not asked for, and what may not be is asked for by its ETag", async () => {
  let version = 1;
  const conditions: unknown[] = [];
  replies.set("/etag.tar", (headers) => {
    conditions.push(headers["if-none-match"]);
    const etag = `"${version}"`;
    if (headers["if-none-match"] === etag) return { status: 304 };
    return { headers: { etag }, body: tarArchive([file("d/version", String(version))]) };
  });
  const fetchOnce = async (tarballTtl: number): Promise<string> => {
    const { localPath } = await fetcherWith({ tarballTtl }, "etag").tree(
      input({ type: "tarball", url: `${url}/etag.tar` }),
      signal,
    );
    return readFileSync(join(localPath!, "version"), "utf8");
  };
  assert.equal(await fetchOnce(3600), "1");
  version = 2;
  assert.equal(await fetchOnce(3600), "1");
  assert.equal(await fetchOnce(0), "2");
  assert.equal(await fetchOnce(0), "2");
  assert.deepEqual(conditions, [undefined, '"1"', '"2"']);
});

test("a file that cannot be asked for again is the one there was", async () => {
  serve("/flaky", "first");
  const request = { url: `${url}/flaky`, name: "flaky", unpack: false };
  const before = await fetcherWith({}, "flaky").file(request, signal);
  replies.set("/flaky", () => ({ status: 403 }));
  const now = await fetcherWith({ tarballTtl: 0 }, "flaky").file(request, signal);
  assert.equal(now.storePath, before.storePath);
  assert.deepEqual(now.warnings, [`unable to download '${url}/flaky': HTTP error 403; using cached version`]);
});

test("failures that may pass are tried again", async () => {
  let left = 1;
  replies.set("/busy", () => (left-- > 0 ? { status: 503 } : { body: "at last" }));
  const request = { url: `${url}/busy`, name: "busy", unpack: false };
  const { localPath } = await fetcherWith({ downloadAttempts: 2 }).file(request, signal);
  assert.equal(readFileSync(localPath!, "utf8"), "at last");
});

test("logins come from the address or from netrc", async () => {
  const seen: unknown[] = [];
  replies.set("/login", (headers) => {
    seen.push(headers["authorization"]);
    return { body: "in" };
  });
  const netrcFile = join(directory, "netrc");
  writeFileSync(netrcFile, '# ours\nmachine 127.0.0.1 login me password "se cret"\n');
  const ask = async (address: string): Promise<unknown> =>
    await fetcherWith({ netrcFile }).file({ url: address, name: "x", unpack: false }, signal);
  await ask(`${url}/login`);
  await ask(`${url.replace("://", "://you:pass%20word@")}/login`);
  const basic = (login: string): string => `Basic ${Buffer.from(login).toString("base64")}`;
  assert.deepEqual(seen, [basic("me:se cret"), basic("you:pass word")]);
});

const REVISION = "a".repeat(40);
const OTHER = "b".repeat(40);
const forges: Record<
  string,
  {
    readonly host: string;
    readonly refs: Readonly<Record<string, string>>;
    readonly archive: string;
    readonly token: [string, string, string];
  }
> = {
  github: {
    host: "github.example",
    refs: { "/api/v3/repos/o/r/commits/HEAD": JSON.stringify({ sha: REVISION }) },
    archive: `/api/v3/repos/o/r/tarball/${REVISION}`,
    token: ["secret", "authorization", "token secret"],
  },
  gitlab: {
    host: "gitlab.example",
    refs: { "/api/v4/projects/o%2Fr/repository/commits?ref_name=HEAD": JSON.stringify([{ id: REVISION }]) },
    archive: `/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=${REVISION}`,
    token: ["PAT:secret", "private-token", "secret"],
  },
  sourcehut: {
    host: "sr.example",
    refs: {
      "/o/r/HEAD": "ref: refs/heads/main\n",
      "/o/r/info/refs": `${OTHER}\trefs/heads/dev\n${REVISION}\trefs/heads/main\n`,
    },
    archive: `/o/r/archive/${REVISION}.tar.gz`,
    token: ["secret", "authorization", "Bearer secret"],
  },
};

for (const [type, { host, refs, archive, token }] of Object.entries(forges)) {
  test(`${type}: the branch, then the archive of its commit, once`, async () => {
    const headers: unknown[] = [];
    for (const [path, body] of Object.entries(refs)) serve(path, body);
    const body = gzipSync(tarArchive([{ ...file("r-aaaa/file", "here"), modifiedAt: 1234 }]));
    replies.set(archive, (got) => {
      headers.push(got[token[1]]);
      return { body };
    });
    const settings = {
      hostAddresses: new Map([[host, url]]),
      accessTokens: new Map([
        [host, "wrong"],
        [`${host}/o`, token[0]],
      ]),
    };
    asked.length = 0;
    const found = await fetcherWith(settings, type).tree(input({ type, owner: "o", repo: "r", host }), signal);
    assert.equal(readFileSync(join(found.localPath!, "file"), "utf8"), "here");
    assert.equal(found.attrs.get("rev"), REVISION);
    assert.equal(found.attrs.get("lastModified"), 1234);
    assert.ok(!found.attrs.has("ref"));
    assert.deepEqual(asked, [...Object.keys(refs), archive]);
    assert.deepEqual(headers, [token[2]]);
    const again = await fetcherWith(settings, type).tree(
      input({ type, owner: "o", repo: "r", host, rev: REVISION }),
      signal,
    );
    assert.equal(again.storePath, found.storePath);
    assert.equal(asked.length, Object.keys(refs).length + 1);
  });
}

function git(at: string, ...args: string[]): string {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_DATE: "1600000000 +0000",
    GIT_COMMITTER_DATE: "1600000000 +0000",
  };
  const identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
  return execFileSync("git", ["-C", at, ...identity, ...args], { env, encoding: "utf8" }).trim();
}

function makeRepository(name: string): string {
  const at = join(directory, name);
  mkdirSync(at);
  git(at, "init", "--quiet", "--initial-branch=main");
  writeFileSync(join(at, "file"), "committed\n");
  git(at, "add", ".");
  git(at, "commit", "--quiet", "-m", "one");
  return at;
}

test("git: no hook of the repository runs", async () => {
  const at = makeRepository("hooked");
  const ran = join(directory, "hook-ran");
  for (const hook of ["post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"]) {
    writeFileSync(join(at, ".git/hooks", hook), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
  }
  git(at, "config", "core.fsmonitor", join(at, ".git/hooks/fsmonitor-watchman"));
  rmSync(ran, { force: true });
  await fetcherWith().tree(input({ type: "git", url: `file://${at}`, exportIgnore: true }), signal);
  assert.ok(!existsSync(ran));
});

test("git: what is not git's is not taken, what is comes as it is now", async () => {
  const at = makeRepository("dirty");
  writeFileSync(join(at, "file"), "changed\n");
  writeFileSync(join(at, "secret"), "untracked\n");
  const found = await fetcherWith().tree(input({ type: "git", url: `file://${at}` }), signal);
  assert.deepEqual(readdirSync(found.localPath!), ["file"]);
  assert.equal(readFileSync(join(found.localPath!, "file"), "utf8"), "changed\n");
  assert.match(String(found.attrs.get("dirtyRev")), /^[0-9a-f]{40}-dirty$/);
  assert.deepEqual(found.warnings, [`Git tree '${at}' is dirty`]);
  const strict = fetcherWith({ allowDirty: false }).tree(input({ type: "git", url: `file://${at}` }), signal);
  await assert.rejects(strict, /is dirty/);
});

test("git: a branch is asked for again when its time is over, a gone server leaves what there was", async () => {
  const at = makeRepository("served");
  git(directory, "clone", "--quiet", "--bare", "served", "served.git");
  const bare = join(directory, "served.git");
  const fetchOnce = async (tarballTtl: number): ReturnType<Fetcher["tree"]> =>
    await fetcherWith({ tarballTtl }, "served-cache").tree(
      input({ type: "git", url: `file://${bare}`, ref: "main" }),
      signal,
    );
  const first = await fetchOnce(3600);
  writeFileSync(join(at, "file"), "second\n");
  git(at, "commit", "--quiet", "-am", "two");
  git(at, "push", "--quiet", bare, "main");
  assert.equal((await fetchOnce(3600)).attrs.get("rev"), first.attrs.get("rev"));
  const second = await fetchOnce(0);
  assert.notEqual(second.attrs.get("rev"), first.attrs.get("rev"));
  rmSync(join(bare, "refs"), { recursive: true });
  const third = await fetchOnce(0);
  assert.equal(third.attrs.get("rev"), second.attrs.get("rev"));
  assert.match(third.warnings.at(-1)!, /continuing with the most recent version/);
});

test("two at once fetch once", async () => {
  serve("/once.tar", tarArchive([file("d/x")]));
  asked.length = 0;
  const fetchers = [0, 1, 2, 3].map(() => fetcherWith({}, "at-once"));
  const found = await Promise.all(
    fetchers.map((one) => one.tree(input({ type: "tarball", url: `${url}/once.tar` }), signal)),
  );
  assert.equal(new Set(found.map(({ storePath }) => storePath)).size, 1);
  assert.deepEqual(asked, ["/once.tar"]);
});

test("a fetch ends when it is told to", async () => {
  replies.set("/never", () => ({ headers: { "content-length": "100" } }));
  const abort = new AbortController();
  const fetching = fetcherWith().file({ url: `${url}/never`, name: "x", unpack: false }, abort.signal);
  setTimeout(() => abort.abort(), 50);
  await assert.rejects(fetching);
});
