/** Bundles that a host must not take, each refused before anything is touched; and what becomes of those that it takes. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { baseOfFacts, baseOfReceipt, readReceipt, requireSigned } from "../../src/fleet/bundle/receipt.ts";
import { type BundleRequest, writeBundle } from "../../src/fleet/bundle/write-bundle.ts";
import { generateKeyPair, parseSigningKey } from "../../src/format/signature.ts";
import { apply, type Applied } from "../../src/kit/apply.ts";
import { KitError } from "../../src/kit/kit-error.ts";
import { switchTo } from "../../src/kit/own-confirmation.ts";
import { type BundleManifest, renderHeader } from "../../src/machine/bundle.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { HELLO, objectOf, type StoredObject, TREE } from "../contract/store-contract.ts";
import { BundleHost, type BundleHostOptions, KIT } from "../support/bundle-host.ts";
import { unmetNeed } from "../support/needs.ts";

const KEY = generateKeyPair("shop-1");
const OTHER_KEY = generateKeyPair("stranger-1");
const NOW = new Date("2026-11-28T12:00:00Z");
const BEFORE = new Date("2026-11-27T12:00:00Z");
const signal = AbortSignal.timeout(60_000);

const SYSTEM: StoredObject = objectOf("s", { type: "symlink", target: "x" }, [HELLO.info.path, TREE.info.path]);
const KIT_OBJECT: StoredObject = objectOf("k", { type: "symlink", target: "kit" });
const path = (object: StoredObject): string => object.info.path.render("/nix/store");

let directory: string;
let store: MemoryStore;
let hosts = 0;

before(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), "pristine-bundle-"));
  store = new MemoryStore();
  for (const object of [HELLO, TREE, SYSTEM, KIT_OBJECT]) await store.add(object.info, object.nar(), signal);
});
after(() => fs.rmSync(directory, { recursive: true }));

const request = (change: Partial<BundleRequest> = {}): BundleRequest => ({
  fleet: "shop",
  plan: {
    version: 1,
    id: "20261128T110000-abcdef-web",
    goal: "switch",
    host: "web",
    system: path(SYSTEM),
    operator: { user: "ben", host: "dësk", pid: 1 },
    reason: "bundle",
    confirmTimeoutSeconds: 60,
    keepGenerations: 5,
    healthChecks: [],
  },
  kit: path(KIT_OBJECT),
  hostKey: null,
  base: { system: path(HELLO), generation: 3 },
  key: parseSigningKey(KEY.secret),
  madeAt: new Date("2026-11-28T11:00:00Z"),
  validSeconds: 7200,
  store,
  signal,
  onProgress: () => undefined,
  ...change,
});

/** A host, and on it the bundle. */
async function hostWith(
  bundle: Partial<BundleRequest> = {},
  options: Partial<BundleHostOptions> = {},
): Promise<{ readonly at: BundleHost; readonly manifest: BundleManifest }> {
  const own = join(directory, String(hosts++));
  fs.mkdirSync(join(own, "run"), { recursive: true });
  const manifest = await writeBundle(join(own, "run/bundle"), request(bundle));
  const at = new BundleHost({
    directory: own,
    host: "web",
    fleet: "shop",
    system: path(HELLO),
    generation: 3,
    since: BEFORE,
    trustedKeys: ["cache-1:AA==", KEY.public],
    paths: manifest.paths,
    now: () => NOW,
    ...options,
  });
  return { at, manifest };
}

const applyTo = (at: BundleHost, file = "/run/bundle"): Applied =>
  apply(at.host, at.file(file), {
    receiptPath: "/run/bundle.receipt",
    onNote: () => undefined,
    handOver: () => 0,
  });

/** The code of the refusal; nothing was touched before it. */
function refusalOf(at: BundleHost, file?: string): string {
  const before = at.touched.length;
  try {
    applyTo(at, file);
  } catch (error) {
    assert.ok(error instanceof KitError, String(error));
    assert.deepEqual(at.touched.slice(before), []);
    assert.ok(error.failure.hint !== undefined, `there is a way out of: ${error.message}`);
    return error.failure.code;
  }
  return "none";
}

suite("bundles", { skip: unmetNeed("ssh-keygen") }, () => {
  test("a bundle has what the base lacks, is applied once, and is answered by a receipt that the host signs", async () => {
    const { at, manifest } = await hostWith();
    assert.equal(KIT, path(KIT_OBJECT));
    assert.deepEqual(manifest.paths.map((one) => one.path).sort(), [path(TREE), path(KIT_OBJECT), path(SYSTEM)].sort());
    const applied = applyTo(at);
    assert.deepEqual("receipt" in applied && applied.receipt.outcome, "confirmed");
    assert.deepEqual(at.touched, ["import", "begin", "confirm"]);
    assert.ok(at.imported?.includes(Buffer.from(TREE.bytes)));
    const file = at.at("/run/bundle.receipt");
    const receipt = await readReceipt(file);
    await requireSigned(file, receipt, { hostKey: at.hostKey, signal });
    assert.deepEqual(baseOfReceipt(receipt.value), { system: path(SYSTEM), generation: 4 });
    assert.equal(refusalOf(at), "KIT_BUNDLE_REPLAYED");

    await assert.rejects(requireSigned(file, receipt, { hostKey: (await hostWith()).at.hostKey, signal }), {
      code: "RECEIPT_KEY",
    });
    fs.writeFileSync(file, fs.readFileSync(file, "latin1").replace("confirmed", "Confirmed"), "latin1");
    await assert.rejects(requireSigned(file, await readReceipt(file), { hostKey: at.hostKey, signal }), {
      code: "RECEIPT_INVALID",
    });
    fs.truncateSync(file, 300);
    await assert.rejects(readReceipt(file), { code: "RECEIPT_INVALID" });
  });

  test("what a host returned from may be applied again", async () => {
    const { at } = await hostWith({}, { outcome: "reverted" });
    for (const id of ["20261128T110000-abcdef-web", "20261128T110000-abcdef-web-2"]) {
      const applied = applyTo(at);
      assert.deepEqual("receipt" in applied && [applied.receipt.outcome, applied.receipt.id], ["reverted", id]);
    }
  });

  test("an application that was cut off is seen to its end", async () => {
    const { at } = await hostWith();
    applyTo(at);
    // Cut off before the receipt was signed.
    fs.writeFileSync(at.at("/nix/var/pristine/bundle.json"), "{}");
    fs.rmSync(at.at("/run/bundle.receipt"));
    applyTo(at);
    assert.deepEqual(at.touched, ["import", "begin", "confirm"]);
    await readReceipt(at.at("/run/bundle.receipt"));
  });

  test("a bundle that reboots its host is answered when it is applied again in the new boot, and does nothing then", async () => {
    const reboots = { ...request().plan, goal: "reboot", confirmsItself: true } as const;
    for (const [outcome, told, next] of [
      ["confirmed", "confirmed", "KIT_BUNDLE_REPLAYED"],
      ["reverted", "reverted-by-reboot", "a second attempt"],
    ] as const) {
      const { at } = await hostWith({ plan: reboots }, { outcome });
      const older = { plan: { ...reboots, id: "older" }, madeAt: new Date("2026-11-28T10:30:00Z") };
      await writeBundle(at.at("/run/older"), request(older));
      assert.throws(() => applyTo(at), { message: "the host goes down" });
      assert.equal(fs.existsSync(at.at("/run/bundle.receipt")), false);
      at.boot();
      assert.equal(refusalOf(at, "/run/older"), "KIT_BUNDLE_REPLAYED");
      applyTo(at);
      assert.deepEqual(at.touched, ["import", "begin"], "the host confirms itself, or has returned");
      const file = at.at("/run/bundle.receipt");
      const receipt = await readReceipt(file);
      await requireSigned(file, receipt, { hostKey: at.hostKey, signal });
      assert.equal(receipt.value.receipt.outcome, told);
      if (outcome === "confirmed") assert.equal(refusalOf(at), next);
      else assert.throws(() => applyTo(at), { message: "the host goes down" }, next);
    }
  });

  test("a kit that is older than the bundle's hands over to that", async () => {
    const kit = objectOf("n", { type: "symlink", target: "newer" });
    await store.add(kit.info, kit.nar(), signal);
    const { at } = await hostWith({ kit: path(kit) });
    assert.deepEqual(applyTo(at), { exitCode: 0 });
    assert.deepEqual(at.touched, ["import", `/nix/var/nix/gcroots/pristine/kit -> ${path(kit)}`]);
  });

  const refused: Readonly<Record<string, [string, Partial<BundleRequest>, Partial<BundleHostOptions>?]>> = {
    "for another host": ["KIT_BUNDLE_OTHER", {}, { host: "db" }],
    "for another fleet": ["KIT_BUNDLE_OTHER", {}, { fleet: "other" }],
    "for a host with another key": ["KIT_BUNDLE_OTHER", { hostKey: "ssh-ed25519 AAAA" }],
    "of an unknown key": ["KIT_BUNDLE_KEY", { key: parseSigningKey(OTHER_KEY.secret) }],
    "of an unknown key of a known name": [
      "KIT_BUNDLE_KEY",
      { key: { ...parseSigningKey(OTHER_KEY.secret), name: "shop-1" } },
    ],
    "of a key where the host trusts none": ["KIT_BUNDLE_KEY", {}, { trustedKeys: [] }],
    "that has expired": ["KIT_BUNDLE_EXPIRED", { validSeconds: 60 }],
    "against an older system": ["KIT_BUNDLE_BASE", {}, { system: path(TREE) }],
    "against an older generation of the same system": ["KIT_BUNDLE_BASE", {}, { generation: 5 }],
    "against a newer generation of the same system": ["KIT_BUNDLE_BASE", {}, { generation: 2 }],
    "that is complete, and older than what is active": ["KIT_BUNDLE_REPLAYED", { base: undefined }, { since: NOW }],
    "that does not fit on the disk": ["KIT_DISK_FULL", {}, { freeBytes: 30 * 1024 * 1024 }],
  };
  for (const [name, [code, bundle, options]] of Object.entries(refused)) {
    test(`a bundle ${name} is refused`, async () => {
      const { at } = await hostWith(bundle, options);
      assert.equal(refusalOf(at), code);
    });
  }

  test("a bundle that is older than one that was applied is refused", async () => {
    const { at } = await hostWith({ base: undefined });
    const state = { version: 1, id: "later", sequence: NOW.getTime(), outcome: "reverted" };
    fs.writeFileSync(at.at("/nix/var/pristine/bundle.json"), JSON.stringify(state));
    assert.equal(refusalOf(at), "KIT_BUNDLE_REPLAYED");
  });

  test("a change of any byte is found, and so is a missing or a further one", async () => {
    const { at } = await hostWith();
    const file = at.at("/run/bundle");
    const whole = fs.readFileSync(file);
    const payloadAt = whole.lastIndexOf(Buffer.from([0x1f, 0x8b, 0x08]));
    const headerEnd = whole.indexOf("\n\n") + 2;
    const every = (step: number, end: number): number[] =>
      Array.from({ length: Math.ceil(end / step) }, (_, index) => index * step);
    const offsets = [...every(3, headerEnd), headerEnd - 2, headerEnd - 1, ...every(31, payloadAt)];
    for (const offset of [...offsets, payloadAt, payloadAt + 9, whole.length - 1]) {
      const changed = Buffer.from(whole);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      fs.writeFileSync(file, changed);
      assert.equal(refusalOf(at), "KIT_BUNDLE_INVALID", `byte ${offset}`);
    }
    for (const size of [0, 1, 20, 100, payloadAt - 1, payloadAt, payloadAt + 1, whole.length - 1]) {
      fs.writeFileSync(file, whole.subarray(0, size));
      assert.equal(refusalOf(at), "KIT_BUNDLE_INVALID", `${size} bytes`);
    }
    fs.writeFileSync(file, Buffer.concat([whole, Buffer.from("x")]));
    assert.equal(refusalOf(at), "KIT_BUNDLE_INVALID", "a byte too many");
    fs.writeFileSync(file, whole.toString("latin1").replace("pristine-bundle 1", "pristine-bundle 2"), "latin1");
    assert.equal(refusalOf(at), "KIT_BUNDLE_INVALID", "another version");
  });

  test("what came into the store otherwise than it was signed, or in part, stays there in no attempt", async () => {
    const { manifest } = await hostWith();
    const exchanged = manifest.paths.map((one, index) => (index === 0 ? { ...one, narHash: "sha256:other" } : one));
    const cases = [
      [{ paths: exchanged }, "KIT_BUNDLE_INVALID"],
      [{ importExit: 1 }, "KIT_FAILED"],
    ] as const;
    for (const [options, code] of cases) {
      const { at } = await hostWith({}, options);
      for (let attempt = 0; attempt < 2; attempt++)
        assert.throws(
          () => applyTo(at),
          (error) => error instanceof KitError && error.failure.code === code,
        );
      assert.deepEqual(at.touched, ["import", "delete", "import", "delete"]);
    }
  });

  test("switch-to-configuration of what is no system, or with another goal, begins nothing", async () => {
    const { at } = await hostWith();
    const refused = (system: string, goal: string, code: string): void => {
      assert.throws(
        () => switchTo(at.host, system, goal, () => undefined),
        (error) => error instanceof KitError && error.failure.code === code,
      );
    };
    refused("/home/x/system", "switch", "KIT_SYSTEM_INVALID");
    refused(path(SYSTEM), "reboot", "KIT_USAGE");
    refused(path(SYSTEM), "", "KIT_USAGE");
    assert.deepEqual(at.touched, []);
  });

  test("what is signed by nobody and says nothing is no receipt, and no facts", async () => {
    const file = join(directory, "receipt");
    const whole = { version: 1, host: "web", hostKey: "ssh-ed25519 AAAA" };
    const others = [null, 1, [], { ...whole, version: 2 }, { ...whole, host: undefined }, { ...whole, hostKey: {} }];
    for (const text of ["", "{", ...others.map((value) => JSON.stringify(value))]) {
      fs.writeFileSync(file, renderHeader("pristine-receipt", { size: text.length, signature: "AAAA" }) + text);
      await assert.rejects(readReceipt(file), { code: "RECEIPT_INVALID" }, text);
      assert.throws(() => baseOfFacts("facts", text), { code: "BUNDLE_BASE_UNKNOWN" }, text);
    }
  });

  test("a receipt is no bundle, although the host trusts nothing more than itself", async () => {
    const { at } = await hostWith();
    applyTo(at);
    fs.copyFileSync(at.at("/run/bundle.receipt"), at.at("/run/bundle"));
    assert.equal(refusalOf(at), "KIT_BUNDLE_INVALID");
  });
});
