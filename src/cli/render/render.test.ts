/** What people see of plans, outcomes and tables: golden text, colour off. */

import assert from "node:assert/strict";
import { test } from "node:test";
import picocolors from "picocolors";
import { OperationError } from "../../base/errors.ts";
import { describeRecord } from "../../fleet/timeline.ts";
import type { HostInventory } from "../../fleet/inventory.ts";
import type { HostOutcome } from "../../fleet/outcome.ts";
import { type FleetPlan, type HostPlan, planHash } from "../../fleet/plan.ts";
import type { Upload } from "../../fleet/uploads.ts";
import type { HostStatus } from "../../fleet/status.ts";
import { dataChanges } from "../../machine/data-version.ts";
import type { SystemDiff } from "../../machine/system-diff.ts";
import type { JournalRecord, Receipt } from "../../machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../../machine/unit-plan.ts";
import { EvalDiagnostic, type EvalDiagnosticData } from "../../realise/evaluation-request.ts";
import { errorRecord, renderError } from "./error.ts";
import { describeEvaluationError } from "../../realise/evaluation-error-text.ts";
import { describeOutcome } from "../../fleet/outcome-text.ts";
import { renderSummary } from "./outcome.ts";
import { renderPlan } from "./plan.ts";
import { probeDisplay } from "./probe.ts";
import { Progress } from "./progress.ts";
import type { HostCheck, HostCheckHistory } from "../../fleet/status.ts";
import type { CheckSpan } from "../../machine/check-history.ts";
import { renderCheckHistories, renderChecks } from "./health.ts";
import { renderStatuses } from "./status.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

function terminal(): Terminal & { readonly lines: string[] } {
  const lines: string[] = [];
  const push = (line: string): void => void lines.push(line);
  return { out: push, err: push, lines, live: false, columns: 80, colors: picocolors.createColors(false) };
}

const STORE = "/nix/store/00000000000000000000000000000000";

function host(name: string): HostInventory {
  const target = { host: `${name}.example` };
  return { name, target, tags: [], system: "x86_64-linux" } as unknown as HostInventory;
}

const DIFF: SystemDiff = {
  isSame: false,
  packages: [
    { kind: "changed", name: "nginx", before: "1.26", after: "1.28", sizeBefore: 4096, sizeAfter: 1024 },
    { kind: "added", name: "htop", after: "3.4", sizeAfter: 2048 },
    { kind: "removed", name: "tree", before: "2.2" },
  ] as SystemDiff["packages"],
  users: [{ kind: "removed", name: "eve", details: ["uid 1001"] }] as unknown as SystemDiff["users"],
  groups: [],
  etc: [{ kind: "changed", path: "/etc/nginx/nginx.conf" }] as SystemDiff["etc"],
  ports: [{ kind: "opened", port: 443, protocol: "tcp" }] as SystemDiff["ports"],
  persistence: [],
  secrets: [
    {
      name: "db",
      kind: "changed",
      isTemplate: false,
      details: ["file", "mode: 0400 → 0440"],
      restartUnits: ["app.service", "web.service"],
      reloadUnits: [],
    },
    { name: "old", kind: "removed", isTemplate: false, details: [], restartUnits: [], reloadUnits: [] },
  ],
  firewall: "enabled",
  units: {
    ...EMPTY_UNIT_PLAN,
    stop: ["gone.service", "web.socket"],
    start: ["web.socket"],
    reload: ["nginx.service"],
    changes: [
      { unit: "gone.service", action: "stop", reason: "removed" },
      { unit: "new.service", action: "start", reason: "newly wanted by multi-user.target" },
      { unit: "nginx.service", action: "reload", reason: "its configuration changed" },
      { unit: "getty@tty1.service", action: "skip", reason: "it says so" },
    ],
  },
  inhibitors: [{ name: "dbus", before: "dbus-daemon", after: "dbus-broker" }],
  lockout: [{ severity: "danger", kind: "firewall", message: "port 22 is closed" }],
};

const CHECK = { timeoutSeconds: 5, retries: 0, intervalSeconds: 1 };

const PLAN: FleetPlan = {
  goal: "switch",
  hash: "0123456789abcdef",
  hooks: [],
  hosts: [
    {
      host: { ...host("web"), deployerChecks: [{ ...CHECK, name: "outside", kind: "tcp", host: "web", port: 80 }] },
      state: "change",
      system: `${STORE}-system-web`,
      previous: `${STORE}-system-old`,
      healthChecks: [{ ...CHECK, name: "page", kind: "http", url: "http://localhost/" }],
      hooks: [],
      copy: { paths: [{ path: "a", bytes: 2048 }], bytes: 2048 },
      snapshots: [
        {
          name: "snapshot-app",
          on: "host",
          when: ["preActivation"],
          command: ["/usr/bin/dump", "a b"],
          timeoutSeconds: 30,
          environment: {},
          onFailure: "abort",
        },
      ],
      data: dataChanges([{ name: "app", version: "2" }], [{ name: "app", version: "1" }]),
      diff: DIFF,
      reboot: [{ kind: "kernel", message: "the kernel changes" }],
    },
    { host: host("lb"), state: "unchanged", system: `${STORE}-system-lb`, healthChecks: [], hooks: [] },
    {
      host: host("db"),
      state: "unreachable",
      system: `${STORE}-system-db`,
      healthChecks: [],
      hooks: [],
      error: new OperationError("HOST_UNREACHABLE", "db.example cannot be reached: \u001b[2Jtimed out", {
        hint: "is it up?",
      }),
    },
  ],
};

test("a plan is folded to what changes", () => {
  assert.equal(
    renderPlan(PLAN, terminal(), { fileDiffs: false }).join("\n"),
    `web: 00000000000000000000000000000000-system-old → 00000000000000000000000000000000-system-web
  packages  ~nginx 1.26 → 1.28 (-3.0 KiB), +htop 3.4 (2.0 KiB), -tree 2.2
  stop      gone.service
  restart   web.socket
  reload    nginx.service
  start     new.service
  left      getty@tty1.service (it says so)
  /etc      ~nginx/nginx.conf
  users     -eve uid 1001
  ports     +443/tcp
  secrets   ~db (file; mode: 0400 → 0440; may restart app.service, web.service), -old
  firewall  enabled
  copy      1 path, 2.0 KiB
  reboot    the kernel changes
  INHIBITED dbus (dbus-daemon → dbus-broker): only a reboot gets there
  checks    page (http from the host), outside (tcp from the deployer)
  hook      snapshot-app (preActivation on the host): /usr/bin/dump 'a b'
  DATA      app: its data would go backwards: it is of version 2 by now, and 1 does not read that; stay with 2, or restore data that was saved before 2 ran; nothing is turned back by itself
  LOCKOUT   port 22 is closed

db: db.example cannot be reached: \\x1b[2Jtimed out
  is it up?

lb: unchanged
1 host to switch, 2.0 KiB to copy, plan 0123456789ab`,
  );
});

test("what is refused for what it would be is shown all the same", () => {
  const error = new OperationError("SWITCH_INHIBITED", "this change needs a reboot", { hint: "reboot it" });
  const plan: FleetPlan = { ...PLAN, hosts: [{ ...PLAN.hosts[0]!, state: "failed", error }] };
  const lines = renderPlan(plan, terminal(), { fileDiffs: false });
  assert.deepEqual(lines.slice(0, 2), ["web: this change needs a reboot", "  reboot it"]);
  assert.ok(lines.includes("  stop      gone.service"));
  assert.doesNotMatch(lines.join("\n"), /to copy, plan/);
});

test("a long list is folded, and told to its end when all is asked for", () => {
  const etc = Array.from({ length: 14 }, (_, index) => ({ kind: "added", path: `/etc/file${index}` }) as const);
  const [first] = PLAN.hosts;
  const plan = { ...PLAN, hosts: [{ ...first!, diff: { ...DIFF, etc } }] };
  const folded = renderPlan(plan, terminal(), { fileDiffs: false }).join("\n");
  assert.match(folded, /\/etc      \+file0, .*, \+file11 … 2 more\n/);
  assert.doesNotMatch(folded, /file13|its configuration changed/);
  const full = renderPlan(plan, terminal(), { fileDiffs: false, full: true }).join("\n");
  assert.match(full, /  reload    nginx\.service \(its configuration changed\)\n/);
  assert.match(full, /  \/etc      \+file0\n {12}\+file1\n[^]* {12}\+file13\n/);
  assert.match(full, /  copy      1 path, 2\.0 KiB\n    a 2\.0 KiB\n/);
});

test("what a host says of itself cannot move the cursor", () => {
  const facts = {
    systems: { activated: `${STORE}-system-\u001b[2J` },
    transaction: { state: "\u001b[2J", operator: { user: "\u001b[2J", host: "desk" } },
    failedUnits: ["\u001b[2J.service"],
    lastReceipt: null,
    uptimeSeconds: 60,
  } as unknown as NonNullable<HostStatus["facts"]>;
  const status: HostStatus = {
    host: "web",
    address: "web.example",
    tags: [],
    asDeclared: false,
    declared: `${STORE}-system-web`,
    facts,
    differs: true,
    health: [{ name: "\u001b[2J", healthy: false, message: "\u001b[2J", attempts: 1, milliseconds: 1 }],
    drift: [],
  };
  const shown = renderStatuses([status], terminal()).join("\n");
  assert.equal(shown.includes("\u001b"), false, shown);
  assert.equal(shown.split("\\x1b[2J").length - 1, 7);
});

test("health checks are a table, or a line each", () => {
  const answers: HostCheck[] = [
    {
      host: "web1",
      healthy: false,
      failedUnits: ["x.service"],
      results: [
        { name: "page", healthy: true, attempts: 1, milliseconds: 3, message: "status 200" },
        { name: "way", from: "deployer", healthy: false, attempts: 6, milliseconds: 3, message: "no\nanswer" },
        {
          name: "mail",
          healthy: false,
          since: "2026-11-28T09:00:00.123Z",
          attempts: 6,
          milliseconds: 3,
          message: "refuses",
        },
      ],
    },
    { host: "web2", healthy: false, failedUnits: [], results: [], error: "no route" },
    { host: "web3", healthy: true, failedUnits: [], results: [] },
  ];
  assert.deepEqual(renderChecks(answers, terminal(), { isTable: true }), [
    "host  check      health       from      what was seen",
    "web1  page       healthy      host      status 200",
    "web1  way        unhealthy    deployer  no answer",
    "web1  mail       unhealthy    host      refuses (unhealthy since 2026-11-28 09:00:00Z)",
    "web1  x.service  failed       host      the unit has failed",
    "web2             not checked            no route",
    "web3             no checks",
  ]);
  assert.deepEqual(renderChecks(answers, terminal(), { isTable: false }), [
    "web1: page: healthy: host: status 200",
    "web1: way: unhealthy: deployer: no answer",
    "web1: mail: unhealthy: host: refuses (unhealthy since 2026-11-28 09:00:00Z)",
    "web1: x.service: failed: host: the unit has failed",
    "web2: not checked: no route",
    "web3: no checks",
  ]);
});

test("the history of checks is a table, or a line for each span", () => {
  const span = (healthy: boolean, message: string): CheckSpan => {
    return { from: "2026-11-28T09:00:00.000Z", until: "2026-11-28T09:05:00.000Z", healthy, message };
  };
  const histories: HostCheckHistory[] = [
    { host: "web1", checks: [{ name: "page", spans: [span(true, "status 200"), span(false, "status 500")] }] },
    { host: "web2", checks: [] },
    { host: "web3", checks: [], error: "no route" },
  ];
  assert.deepEqual(renderCheckHistories(histories, terminal(), { isTable: true }), [
    "host  check  health      from                  until                 what was seen",
    "web1  page   healthy     2026-11-28 09:00:00Z  2026-11-28 09:05:00Z  status 200",
    "web1  page   unhealthy   2026-11-28 09:00:00Z  2026-11-28 09:05:00Z  status 500",
    "web2         no history",
    "web3         not asked                                               no route",
  ]);
  assert.equal(
    renderCheckHistories(histories, terminal(), { isTable: false })[1],
    "web1: page: unhealthy: 2026-11-28 09:00:00Z: 2026-11-28 09:05:00Z: status 500",
  );
});

test("a plan's hash names what is approved and nothing else", () => {
  const hosts: HostPlan[] = [...PLAN.hosts];
  const hash = planHash("switch", hosts);
  assert.equal(
    hash,
    planHash(
      "switch",
      hosts.map(({ host, previous, system }) => ({ host, system, ...(previous !== undefined && { previous }) })),
    ),
    "not what was looked at",
  );
  assert.notEqual(hash, planHash("boot", hosts));
  assert.notEqual(hash, planHash("switch", hosts.slice(1)));
  assert.notEqual(
    hash,
    planHash(
      "switch",
      hosts.map((plan) => ({ ...plan, previous: `${STORE}-other` })),
    ),
  );
  assert.notEqual(
    hash,
    planHash(
      "switch",
      hosts.map((plan) => ({ ...plan, system: `${STORE}-other` })),
    ),
  );
});

test("journal records become lines of the timeline", () => {
  const record = (event: object): JournalRecord =>
    ({ seq: 1, at: "", uptimeMs: 0, bootId: "", ...event }) as JournalRecord;
  const told = [
    { kind: "step", step: "flip", event: "begin" },
    { kind: "step", step: "flip", event: "end" },
    { kind: "step", step: "restart", event: "failed", message: "nginx.service failed" },
    { kind: "state", state: "reverting", reason: { kind: "health-failed", message: "page: 502" } },
    { kind: "state", state: "checking" },
    { kind: "health", result: { healthy: false, name: "page", message: "502" } },
    { kind: "note", message: "the executor was lost" },
    { kind: "deadline", atSeconds: 3 },
  ].map((event) => describeRecord(record(event))?.text ?? null);
  assert.deepEqual(told, [
    "switch /system to the new system",
    null,
    "restart failed: nginx.service failed",
    "reverting: page: 502",
    null,
    "unhealthy: page (502)",
    "the executor was lost",
    null,
  ]);
});

test("outcomes: one line per host, then the story of those that did not end as wanted", () => {
  const receipt = { generation: 7 } as Receipt;
  const common = {
    goal: "switch",
    timeline: [
      { atMs: 1500, text: "copying" },
      { atMs: 62_000, text: "\u001b]0;x\u0007" },
    ],
  } as const;
  const outcomes: HostOutcome[] = [
    { ...common, host: "web", status: "activated", receipt, copied: { paths: 3, bytes: 4096 } },
    { ...common, host: "lb", status: "rolled-back", reason: "page: 502", log: ["nginx: no such file"] },
    { ...common, host: "db", status: "skipped", because: "cancelled" },
  ];
  assert.deepEqual(
    outcomes.map((outcome) => describeOutcome(outcome).text),
    [
      "confirmed as generation 7, 3 paths (4.0 KiB) copied",
      "returned to its previous system: page: 502",
      "skipped: interrupted before its activation began",
    ],
  );
  assert.equal(
    renderSummary(outcomes.slice(0, 2), terminal(), { verbose: false }).join("\n"),
    `
lb: timeline
     1.50 s  copying
    62.00 s  \\x1b]0;x\\x07
  last log lines:
    nginx: no such file
1 activated, 1 rolled-back`,
  );
});

test("whose answers are waited for is told on a terminal only, and at the end how many there were", () => {
  const told: unknown[][] = [];
  const progress = {
    update: (...words: unknown[]) => told.push(words),
    done: (...words: unknown[]) => told.push(words),
  } as unknown as Progress;
  const tell = probeDisplay(progress);
  tell({ pending: ["a", "b", "c"], found: 0, total: 3 });
  tell({ pending: ["a", "c"], found: 1, total: 3 });
  tell({ pending: [], found: 2, total: 3 });
  assert.deepEqual(told, [
    ["look", "asking 3 machines"],
    ["look", "waiting for a, c", { minor: true }],
    ["look", "2 of 3 machines looked at", "failed"],
  ]);
});

test("what a host says reaches the terminal in one safe line", () => {
  const shown = terminal();
  const progress = new Progress(shown);
  progress.update("web", "first\nsecond\u001b[2J");
  progress.done("web", "done\u001b[2J", "failed");
  assert.equal(shown.lines[0], "web: first; second\\x1b[2J");
  assert.match(shown.lines[1] ?? "", /^✗ web: done\\x1b\[2J \(\d+ ms\)$/);
});

test("columns are as wide as their text, without its colours", () => {
  const { bold } = picocolors.createColors(true);
  const lines = renderTable(
    ["host", "system", "up"],
    [
      [bold("a"), "x", "1 s"],
      ["a-long-name", bold("yy"), ""],
    ],
  );
  assert.deepEqual(
    // eslint-disable-next-line no-control-regex -- escape sequences are what this removes
    lines.map((line) => line.replace(/\u001b\[\d+m/g, "")),
    ["host         system  up", "a            x       1 s", "a-long-name  yy"],
  );
});

const PLACE = { file: "/fleet/web.nix", line: 3, column: 9, excerpt: "     3|   x = pkgs.htoop;" };
const OWN = { ...PLACE, file: "/pristine/nix/fleet.nix" };
function diagnostic(data: Partial<EvalDiagnosticData>): EvalDiagnostic {
  return new EvalDiagnostic({ code: "EVAL_TYPE", message: "wrong", rendered: "error: wrong", trace: [], ...data });
}

test("an evaluation error is shown at the innermost place that is the user's", () => {
  const trace = [
    { text: "while calling a function", place: OWN },
    { text: "while evaluating the option `services.x':" },
    { text: "while evaluating the attribute 'y'", place: PLACE },
    { text: "while evaluating the host 'web':" },
  ];
  const { data } = diagnostic({ place: OWN, trace });
  assert.deepEqual(describeEvaluationError(data, { ownDirectory: "/pristine/nix" }), {
    headline: "wrong",
    details: [
      "  at /fleet/web.nix:3:9",
      "      3|   x = pkgs.htoop;",
      "  … while evaluating option 'services.x' of host 'web'",
    ],
  });
});

test("the record of an error is what a person is told", () => {
  const missing = diagnostic({ code: "EVAL_ATTR_MISSING", message: "attribute 'htoop' missing", place: PLACE });
  const record = errorRecord(missing, { nixDirectory: "/pristine/nix" });
  assert.equal(record.code, "EVAL_ATTR_MISSING");
  assert.match(record.hint ?? "", /run 'pristine lock'/);
  const locking = errorRecord(missing, { nixDirectory: "/pristine/nix", isLocking: true });
  assert.match(locking.hint ?? "", /the Debian suite has no package 'htoop'/);
  assert.deepEqual(record.place, { file: "/fleet/web.nix", line: 3, column: 9 });
  const abort = new DOMException("This operation was aborted", "AbortError");
  assert.equal(errorRecord(abort, { nixDirectory: "/" }).code, "INTERRUPTED");
  assert.equal(errorRecord("words", { nixDirectory: "/" }).code, "INTERNAL");
});

test("a mistake of ours says so, with where it happened", () => {
  const shown = terminal();
  renderError(shown, new TypeError("x is not a function"), { verbose: false, nixDirectory: "/" });
  assert.match(shown.lines[0] ?? "", /TypeError: x is not a function\n\s+at /);
  assert.match(shown.lines[1] ?? "", /this is a bug in pristine/);
});

test("what is uploaded is in the plan, also for a host that stays as it is, and in what is approved", () => {
  const upload: Upload = {
    name: "key",
    place: "fleet.nix:3",
    source: "text",
    file: null,
    command: null,
    path: "/run/keys/key",
    owner: "root",
    group: "root",
    mode: "0400",
    when: "preActivation",
    makeDirectories: true,
    afterwards: ["systemctl", "restart", "shop"],
  };
  const hosts: HostPlan[] = ["lb", "web"].map((name) => ({
    host: { ...host(name), uploads: name === "lb" ? [upload] : [] },
    state: "unchanged",
    system: `${STORE}-system`,
    healthChecks: [],
    hooks: [],
  }));
  const render = (goal: FleetPlan["goal"]): string[] =>
    renderPlan({ goal, hosts, hooks: [], hash: "0" }, terminal(), { fileDiffs: false });
  assert.deepEqual(render("switch"), [
    "lb: unchanged, but for",
    "  upload    key: /run/keys/key; then systemctl restart shop",
    "",
    "web: unchanged",
  ]);
  assert.deepEqual(render("boot"), ["lb, web: unchanged"]);
  const hashOf = (uploads: readonly Upload[]): string =>
    planHash("switch", [{ host: { ...host("lb"), uploads }, system: "s" }]);
  assert.equal(hashOf([upload]), hashOf([{ ...upload, place: "elsewhere" }]));
  assert.notEqual(hashOf([upload]), hashOf([{ ...upload, afterwards: [] }]));
});
