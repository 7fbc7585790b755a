/** Builds in the real sandbox: what builders see, what becomes of their outputs, how failures are told. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { AddressInfo } from "node:net";
import { after, before, suite, test } from "node:test";
import type { BuildEvent } from "../../src/build/build-event.ts";
import { realise, type RealiseOptions } from "../../src/build/realise.ts";
import { OperationError } from "../../src/base/errors.ts";
import type { Derivation, DerivationOutput } from "../../src/format/derivation.ts";
import { DerivationHasher } from "../../src/format/derivation-hash.ts";
import { hashBytes } from "../../src/format/hash.ts";
import { StorePath } from "../../src/format/store-path.ts";
import { LocalStore } from "../../src/store/local-store.ts";
import { exists, namesIn, readText, removeTree, statusOf } from "../../src/system/files.ts";
import { findProgram } from "../../src/system/process.ts";
import { makeToolbox, toolboxArgs } from "../support/toolbox.ts";

const hasSandbox = (await findProgram("bwrap")) !== undefined;
const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";

suite("builds", { skip: hasSandbox ? false : "bubblewrap is not installed" }, () => {
  const signal = AbortSignal.timeout(60_000);
  const root = mkdtempSync(`${tmpdir()}/build-test-`);
  let store: LocalStore;
  let toolbox: StorePath;
  let hasher: DerivationHasher;

  before(async () => {
    store = await LocalStore.open(`${root}/root`);
    await makeToolbox(`${root}/toolbox`);
    toolbox = await store.addPath("toolbox", `${root}/toolbox`, signal);
    hasher = new DerivationHasher("/nix/store", () => assert.fail("every derivation is remembered"));
  });
  after(async () => {
    await store.close();
    await removeTree(root);
  });

  /** Adds a derivation that runs a script. */
  async function add(
    name: string,
    script: string,
    options: {
      readonly env?: Record<string, string>;
      readonly outputs?: readonly string[];
      readonly inputs?: readonly StorePath[];
      readonly fixed?: DerivationOutput;
      readonly builder?: string;
      readonly system?: string;
    } = {},
  ): Promise<StorePath> {
    const outputs = options.outputs ?? ["out"];
    const tools = toolbox.render("/nix/store");
    const builder = options.builder ?? `${tools}/loader`;
    const env = {
      name,
      system: options.system ?? SYSTEM,
      builder,
      ...Object.fromEntries(outputs.map((output) => [output, ""])),
      ...options.env,
    };
    const drv: Derivation = hasher.fillOutputs({
      name,
      outputs: new Map(outputs.map((output) => [output, options.fixed ?? { kind: "deferred" }])),
      inputDerivations: (options.inputs ?? []).map((path) => ({ path, outputs: ["out"] })),
      inputSources: [toolbox],
      system: options.system ?? SYSTEM,
      builder,
      args: toolboxArgs(tools, script),
      env: new Map(Object.entries(env)),
    });
    const path = await store.addDerivation(drv, signal);
    hasher.remember(path, drv);
    return path;
  }

  async function build(
    drvPath: StorePath,
    options: Partial<RealiseOptions> = {},
  ): Promise<ReadonlyMap<string, StorePath>> {
    const outcome = await realise({
      store,
      drvPaths: [drvPath],
      signal,
      env: {},
      downloadsDir: `${root}/downloads`,
      ...options,
    });
    return outcome.outputs.get(drvPath.baseName)!;
  }

  async function failure(drvPath: StorePath, options: Partial<RealiseOptions> = {}): Promise<OperationError> {
    try {
      await build(drvPath, options);
    } catch (error) {
      assert(error instanceof OperationError, String(error));
      return error;
    }
    return assert.fail("the build succeeded");
  }

  test("a builder sees Nix's surroundings and nothing of this machine", async () => {
    const script = `
      {
        id -u; id -g; echo $$; echo /*
        echo "$TMPDIR $PWD $HOME $PATH $NIX_STORE $NIX_BUILD_CORES $NIX_LOG_FD"
        read -r host < /proc/sys/kernel/hostname; echo "$host"; cat /etc/passwd; echo "$multiline"
        touch writable /tmp/writable
        if chmod 4755 writable 2> /dev/null; then echo setuid; else echo no setuid; fi
        if touch "$toolbox/x" 2> /dev/null; then echo inputs are writable; fi
        umask
      } > "$out"`;
    const env = { multiline: "a\nb", toolbox: toolbox.render("/nix/store") };
    const outputs = await build(await add("surroundings", script, { env }), { cores: 3 });
    assert.equal(
      await readText(store.realPath(outputs.get("out")!)),
      `1000
100
1
/build /dev /etc /nix /proc /tmp
/build /build /homeless-shelter /path-not-set /nix/store 3 2
localhost
root:x:0:0:Nix build user:/build:/noshell
nixbld:x:1000:100:Nix build user:/build:/noshell
nobody:x:65534:65534:Nobody:/:/noshell
a
b
no setuid
0022
`,
    );
  });

  test("outputs are registered with their references, in canonical form", async () => {
    const first = await add("first", 'echo first > "$out"');
    const input = (await build(first)).get("out")!;
    const drvPath = await add(
      "second",
      'mkdir "$out" "$dev"; echo "$input $toolbox_unused" > "$out/file"; chmod 777 "$out/file"; ln -s "$out" "$dev/link"; echo "$dev" > "$dev/self"',
      {
        outputs: ["out", "dev"],
        inputs: [first],
        env: { input: input.render("/nix/store") },
      },
    );
    const outputs = await build(drvPath);
    const out = await store.pathInfo(outputs.get("out")!);
    const dev = await store.pathInfo(outputs.get("dev")!);
    assert.deepEqual(out?.references.map(String), [input.baseName]);
    assert.deepEqual(dev?.references.map(String), [outputs.get("out")!, outputs.get("dev")!].map(String).sort());
    assert.equal(out?.deriver?.baseName, drvPath.baseName);
    assert.equal(out?.ultimate, true);
    assert.equal((await statusOf(`${store.realPath(out!.path)}/file`))?.mode, 0o555);
    assert.equal((await statusOf(store.realPath(out!.path)))?.mtimeMs, 1000);
    assert.deepEqual((await store.verify({ checkContents: true, signal })).faults, []);
  });

  test("attributes can be passed as files", async () => {
    const drvPath = await add("files", 'cat "$largePath" > "$out"; test -z "${large-}"', {
      env: { passAsFile: "large", large: "l\xe4rge" },
    });
    const outputs = await build(drvPath);
    assert.equal(await readText(store.realPath(outputs.get("out")!)), "l\ufffdrge");
  });

  test("only what is not valid is built, inputs first and each once", async () => {
    const base = await add("base", 'echo base > "$out"');
    const middles = await Promise.all([1, 2, 3].map((n) => add(`middle-${n}`, 'echo > "$out"', { inputs: [base] })));
    const top = await add("top", 'echo > "$out"', { inputs: middles });
    const events: BuildEvent[] = [];
    const outcome = await realise({
      store,
      drvPaths: [top],
      signal,
      env: {},
      jobs: 2,
      onEvent: (event) => events.push(event),
    });
    assert.equal(outcome.built, 5);
    const finished = events.flatMap((event) => (event.kind === "finished" ? [event.drvPath.name] : []));
    assert.equal(finished.at(0), "base.drv");
    assert.equal(finished.at(-1), "top.drv");
    assert.equal(finished.length, 5);
    assert.equal((await realise({ store, drvPaths: [top], signal })).built, 0);
  });

  test("a failing builder is reported with its last lines and its log", async () => {
    const error = await failure(
      await add("failing", 'i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i + 1)); done; echo last >&2; exit 7'),
    );
    assert.equal(error.code, "BUILD_FAILED");
    assert.match(
      error.message,
      /failed: exit code 7;\nlast 25 log lines:\n> line 16\n[^]*> line 39\n> last\nfull log: (.*)$/,
    );
    const log = await readText(/full log: (.*)$/.exec(error.message)![1]!);
    assert.equal(log.split("\n").length, 42);
    assert.deepEqual(
      (await namesIn(store.layout.realStoreDir)).filter((name) => /chroot|lock/.test(name)),
      [],
    );
    assert.deepEqual(await namesIn(store.layout.buildsDir), []);
  });

  test("a failure ends what still runs, unless the rest was asked for", async () => {
    const bad = await add("bad", "exit 1");
    const slow = await add("slow", 'sleep 20; echo > "$out"');
    const startedMs = performance.now();
    await assert.rejects(realise({ store, drvPaths: [slow, bad], signal, env: {}, jobs: 2 }), { code: "BUILD_FAILED" });
    assert(performance.now() - startedMs < 10_000);
    const good = await add("good", 'echo > "$out"');
    await assert.rejects(realise({ store, drvPaths: [bad, good], signal, env: {}, jobs: 1, keepGoing: true }), {
      code: "BUILD_FAILED",
    });
    assert.equal((await realise({ store, drvPaths: [good], signal, dryRun: true })).built, 0);
  });

  test("an interrupted build leaves nothing behind", async () => {
    const abort = new AbortController();
    const drvPath = await add("interrupted", 'echo half > "$out"; echo ready; sleep 20');
    const building = build(drvPath, {
      signal: abort.signal,
      onEvent: (event) => {
        if (event.kind === "log") abort.abort(new Error("interrupted"));
      },
    });
    await assert.rejects(building, /interrupted/);
    assert.deepEqual(
      (await namesIn(store.layout.realStoreDir)).filter((name) => /chroot|lock|-interrupted$/.test(name)),
      [],
    );
    assert.deepEqual(await namesIn(store.layout.buildsDir), []);
  });

  test("builders are ended when they take too long or say nothing", async () => {
    const drvPath = await add("long", "sleep 20");
    assert.equal((await failure(drvPath, { timeoutMs: 200 })).code, "BUILD_TIMED_OUT");
    const silent = await failure(drvPath, { silenceMs: 200 });
    assert.equal(silent.code, "BUILD_TIMED_OUT");
    assert.match(silent.message, /silence/);
  });

  test("bad outputs are refused", async () => {
    const cases: [script: string, code: string, outputs?: readonly string[], env?: Record<string, string>][] = [
      ["true", "OUTPUT_MISSING"],
      ['echo "$b" > "$out"; echo "$out" > "$b"', "OUTPUT_REFUSED", ["out", "b"]],
      [
        'mkdir -p /else/store; echo > "/else/store/${out##*/}"; old=/old${toolbox#/nix}; mv /nix /old; ' +
          '"$old/loader" --library-path "$old" "$old/ln.bin" -s else /nix',
        "OUTPUT_REFUSED",
        ["out"],
        { toolbox: toolbox.render("/nix/store") },
      ],
      [
        'echo "$toolbox" > "$out"',
        "OUTPUT_REFUSED",
        ["out"],
        { toolbox: toolbox.render("/nix/store"), allowedReferences: "" },
      ],
      // What is not given to a builder that asks for it is refused, not left out.
      ["true", "DERIVATION_UNSUPPORTED", ["out"], { __json: '{"exportReferencesGraph":{"graph":[]}}' }],
    ];
    for (const [index, [script, code, outputs, env]] of cases.entries()) {
      const error = await failure(
        await add(`refused-${index}`, script, { ...(outputs && { outputs }), ...(env && { env }) }),
      );
      assert.equal(error.code, code, error.message);
    }
  });

  test("a builder that cannot be run says so", async () => {
    const missing = await failure(await add("no-builder", "", { builder: "/nowhere" }));
    assert.match(missing.message, /cannot be executed/);
    const foreign = await failure(await add("foreign", "", { system: "riscv64-linux" }));
    assert.equal(foreign.code, "PLATFORM_UNSUPPORTED");
    const unsandboxed = await failure(await add("any", 'echo > "$out"'), { bwrap: "/nowhere/bwrap" });
    assert.equal(unsandboxed.code, "PROGRAM_MISSING");
  });

  test("a fixed output must have its hash", async () => {
    const contents = Buffer.from("fixed\n");
    const fixed: DerivationOutput = { kind: "fixed", method: "flat", hash: hashBytes("sha256", contents) };
    const outputs = await build(await add("fixed", 'echo fixed > "$out"', { fixed }));
    assert.match((await store.pathInfo(outputs.get("out")!))?.contentAddress ?? "", /^fixed:sha256:/);
    const error = await failure(await add("fixed-wrong", 'echo other > "$out"', { fixed }));
    assert.equal(error.code, "HASH_MISMATCH");
    assert.match(error.message, /specified: sha256-.*\n +got: +sha256-/);
  });

  suite("builtin:fetchurl", () => {
    const body = Buffer.alloc(300_000, "payload");
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(`${request.url} ${request.headers.range ?? ""}`.trim());
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (request.url === "/missing") return void response.writeHead(404).end();
      if (request.url === "/flaky" && requests.filter((line) => line.startsWith("/flaky")).length === 1) {
        response.writeHead(200, { "content-length": body.length });
        // Half of it, then the connection breaks.
        response.write(body.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
        return;
      }
      response.writeHead(start > 0 ? 206 : 200, { "content-length": body.length - start });
      response.end(body.subarray(start));
    });
    let address = "";
    before(async () => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => server.close());

    const addFetch = async (name: string, url: string, contents: Uint8Array, executable = false): Promise<StorePath> =>
      await add(name, "", {
        builder: "builtin:fetchurl",
        system: "builtin",
        fixed: { kind: "fixed", method: "flat", hash: hashBytes("sha256", contents) },
        env: { url, ...(executable ? { executable: "1" } : {}) },
      });

    test("fetches once, and again from the cache", async () => {
      const outputs = await build(await addFetch("a.bin", `${address}/a`, body));
      assert.equal((await statusOf(store.realPath(outputs.get("out")!)))?.size, body.length);
      await build(await addFetch("b.bin", `${address}/b`, body));
      assert.deepEqual(requests.splice(0), ["/a"]);
      assert.deepEqual((await store.verify({ checkContents: true, signal })).faults, []);
    });

    test("a broken connection is continued where it broke", async () => {
      await removeTree(`${root}/downloads`);
      const events: BuildEvent[] = [];
      await build(await addFetch("flaky.bin", `${address}/flaky`, body), { onEvent: (event) => events.push(event) });
      const [first, second] = requests.splice(0);
      assert.equal(first, "/flaky");
      assert.match(second ?? "", /^\/flaky bytes=[1-9]\d*-$/);
      assert(events.some((event) => event.kind === "retry"));
    });

    test("what is not there or not as declared is an error", async () => {
      const missing = await failure(await addFetch("missing", `${address}/missing`, Buffer.from("x")));
      assert.equal(missing.code, "DOWNLOAD_NOT_FOUND");
      assert.match(missing.message, /\/missing does not exist/);
      const wrong = await failure(await addFetch("wrong", `${address}/wrong`, Buffer.from("y")));
      assert.equal(wrong.code, "HASH_MISMATCH");
      const nowhere = await failure(await addFetch("file", `file://${root}/nothing`, Buffer.from("z")));
      assert.equal(nowhere.code, "DOWNLOAD_NOT_FOUND");
      assert.match(nowhere.message, /\/nothing does not exist/);
      requests.length = 0;
    });

    test("files of this machine, and a mirror that is set for Debian's archive", async () => {
      writeFileSync(`${root}/file`, "of this machine");
      await build(await addFetch("local", `file://${root}/file`, Buffer.from("of this machine")));
      await removeTree(`${root}/downloads`);
      const drvPath = await addFetch("x.deb", "http://mirror.invalid/debian/pool/main/x/x.deb", Buffer.concat([body]));
      await build(drvPath, { env: { PRISTINE_DEBIAN_MIRROR: `${address}/other/` } });
      assert.deepEqual(requests.splice(0), ["/other/pool/main/x/x.deb"]);
      assert.equal(await exists(`${root}/downloads`), true);
    });
  });
});
