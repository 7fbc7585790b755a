/** What the gate makes of what it is sent; that nothing else gets through is shown on a real host (test/machine). */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Hook } from "../machine/hook.ts";
import type { PlacedProfile, WantedProfile } from "../machine/profile.ts";
import { readingOnce } from "../machine/system-object.ts";
import type { TransactionPlan } from "../machine/transaction.ts";
import { gated, gatedHooks, gatedPlan, placeKit } from "./gate.ts";
import type { CommandResult, Host } from "./host.ts";

const SYSTEM = `/nix/store/${"a".repeat(32)}-system-web`;
const OTHER = `/nix/store/${"b".repeat(32)}-system-web`;
const BARE = `/nix/store/${"c".repeat(32)}-nixos-system-web`;
const KEYS_FILE = `/nix/store/${"d".repeat(32)}-restricted-deployment.json`;
const HOOK: Hook = {
  name: "drain",
  on: "host",
  when: ["finally"],
  command: ["/usr/bin/drain"],
  timeoutSeconds: 5,
  environment: {},
  onFailure: "warn",
};
const CHECK = { name: "page", http: { url: "http://localhost/" } };

/** A host that runs `SYSTEM`, whose store says so of a path when it is asked. */
function hostThat(
  answers: {
    readonly info?: CommandResult;
    readonly verified?: number;
    readonly keys?: string[];
    /** Of its one generation, where it has that. */
    readonly profiles?: readonly PlacedProfile[];
  } = {},
): {
  readonly host: Host;
  readonly ran: string[][];
} {
  const ran: string[][] = [];
  const meta = JSON.stringify({ hooks: [HOOK], healthChecks: [CHECK] });
  // As on NixOS, where files of /etc are links.
  const links: Record<string, string> = {
    "/system": SYSTEM.slice(1),
    [`${SYSTEM}/etc/pristine/restricted-deployment.json`]: KEYS_FILE,
    "/nix/var/nix/profiles/system-1-link": SYSTEM,
  };
  const texts: Record<string, string> = {
    [`${SYSTEM}/meta.json`]: meta,
    [`${OTHER}/meta.json`]: meta,
    ...(answers.profiles === undefined
      ? {}
      : { "/nix/var/pristine/profiles/1.json": JSON.stringify(answers.profiles) }),
    [KEYS_FILE]: JSON.stringify({ trustedKeys: answers.keys ?? ["shop-1:AA=="] }),
  };
  const files = {
    readlink: (path: string) => links[path],
    readFile: (path: string) => texts[path],
    list: () => (answers.profiles === undefined ? [] : ["system-1-link"]),
    modifiedAt: () => "",
    exists: () => true,
  };
  const host = {
    files,
    system: readingOnce(files),
    run: (command: readonly string[]): CommandResult => {
      ran.push([...command]);
      const result = { code: 0, stdout: "", stderr: "" };
      if (command.includes("path-info"))
        return answers.info ?? { ...result, stdout: `{"${OTHER}":{"narHash":"sha256-AA==","ca":null}}` };
      return { ...result, code: answers.verified ?? 0 };
    },
  };
  return { host: host as unknown as Host, ran };
}

const plan = (system: string): TransactionPlan => ({
  version: 1,
  id: "one",
  goal: "switch",
  host: "web",
  system,
  operator: { user: "x", host: "x", pid: 1 },
  reason: "deploy",
  confirmTimeoutSeconds: 60,
  keepGenerations: 5,
  healthChecks: [],
  hooks: [{ ...HOOK, command: ["sh", "-c", "id"] }],
});

test("commands that are not named are refused", () => {
  assert.deepEqual(gated(["journal", "one", "--follow"]), ["journal", "one", "--follow"]);
  for (const args of [[], ["run", "one"], ["resume"], ["gate", "facts"], ["check-run", "x"], ["revert-run", "one"]]) {
    assert.throws(() => gated(args), /the gate of this host lets nobody run/);
  }
});

test("a plan brings no programs of its own", () => {
  const { host } = hostThat();
  for (const system of [SYSTEM, OTHER]) {
    const { hooks, healthChecks } = gatedPlan(host, plan(system));
    assert.deepEqual([hooks, healthChecks], [[HOOK], [CHECK]]);
  }
});

test("a plan for a system that has no checks and hooks may have none", () => {
  const { host } = hostThat();
  assert.deepEqual(gatedPlan(host, { ...plan(BARE), hooks: [] }).hooks, []);
  assert.throws(
    () => gatedPlan(host, plan(BARE)),
    /'drain' is not part of \S+-nixos-system-web, and a restricted user brings none/,
  );
});

test("profiles are taken as somebody who is root has confirmed them, and are not taken away", () => {
  const tool = { name: "tool", user: "root", link: "/nix/var/nix/profiles/tool", path: OTHER };
  const deploy = (confirmed: readonly PlacedProfile[] | undefined, profiles?: readonly WantedProfile[]): void => {
    const { host } = hostThat(confirmed === undefined ? {} : { profiles: confirmed });
    gatedPlan(host, { ...plan(SYSTEM), ...(profiles === undefined ? {} : { profiles }) });
  };
  deploy(undefined, []);
  deploy([], []);
  deploy([tool], [tool]);
  deploy([tool]);
  const refused: readonly (readonly [readonly PlacedProfile[] | undefined, readonly WantedProfile[]])[] = [
    [undefined, [tool]],
    [[], [tool]],
    [[tool], [{ ...tool, user: "alice" }]],
    [[tool], [{ ...tool, path: SYSTEM }]],
    [[tool], [{ ...tool, link: "/etc/cron.d" }]],
    [[tool], []],
  ];
  for (const [confirmed, profiles] of refused) {
    assert.throws(() => {
      deploy(confirmed, profiles);
    }, /takes no profiles but those of an earlier generation/);
  }
});

test("a system that the host does not know needs a signature of a key that it trusts", () => {
  const known = hostThat();
  gatedPlan(known.host, plan(SYSTEM));
  assert.deepEqual(known.ran, [], "what runs was confirmed before");
  const signed = hostThat();
  gatedPlan(signed.host, plan(OTHER));
  assert.ok(signed.ran.at(-1)?.join(" ").includes("--sigs-needed 1 --option trusted-public-keys shop-1:AA=="));
  // Of a NixOS host, too, and not as the caller's PATH says.
  for (const command of signed.ran)
    assert.match(command.slice(0, 5).join(" "), /^env -i PATH=\S+:\/run\/current-system\/sw\/bin:\S+ HOME=\/ nix$/);

  const refused = (answers: Parameters<typeof hostThat>[0], why: RegExp): void => {
    assert.throws(() => gatedPlan(hostThat(answers).host, plan(OTHER)), why);
    assert.throws(() => placeKit(hostThat(answers).host, OTHER, { isGated: true }), why);
  };
  const info = (stdout: string, code: number = 0): CommandResult => ({ code, stdout, stderr: "" });
  refused({ verified: 2 }, /is signed by no key that this host trusts \(shop-1\)/);
  refused({ keys: [] }, /this host trusts no key/);
  refused(
    { info: info(`{"${OTHER}":{"narHash":"sha256-AA==","ca":"fixed:r:sha256:00"}}`) },
    /can be put into the store by anybody/,
  );
  refused(
    { info: info(`[{"path":"${OTHER}","narHash":"sha256-AA==","ca":"text:sha256:00"}]`) },
    /can be put into the store by anybody/,
  );
  refused(
    { info: info(`{"${OTHER}":{"narHash":"sha256-AA==","ca":{"method":"nar"}}}`) },
    /can be put into the store by anybody/,
  );
  refused({ info: info(`{"${OTHER}":null}`) }, /is not valid/);
  refused({ info: info("", 1) }, /is not valid/);
  refused({ info: info(`{"info":{"${OTHER}":{"narHash":"sha256-AA==","ca":null}}}`) }, /is not valid/);
  assert.throws(() => gatedPlan(hostThat().host, plan("/home/x/system")), /is no store path/);
});

test("hooks are those of the running system, and hear what deployments tell hooks", () => {
  const { host } = hostThat();
  const request = {
    hooks: [HOOK],
    moment: "finally",
    environment: { PRISTINE_HOST: "web", LD_PRELOAD: "/x" },
  } as const;
  assert.deepEqual(gatedHooks(host, request).environment, { PRISTINE_HOST: "web" });
  const other = { ...HOOK, command: ["id"] };
  assert.throws(() => gatedHooks(host, { ...request, hooks: [HOOK, other] }), /has no such hook 'drain'/);
});
