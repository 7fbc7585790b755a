/**
 * The transaction on real hosts: its process is killed, and the host is cut from power, at every journal record; the
 * cases are generated from the list of steps. By default before a step's effect, between the effect and its record, and
 * after the record; SLOW=1 adds the place right before a step begins, which is that after the step before it.
 */

import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { labDown, labUp, type Lab } from "../../src/lab/lab.ts";
import type { HostFacts } from "../../src/machine/facts.ts";
import {
  stepsOf,
  type JournalAnswer,
  type KitFailure,
  type Receipt,
  type TransactionPlan,
} from "../../src/machine/transaction.ts";
import { removeStaleLabs, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";
import { prepareTransactionFixture, type TransactionFixture } from "../support/transaction-hosts.ts";

const NAME = TEST_LAB_NAME;
const HOSTS = Number(process.env["PRISTINE_TEST_HOSTS"] ?? 3);
const isSlow = process.env["SLOW"] === "1";
const limit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);

const fixture = await prepareTransactionFixture(limit(900));

interface Case {
  readonly phase: "begin" | "activate" | "confirm" | "revert";
  /** As `/nix/var/pristine/faults/point` has it, without the action. */
  readonly fault: string;
}

const CASES: readonly Case[] = (["begin", "activate", "confirm", "revert"] as const).flatMap((phase) =>
  stepsOf(phase, "switch")
    // The journal has ended when these run.
    .filter((step) => !["confirm-disarm", "confirm-prune", "revert-disarm"].includes(step))
    .flatMap((step) => [
      ...(isSlow ? [`before ${step}.begin`] : []),
      `after ${step}.begin`,
      `before ${step}.end`,
      `after ${step}.end`,
    ])
    .map((fault): Case => ({ phase, fault })),
);

/** Hosts are handed out one case at a time; each case leaves its host in order. */
class Hosts {
  readonly #free: LabHost[];
  readonly #waiting: ((host: LabHost) => void)[] = [];

  constructor(hosts: readonly LabHost[]) {
    this.#free = [...hosts];
  }

  async use<T>(action: (host: LabHost) => Promise<T>): Promise<T> {
    const host = this.#free.pop() ?? (await new Promise<LabHost>((resolve) => this.#waiting.push(resolve)));
    try {
      return await action(host);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(host);
      else next(host);
    }
  }
}

let ids = 0;

class Remote {
  readonly #host: LabHost;
  readonly #fixture: TransactionFixture;

  constructor(host: LabHost, fixture: TransactionFixture) {
    this.#host = host;
    this.#fixture = fixture;
  }

  async script(text: string, stdin?: string): Promise<string> {
    const outcome = await this.#host.run(["sh", "-c", text], {
      deadlineMs: 120_000,
      ...(stdin === undefined ? {} : { stdin }),
    });
    return outcome.stdout.toString();
  }

  /** Runs the kit; with a fault its process may be killed, and then there is no answer. */
  async kit<T>(
    command: string,
    options: { readonly stdin?: string; readonly fault?: string } = {},
  ): Promise<T | undefined> {
    const fault =
      options.fault === undefined
        ? ""
        : `mkdir -p /nix/var/pristine/faults; echo '${options.fault}' > /nix/var/pristine/faults/point; `;
    const text = await this.script(`${fault}${this.#fixture.kit}/bin/pristine-kit ${command}`, options.stdin ?? "");
    const last = text.trim().split("\n").at(-1) ?? "";
    return last === "" ? undefined : (JSON.parse(last) as T);
  }

  plan(system: string, more: Partial<TransactionPlan> = {}): TransactionPlan {
    return {
      version: 1,
      id: `t${ids++}`,
      goal: "switch",
      host: this.#host.name,
      system,
      operator: { user: "test", host: "here", pid: process.pid },
      reason: "crash test",
      confirmTimeoutSeconds: 60,
      keepGenerations: 3,
      healthChecks: [
        {
          name: "unit",
          kind: "unit",
          unit: "crash-stopped.service",
          timeoutSeconds: 5,
          retries: 0,
          intervalSeconds: 1,
        },
      ],
      ...more,
    };
  }

  async begin(plan: TransactionPlan, fault?: string): Promise<void> {
    const stdin = JSON.stringify(plan);
    const answer = await this.kit<Partial<KitFailure>>("begin", fault === undefined ? { stdin } : { stdin, fault });
    assert.equal(answer?.error, undefined);
  }

  async follow(plan: TransactionPlan): Promise<JournalAnswer> {
    const answer = await this.kit<JournalAnswer>(`journal ${plan.id} --follow`);
    assert.ok(answer !== undefined);
    return answer;
  }

  async facts(): Promise<HostFacts> {
    const facts = await this.kit<HostFacts>("facts");
    assert.ok(facts !== undefined);
    return facts;
  }

  /** Deploys without any fault, which also shows that the host can still be deployed to. */
  async deploy(system: string): Promise<void> {
    const plan = this.plan(system);
    await this.begin(plan);
    const { state, receipt } = await this.follow(plan);
    assert.equal(state, "awaiting-confirm", JSON.stringify(receipt?.reason));
    assert.equal((await this.kit<Receipt>(`confirm ${plan.id}`))?.outcome, "confirmed");
  }

  /** What runs, is booted next, and which version each of the services was started with. */
  async assertRuns(system: string): Promise<void> {
    const facts = await this.facts();
    assert.equal(facts.systems.system, system);
    assert.equal(facts.systems.activated, system);
    assert.equal(facts.systems.profile, system);
    assert.equal(facts.transaction, null);
    assert.equal(facts.lock, null);
    assert.deepEqual(facts.failedUnits, []);
    assert.deepEqual(facts.drift, []);
    const version = system.slice(system.lastIndexOf("-") + 1);
    const versions = await this.script(
      `for unit in $(systemctl list-units --plain --no-legend --state=active 'crash-*' | cut -d' ' -f1); do
         pid=$(systemctl show --property=MainPID --value $unit)
         echo "$unit $(tr '\\0' '\\n' < /proc/$pid/environ | sed -n 's/^VERSION=//p')"
       done`,
    );
    assert.deepEqual(versions.trim().split("\n").sort(), [
      `crash-only-${version}.service ${version}`,
      `crash-restarted.service ${version}`,
      `crash-stopped.service ${version}`,
    ]);
    assert.equal((await this.script(listUnits)).trim(), "");
  }
}

suite(
  "transaction on real hosts",
  {
    skip: await labsMissing(),
    concurrency: HOSTS,
    timeout: 40 * 60_000,
  },
  () => {
    let lab: Lab;
    let hosts: Hosts;

    before(async () => {
      assert.ok(fixture !== undefined);
      await removeStaleLabs();
      const names = Array.from({ length: HOSTS }, (_, i) => ({ name: `h${i + 1}` }));
      lab = await labUp({ name: NAME, hosts: names, bootstrap: fixture.bootstrap, signal: limit(240) });
      hosts = new Hosts(lab.hosts);
    });
    after(async () => {
      await labDown(NAME);
      fixture?.remove();
    });

    /** A host, and the system to go to: the one it does not run. */
    const onHost = (
      action: (remote: Remote, host: LabHost, from: string, to: string) => Promise<void>,
    ): Promise<void> =>
      hosts.use(async (host) => {
        assert.ok(fixture !== undefined);
        const remote = new Remote(host, fixture);
        const facts = await remote.facts();
        const from = facts.systems.system ?? "";
        await action(remote, host, from, from === fixture.old ? fixture.next : fixture.old);
      });

    test("a system whose unit fails is left again, and the receipt shows the unit's log", () =>
      onHost(async (remote, _host, from) => {
        const plan = remote.plan(fixture?.broken ?? "");
        await remote.begin(plan);
        const { receipt } = await remote.follow(plan);
        assert.equal(receipt?.outcome, "reverted");
        assert.equal(receipt.reason?.kind, "units-failed");
        assert.match(receipt.reason.log?.join("\n") ?? "", /crash-broken/);
        await remote.assertRuns(from);
      }));

    test("without confirmation the host returns by itself", () =>
      onHost(async (remote, _host, from, to) => {
        const plan = remote.plan(to, { confirmTimeoutSeconds: 1 });
        await remote.begin(plan);
        await remote.follow(plan);
        await remote.script("sleep 1.5");
        const { receipt } = await remote.follow(plan);
        assert.equal(receipt?.reason?.kind, "deadline");
        await remote.assertRuns(from);
      }));

    test("a full disk refuses a transaction, and does not keep a host from returning", () =>
      onHost(async (remote, host, from, to) => {
        const plan = remote.plan(to, { confirmTimeoutSeconds: 2 });
        await remote.begin(plan);
        await remote.follow(plan);
        await host.fillDisk();
        await remote.script("sleep 2.5; for i in $(seq 100); do readlink /run/pristine/activated; sleep 0.05; done");
        assert.equal((await remote.script("readlink /run/pristine/activated")).trim(), from);
        const refused = await remote.kit<KitFailure>("begin", { stdin: JSON.stringify(remote.plan(to)) });
        assert.match(refused?.error.code ?? "", /KIT_DISK_FULL|KIT_LOCKED/);
        await host.releaseDisk();
        await remote.script(waitForRest);
        await remote.deploy(to);
        await remote.assertRuns(to);
      }));

    for (const { phase, fault } of CASES) {
      test(`killed ${fault}`, () =>
        onHost(async (remote, _host, from, to) => {
          const plan = remote.plan(to);
          let expected = to;
          switch (phase) {
            case "begin":
              await remote.begin(plan, `${fault} kill`);
              await remote.deploy(to);
              break;
            case "activate":
              await remote.begin(plan, `${fault} kill`);
              assert.equal((await remote.follow(plan)).state, "awaiting-confirm");
              await remote.kit(`confirm ${plan.id}`);
              break;
            case "confirm":
              await remote.begin(plan);
              await remote.follow(plan);
              await remote.kit(`confirm ${plan.id}`, { fault: `${fault} kill` });
              // The deployer hears nothing and asks again.
              assert.equal((await remote.kit<Receipt>(`confirm ${plan.id}`))?.outcome, "confirmed");
              break;
            case "revert":
              await remote.begin(plan);
              await remote.follow(plan);
              await remote.kit(`revert ${plan.id}`, { fault: `${fault} kill` });
              assert.equal((await remote.script(`${waitForEnd(plan)}`)).trim(), "reverted");
              expected = from;
          }
          assert.equal(
            await remote.script("cat /nix/var/pristine/faults/point 2>/dev/null"),
            "",
            "the fault was reached",
          );
          await remote.script(`${waitForRest}`);
          await remote.assertRuns(expected);
        }));

      test(`power cut ${fault}`, () =>
        onHost(async (remote, host, from, to) => {
          const plan = remote.plan(to);
          const cut = async (action: Promise<unknown>): Promise<void> => {
            await frozen(host);
            await host.powerCut();
            await action.catch(() => undefined);
            rmSync(`${host.diskRoot}/nix/var/pristine/faults/frozen`);
            await host.powerOn(limit(60));
            await host.waitForSsh(limit(60), 60_000);
          };
          if (phase === "begin" || phase === "activate") {
            await cut(remote.begin(plan, `${fault} freeze`).catch(() => undefined));
          } else {
            await remote.begin(plan);
            await remote.follow(plan);
            await cut(remote.kit(`${phase} ${plan.id}`, { fault: `${fault} freeze` }).catch(() => undefined));
          }
          const facts = await remote.facts();
          const bootDefault = facts.systems.profile ?? "";
          assert.equal(facts.systems.booted, bootDefault);
          if (phase !== "confirm") assert.equal(bootDefault, from, "unconfirmed boots the old system");
          if (facts.lastReceipt?.id === plan.id) {
            assert.equal(
              facts.lastReceipt.outcome,
              bootDefault === to ? "confirmed" : phase === "revert" ? facts.lastReceipt.outcome : "reverted-by-reboot",
            );
          }
          await remote.script("systemctl is-system-running --wait");
          await remote.assertRuns(bootDefault);
        }));
    }
  },
);

/** The kit's process stands still: what it wrote is on the disk. */
async function frozen(host: LabHost): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!existsSync(`${host.diskRoot}/nix/var/pristine/faults/frozen`)) {
    assert.ok(Date.now() < deadline, "the fault was reached");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What a transaction has left: its units are made when they are needed, and go when they have ended. */
const listUnits =
  "systemctl list-units --all --plain --no-legend 'pristine-transaction*' 'pristine-rollback*' 'pristine-revert*' 'pristine-deadline*'";
const waitForRest = `for i in $(seq 200); do [ -z "$(${listUnits})" ] && break; sleep 0.05; done`;

function waitForEnd(plan: TransactionPlan): string {
  const receipt = `/nix/var/pristine/transactions/${plan.id}/receipt.json`;
  return `for i in $(seq 400); do [ -e ${receipt} ] && break; sleep 0.05; done; sed -n 's/.*"outcome":"\\([^"]*\\)".*/\\1/p' ${receipt}`;
}
