/** Machines files as Nix reads them, and which machine builds what. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder, type NixMachine, parseMachines, unfitness } from "./nix-machine.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== root@big";
const HOST_KEY = Buffer.from(`${KEY}\n`).toString("base64");

const FILES: Readonly<Record<string, string>> = {
  "/etc/nix/machines": "# ours ; all of them\nnix@one ; two\n@/etc/nix/more\n\n ;;; \n",
  "/etc/nix/more": "  three\taarch64-linux,armv7l-linux\n",
  "/endless": "@/endless",
};

const parse = (text: string): Promise<NixMachine[]> =>
  parseMachines(text, {
    system: "x86_64-linux",
    place: "deployment.builders of web",
    read: (path) => Promise.resolve(FILES[path]),
  });

const only = async (text: string): Promise<NixMachine> => {
  const machines = await parse(text);
  assert.equal(machines.length, 1);
  return machines[0]!;
};

test("a machine with nothing but its name has Nix's defaults", async () => {
  for (const text of ["big", "ssh://big", "ssh-ng://big - - - - - - -"])
    assert.deepEqual(await only(text), {
      uri: text.split(" ")[0],
      host: "big",
      user: undefined,
      port: undefined,
      systems: ["x86_64-linux"],
      keyFile: undefined,
      jobsMax: 1,
      speedFactor: 1,
      supportedFeatures: [],
      mandatoryFeatures: [],
      hostKey: undefined,
    });
});

test("all columns are read", async () => {
  const line = `ssh://nix@big:2222 i686-linux,x86_64-linux\t/id 8 1.5 kvm,big-parallel benchmark ${HOST_KEY}`;
  assert.deepEqual(await only(line), {
    uri: "ssh://nix@big:2222",
    host: "big",
    user: "nix",
    port: "2222",
    systems: ["i686-linux", "x86_64-linux"],
    keyFile: "/id",
    jobsMax: 8,
    speedFactor: 1.5,
    supportedFeatures: ["kvm", "big-parallel"],
    mandatoryFeatures: ["benchmark"],
    hostKey: KEY,
  });
  assert.equal((await only("ssh-ng://[2001:db8::1]:22")).host, "2001:db8::1");
  assert.equal((await only("big - - - 0")).speedFactor, 1);
});

test("files are read in their place, and one that is not there has no machines", async () => {
  const machines = await parse("@/etc/nix/machines;@/none\nfour");
  assert.deepEqual(
    machines.map(({ host, systems }) => `${host} ${systems.join(",")}`),
    ["one x86_64-linux", "two x86_64-linux", "three aarch64-linux,armv7l-linux", "four x86_64-linux"],
  );
  assert.deepEqual(await parse(""), []);
});

for (const [text, why] of [
  ["big - - eight", /deployment\.builders of web: 'eight' is not a number of jobs, in 'big - - eight'/],
  ["big - - -1", /'-1' is not a number of jobs/],
  ["big - - 8 three", /'three' is not a speed factor/],
  ["big - - 8 -3", /'-3' is not a speed factor/],
  ["big - - 8 3 - - BAD_BASE64", /'BAD_BASE64' is not the base64 of a public host key/],
  ["daemon", /'daemon' is no machine that is reached over ssh/],
  ["ssh://big?compress=true", /is no machine/],
  ["-oProxyCommand=x", /is no machine/],
  ["nix@-oProxyCommand=x", /is no machine/],
  ["@machines", /the file 'machines' must be an absolute path/],
  ["@/endless", /^\/endless: its files name each other without end/],
] as const) {
  test(`'${text}' is refused with its place`, async () => {
    await assert.rejects(parse(text), { code: "BUILDERS_INVALID", message: why });
  });
}

test("a machine builds what is for its platforms, with features that it has, and that needs those it insists on", async () => {
  const drv = (system: string, features: string, json?: object): Parameters<typeof unfitness>[1] => ({
    name: "part",
    system,
    env: new Map([["requiredSystemFeatures", features], ...(json ? [["__json", JSON.stringify(json)] as const] : [])]),
  });
  const machine = await only("big x86_64-linux - - - kvm benchmark");
  assert.equal(unfitness(machine, drv("x86_64-linux", "benchmark kvm")), undefined);
  assert.equal(unfitness(machine, drv("builtin", "benchmark")), undefined);
  assert.equal(
    unfitness(machine, drv("x86_64-linux", "", { requiredSystemFeatures: ["kvm", "benchmark"] })),
    undefined,
  );
  assert.equal(
    unfitness(machine, drv("aarch64-linux", "benchmark")),
    "builds for x86_64-linux, and part is for aarch64-linux",
  );
  assert.equal(unfitness(machine, drv("x86_64-linux", "nixos-test")), "has no feature 'nixos-test', which part needs");
  assert.equal(
    unfitness(machine, drv("x86_64-linux", "kvm")),
    "builds only what needs the feature 'benchmark', which part does not",
  );
});

test("the machine with the least to do for its speed comes first", async () => {
  const machines = await parse("slow - - - 1; fast - - - 4; also - - - 4");
  const loads = new Map([
    ["fast", 2],
    ["also", 1],
  ]);
  const order = (loadOf: (machine: NixMachine) => number): string[] =>
    inOrder(machines, loadOf).map(({ host }) => host);
  assert.deepEqual(
    order(() => 0),
    ["fast", "also", "slow"],
  );
  assert.deepEqual(
    order(({ host }) => loads.get(host) ?? 0),
    ["slow", "also", "fast"],
  );
});
