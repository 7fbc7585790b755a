/** Locking against a small signed archive (`test/vectors/debian-archive`), whole and damaged. */

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unmetNeed } from "../../../test/support/needs.ts";
import { memoryTreeSource } from "../../format/memory-tree.ts";
import { narHash } from "../../format/nar.ts";
import { archiveSources, parseAptSources } from "./apt-sources.ts";
import { parseLock, renderLock } from "./lock-file.ts";
import { type IndexOptions, type LockEvent, lockFleet, type LockOutcome } from "./lock.ts";
import { PackageIndex } from "./suite-packages.ts";
import { resolvePackages } from "./resolve.ts";

const ARCHIVE = join(import.meta.dirname, "../../../test/vectors/debian-archive");
const skip = unmetNeed("xz", "gpgv");
const directories: string[] = [];
after(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

interface Place {
  readonly root: string;
  readonly events: LockEvent[];
  lock(options?: Partial<IndexOptions> & { readonly names?: readonly string[] }): Promise<LockOutcome>;
}

/** A copy of the archive, with a cache and a place for the lock. */
function place(): Place {
  const root = mkdtempSync(join(tmpdir(), "pristine-lock-test-"));
  directories.push(root);
  cpSync(ARCHIVE, root, { recursive: true });
  const events: LockEvent[] = [];
  return {
    root,
    events,
    lock: ({ names = ["app"], ...options } = {}) =>
      lockFleet({
        lockPath: `${root}/fleet/pristine.lock`,
        architectures: ["amd64"],
        mirror: `file://${root}/mirror`,
        securityMirror: `file://${root}/security`,
        keyring: `${root}/keyring.gpg`,
        env: { XDG_CACHE_HOME: `${root}/cache` },
        now: new Date("2026-11-20T00:00:00Z"),
        checkValidUntil: true,
        signal: AbortSignal.timeout(30_000),
        onEvent: (event) => events.push(event),
        namesOf: () => Promise.resolve({ amd64: names }),
        ...options,
      }),
  };
}

/** Changes files below the archive whose path matches. */
function damage(root: string, pattern: RegExp, change: (bytes: Buffer) => Buffer): void {
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    const path = join(root, name);
    if (pattern.test(name) && statSync(path).isFile()) writeFileSync(path, change(readFileSync(path)));
  }
}

const lastByte = (bytes: Buffer): Buffer => Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]);

test("the newest of all sources is locked, with its closure, deterministically", { skip }, async () => {
  const here = place();
  const { lock, changes } = await here.lock();
  const packages = lock.architectures["amd64"]!;
  assert.deepEqual(
    Object.entries(packages).map(([name, entry]) => [name, entry.version, entry.source, entry.depends]),
    [
      ["app", "1.0-1+deb13u1", 2, ["exim", "libfoo"]],
      ["exim", "4", 0, []],
      ["libfoo", "2.0+u1", 1, []],
    ],
  );
  assert.equal(changes.length, 3);
  const text = readFileSync(`${here.root}/fleet/pristine.lock`, "utf8");
  assert.equal(text, renderLock(parseLock(text)));
  assert.deepEqual(Object.keys(JSON.parse(text) as object), [
    "architectures",
    "bootstrap",
    "sources",
    "suite",
    "version",
  ]);
  assert.deepEqual(
    lock.sources.map(({ suite, component, date }) => [suite, component, date]),
    ["trixie", "trixie-updates", "trixie-security"].map((suite) => [suite, "main", "Sat, 14 Nov 2026 08:00:00 UTC"]),
  );
  const again = await here.lock();
  assert.deepEqual(again.changes, []);
  assert.equal(readFileSync(`${here.root}/fleet/pristine.lock`, "utf8"), text);
});

test("the bootstrap directory holds one executable, and the lock its hash", { skip }, async () => {
  const here = place();
  const { lock } = await here.lock();
  const directory = `${here.root}/fleet/${lock.bootstrap["amd64"]!.path}`;
  assert.deepEqual(readdirSync(directory), ["busybox"]);
  assert.equal(statSync(`${directory}/busybox`).mode & 0o777, 0o755);
  const contents = readFileSync(`${directory}/busybox`);
  const entries = new Map([["busybox", { type: "regular" as const, executable: true, contents }]]);
  const { hash } = narHash(memoryTreeSource({ type: "directory", entries }));
  assert.equal(lock.bootstrap["amd64"]!.narHash, hash.toSri());
});

test("an offline run needs only the cache, and the cache", { skip }, async () => {
  const here = place();
  await assert.rejects(here.lock({ offline: true }), { code: "LOCK_NOT_CACHED" });
  const { lock } = await here.lock();
  rmSync(`${here.root}/mirror`, { recursive: true });
  rmSync(`${here.root}/security`, { recursive: true });
  assert.deepEqual((await here.lock({ offline: true })).lock, lock);
});

test("a mirror that is unreachable: the cache with a warning, without a cache an error", { skip }, async () => {
  const here = place();
  const nowhere = "http://127.0.0.1:1";
  await assert.rejects(here.lock({ mirror: nowhere }), { code: "LOCK_MIRROR_UNREACHABLE", message: /127\.0\.0\.1:1/ });
  assert.ok(!existsSync(`${here.root}/fleet/pristine.lock`));
});

const refused: Record<
  string,
  {
    readonly pattern?: RegExp;
    readonly change?: (bytes: Buffer) => Buffer;
    readonly options?: (root: string) => Partial<IndexOptions> & { readonly names?: readonly string[] };
    readonly code: string;
    readonly message: RegExp;
  }
> = {
  "a changed InRelease": {
    pattern: /^mirror\/dists\/trixie\/InRelease$/,
    change: (bytes) => Buffer.from(bytes.toString("latin1").replace("Origin: Test", "Origin: Tesr"), "latin1"),
    code: "LOCK_BAD_SIGNATURE",
    message: /trixie\/InRelease has a bad signature/,
  },
  "an InRelease that is a login page": {
    pattern: /InRelease$/,
    change: () => Buffer.from("<html>please log in</html>"),
    code: "LOCK_BAD_SIGNATURE",
    message: /no signature that can be read/,
  },
  "text added before the signed part": {
    pattern: /^mirror\/dists\/trixie\/InRelease$/,
    change: (bytes) => Buffer.concat([Buffer.from("Codename: trixie\n"), lastByte(bytes).subarray(0, 100)]),
    code: "LOCK_BAD_SIGNATURE",
    message: /no signature/,
  },
  "an unknown key": {
    options: (root) => ({ keyring: `${root}/other-keyring.gpg` }),
    code: "LOCK_UNKNOWN_KEY",
    message: /signed by a key that is not in/,
  },
  "no keyring": { options: () => ({ keyring: "/nonexistent.gpg" }), code: "LOCK_NO_KEYRING", message: /is missing/ },
  "a changed index": {
    pattern: /^security.*by-hash\/SHA256/,
    change: lastByte,
    code: "LOCK_HASH_MISMATCH",
    message: /expected SHA256 41aa/,
  },
  "a changed package": {
    pattern: /\.deb$/,
    change: lastByte,
    code: "LOCK_HASH_MISMATCH",
    message: /busybox-static_1_amd64\.deb/,
  },
  "a longer package": {
    pattern: /\.deb$/,
    change: (bytes) => Buffer.concat([bytes, bytes]),
    code: "DOWNLOAD_TOO_LARGE",
    message: /larger than the 528 bytes/,
  },
  "another suite": { options: () => ({ suite: "forky" }), code: "LOCK_NO_SUITE", message: /has no suite 'forky/ },
  "an old Release": {
    options: () => ({ now: new Date("2026-11-22T00:00:00Z") }),
    code: "LOCK_RELEASE_EXPIRED",
    message: /valid until Sat, 21 Nov 2026/,
  },
  "an architecture without index": {
    options: () => ({ architectures: ["arm64"] }),
    code: "LOCK_NO_ARCHITECTURE",
    message: /binary-arm64/,
  },
  "a name that does not exist": {
    options: () => ({ names: ["libfo"] }),
    code: "LOCK_PACKAGE_MISSING",
    message: /no package 'libfo'\. Did you mean libfoo\?/,
  },
  "a virtual name": {
    options: () => ({ names: ["mta"] }),
    code: "LOCK_PACKAGE_MISSING",
    message: /virtual package: name one of exim, postfix/,
  },
};
for (const [name, { pattern, change, options, code, message }] of Object.entries(refused)) {
  test(`refused, and nothing written: ${name}`, { skip }, async () => {
    const here = place();
    if (pattern !== undefined) damage(here.root, pattern, change!);
    await assert.rejects(here.lock(options?.(here.root)), { code, message });
    assert.ok(!existsSync(`${here.root}/fleet`));
  });
}

test("conflicts within the lock are told, because hosts differ", { skip }, async () => {
  const here = place();
  await here.lock({ names: ["exim", "postfix"] });
  const warnings = here.events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));
  assert.deepEqual(warnings, [
    "exim and postfix do not go together on one host (Conflicts: mta)",
    "postfix and exim do not go together on one host (Conflicts: mta)",
  ]);
});

test("a mirror that went back in time is told", { skip }, async () => {
  const here = place();
  await here.lock();
  const path = `${here.root}/fleet/pristine.lock`;
  writeFileSync(path, readFileSync(path, "utf8").replaceAll("14 Nov 2026", "15 Nov 2026"));
  await here.lock();
  assert.match(
    here.events.map((event) => (event.kind === "warning" ? event.message : "")).join(),
    /older than the lock it replaces/,
  );
});

function index(text: string): PackageIndex {
  const packages = new PackageIndex();
  const stanzas = text
    .trim()
    .split("\n")
    .map((line) => {
      const [head, ...fields] = line.trim().split("; ");
      const [name, version] = head!.split(" ");
      return [
        `Package: ${name}`,
        `Version: ${version}`,
        ...fields,
        `Filename: pool/${name}.deb`,
        "Size: 1",
        `SHA256: ${"0".repeat(64)}`,
      ].join("\n");
    });
  packages.add(stanzas.join("\n\n"), 0);
  return packages;
}

const resolutions: readonly (readonly [string, string, readonly string[], string])[] = [
  ["the first alternative that exists", "a 1; Depends: gone | b | c\n b 1\n c 1", ["a"], "a(b) b"],
  [
    "an alternative that is there anyway",
    "a 1; Depends: b | c\n b 1\n c 1\n d 1; Depends: c",
    ["a", "d"],
    "a(c) c d(c)",
  ],
  ["an alternative that is asked for", "a 1; Depends: b | c\n b 1\n c 1", ["c", "a"], "a(c) c"],
  ["a version that is new enough", "a 1; Depends: b (>= 2) | c (= 1)\n b 1\n c 1", ["a"], "a(c) c"],
  [
    "a provider for a virtual package, the most fundamental one",
    "a 1; Depends: v\n x 1; Provides: v\n z 1; Provides: v; Priority: required",
    ["a"],
    "a(z) z",
  ],
  [
    "a versioned provider for a versioned need",
    "a 1; Depends: v (>= 2)\n x 1; Provides: v\n y 1; Provides: v (= 3)",
    ["a"],
    "a(y) y",
  ],
  [
    "a real package before those that provide it",
    "a 1; Depends: v\n v 1\n w 1; Provides: v; Priority: required",
    ["a"],
    "a(v) v",
  ],
  ["pre-dependencies, any qualifier, cycles", "a 1; Pre-Depends: b:any\n b 1; Depends: a", ["a"], "a(b) b(a)"],
  [
    "what maintainer scripts need is left out",
    "a 1; Depends: debconf (>= 0.5) | debconf-2.0, ucf, b\n b 1\n debconf 1\n ucf 1",
    ["a"],
    "a(b) b",
  ],
  ["but taken when asked for", "a 1; Depends: ucf\n ucf 1", ["a", "ucf"], "a(ucf) ucf"],
  ["a package that provides what it needs", "a 1; Depends: v; Provides: v", ["a"], "a"],
  ["a need that no recommendation extends", "a 1; Recommends: b\n b 1", ["a"], "a"],
];
for (const [name, text, names, expected] of resolutions) {
  test(`resolution: ${name}`, () => {
    const { packages } = resolvePackages(index(text), names);
    const shown = [...packages].map(([key, { depends }]) => key + (depends.length > 0 ? `(${depends.join(" ")})` : ""));
    assert.equal(shown.join(" "), expected);
    const reversed = resolvePackages(index(text.split("\n").reverse().join("\n")), [...names].reverse());
    assert.deepEqual([...reversed.packages.keys()], [...packages.keys()]);
  });
}

test("a need that cannot be met shows the chain that leads to it", () => {
  const packages = index("a 1; Depends: b\n b 1; Depends: c (>= 2) | d\n c 1");
  assert.throws(() => resolvePackages(packages, ["a"]), {
    code: "LOCK_UNRESOLVABLE",
    message: [
      "the dependencies of b cannot be met",
      "b needs c (>= 2) | d",
      "c is there in version 1 only",
      "d does not exist",
      "b is needed by a (b)",
      "a is asked for by the fleet",
    ].join("\n  "),
  });
});

const APT = parseAptSources([
  {
    path: "/etc/apt/sources.list",
    text: "# deb http://no.example/debian bookworm main\ndeb [arch=amd64 signed-by=/x] http://old.example/ubuntu jammy main\n",
  },
  {
    path: "/etc/apt/sources.list.d/x.sources",
    text: [
      "Types: deb deb-src\nURIs: cdrom:[x] http://mirror.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main contrib",
      "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm-security\nComponents: main",
      "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main",
    ].join("\n\n"),
  },
]);

test("the mirror is the one that apt is configured with", () => {
  assert.deepEqual(
    archiveSources(APT, "trixie").map(({ uri, suite }) => `${uri} ${suite}`),
    [
      "http://mirror.example/debian trixie",
      "http://mirror.example/debian trixie-updates",
      "http://mirror.example/debian-security trixie-security",
    ],
  );
  assert.deepEqual(archiveSources(APT, "sid").length, 1);
});

test("settings take the place of apt's configuration", () => {
  const uris = archiveSources(APT, "trixie", { mirror: "http://other.example/debian/" }).map(({ uri }) => uri);
  assert.deepEqual(uris, [
    "http://other.example/debian",
    "http://other.example/debian",
    "http://other.example/debian-security",
  ]);
  assert.throws(() => archiveSources([], "trixie"), { code: "LOCK_NO_MIRROR" });
  assert.throws(() => archiveSources([], "trixie", { mirror: "http://other.example/pool" }), {
    code: "LOCK_NO_MIRROR",
  });
});

test("one-line entries are read as well", () => {
  const entries = parseAptSources([
    {
      path: "/etc/apt/sources.list",
      text: "deb [trusted=yes] http://m.example/debian stable main # x\n deb-src http://s.example/debian stable main\n",
    },
  ]);
  assert.deepEqual(entries, [{ uris: ["http://m.example/debian"], suites: ["stable"], components: ["main"] }]);
});
