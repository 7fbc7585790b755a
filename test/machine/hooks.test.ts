/**
 * Hooks on a real host and on the deployer: a balancer here, which the host is taken out of and put back in, whatever
 * becomes of its deployment.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { labDown } from "../../src/lab/lab.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const SUBNET = takeTestSubnet();

/** Who gets requests, and what was asked of it, as `drain web1 preActivation`. */
class Balancer {
  readonly members: Set<string> = new Set(["web1"]);
  readonly log: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server);
    server.on("connection", (socket) =>
      socket.setEncoding("utf8").on("data", (text) => {
        const line = String(text).trim();
        const [action = "", host = ""] = line.split(" ");
        balancer.log.push(line);
        if (action === "drain") balancer.members.delete(host);
        else if (action === "uncordon") balancer.members.add(host);
        socket.end(`${[...balancer.members].join(",") || "nobody"} serves\n`);
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** What was asked about the host since the last time. */
  asked(): string[] {
    return this.#taken((line) => line.includes(" web1 "));
  }

  /** What the fleet's own hooks said since the last time. */
  told(): string[] {
    return this.#taken((line) => line.includes(` ${TEST_LAB_NAME} `));
  }

  #taken(isMeant: (line: string) => boolean): string[] {
    const taken = this.log.filter(isMeant);
    this.log.splice(0, this.log.length, ...this.log.filter((line) => !isMeant(line)));
    return taken;
  }

  stop(): void {
    this.#server.close();
  }
}

/** Asks the balancer, as an operator's script would. */
const SCRIPT = `import { connect } from "node:net";
const { PRISTINE_FLEET, PRISTINE_HOST = PRISTINE_FLEET, PRISTINE_MOMENT, PRISTINE_OUTCOME = "" } = process.env;
const [port, action] = process.argv.slice(2);
const socket = connect(Number(port), "127.0.0.1", () => socket.write([action, PRISTINE_HOST, PRISTINE_MOMENT, PRISTINE_OUTCOME].join(" ").trim()));
socket.pipe(process.stdout);
`;

function hooksNix(port: number): string {
  const ask = (action: string): string =>
    `[ ${JSON.stringify(process.execPath)} ./balancer.mjs "${port}" "${action}" ]`;
  const onHost = (script: string): string => `on = "host"; command = [ "/usr/bin/sh" "-c" ''${script}'' ];`;
  return `{
    fleet.tell = { when = [ "preBuild" "preRollout" "postRollout" ]; command = ${ask("tell")}; };
    host = {
    drain = { when = [ "preActivation" "preReboot" ]; command = ${ask("drain")}; };
    uncordon = { when = "finally"; command = ${ask("uncordon")}; };
    told = { when = [ "postConfirmation" "postRollback" "postReboot" ]; command = ${ask("tell")}; };
    look = { when = "preConfirmation"; timeout = 4; command = ${ask("look")}; };
    dump = { when = "preActivation"; timeout = 20; environment.NOTE = "kept"; ${onHost("echo dumped; env | grep -e PRISTINE -e NOTE >/persist/dump; readlink /system >>/persist/dump")} };
    back = { when = [ "postConfirmation" "postRollback" ]; ${onHost("echo $PRISTINE_MOMENT $PRISTINE_OUTCOME >>/persist/back")} };
    };
  }`;
}

const CHECKS = `  deployment.healthChecks = {
    here = { command = [ "true" "it is up" ]; runFrom = "deployer"; };
    there.command = [ "/usr/bin/true" ];
  };
  deployment.dataVersions.app = {
    version = "1";
    snapshot.command = [ "/usr/bin/sh" "-c" ''echo $PRISTINE_DATA_FROM $PRISTINE_DATA_TO $(readlink /system) >>/persist/snapshots'' ];
  };
`;

let shop: Shop;
let fleet: FleetDriver;
let web1: RemoteHost;
let balancer: Balancer;

function edit(directory: string): void {
  const file = (path: string): string => join(directory, path);
  const fleetText = readFileSync(file("fleet.nix"), "utf8");
  writeFileSync(
    file("fleet.nix"),
    fleetText
      .replace('name = "shop";', `name = "${TEST_LAB_NAME}"; hooks = (import ./hosts/hooks.nix).fleet;`)
      .replace(/\n *(lb|web2) = .*/g, ""),
  );
  writeFileSync(file("hosts/balancer.mjs"), SCRIPT);
  writeFileSync(file("hosts/hooks.nix"), hooksNix(balancer.port));
  const web = readFileSync(file("hosts/web1.nix"), "utf8");
  writeFileSync(
    file("hosts/web1.nix"),
    web.replace("shop.greeting", `deployment.hooks = (import ./hooks.nix).host;\n${CHECKS}  shop.greeting`),
  );
}

const deploy = async (exit = 0, args: readonly string[] = []): Promise<HostOutcome> =>
  (await fleet.deploy(args, { exit: [exit] }))["web1"]!;

const texts = (outcome: HostOutcome): string => outcome.timeline.map(({ text }) => text).join("\n");

suite(
  "hooks around deployments of a real host",
  { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 },
  () => {
    before(async () => {
      await removeStaleLabs();
      balancer = await Balancer.start();
      shop = makeShop({ subnet: SUBNET, edit });
      fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
      await fleet.run(["lab", "up"]);
      web1 = await fleet.host("web1");
    });
    after(async () => {
      balancer.stop();
      await labDown(TEST_LAB_NAME);
      shop[Symbol.dispose]();
    });

    test("a deployment that works: drained before, put back after, and the host ran its own in between", async () => {
      const { plan } = await fleet.ask<{ plan: { hosts: { hooks: { name: string; on: string }[] }[] } }>([
        "plan",
        "--lab",
      ]);
      assert.deepEqual(plan.hosts[0]?.hooks.map(({ name, on }) => `${name} ${on}`).sort(), [
        "back host",
        "drain deployer",
        "dump host",
        "look deployer",
        "told deployer",
        "uncordon deployer",
      ]);
      assert.deepEqual(balancer.asked(), []);
      const commands: string[] = [];
      const shown = (line: string): void => void (/^web1[^+]* \+ /.test(line) && commands.push(line));
      const { web1: outcome } = await fleet.deploy(["--show-commands"], { onLine: shown });
      assert.ok(outcome?.status === "activated", JSON.stringify(outcome));
      const words = commands.map((line) =>
        line
          .replace(/\S*\/bin\/pristine-kit (\w+).*/, "kit $1")
          .replace(/\S+ \S+ \d+ (\w+)$/, "$1")
          .replace(/(sh -c).*(dump|back).*/, "$1 $2"),
      );
      assert.deepEqual(words.slice(words.indexOf("web1 (deployer) + drain")), [
        "web1 (deployer) + drain",
        "web1 + kit begin",
        "web1 + kit journal",
        "web1 + /usr/bin/sh -c dump",
        "web1 + /usr/bin/true",
        "web1 (deployer) + true 'it is up'",
        "web1 (deployer) + look",
        "web1 + kit confirm",
        "web1 + kit journal",
        "web1 + /usr/bin/sh -c back",
        "web1 (deployer) + tell",
        "web1 (deployer) + uncordon",
      ]);
      assert.deepEqual(balancer.asked(), [
        "drain web1 preActivation",
        "look web1 preConfirmation",
        "tell web1 postConfirmation activated",
        "uncordon web1 finally activated",
      ]);
      assert.deepEqual([...balancer.members], ["web1"]);
      const { receipt } = outcome;
      assert.deepEqual(
        receipt.hooks?.map(({ name, moment, isOk, output }) => [name, moment, isOk, output]),
        [
          ["dump", "preActivation", true, ["dumped"]],
          ["back", "postConfirmation", true, []],
        ],
      );
      const dump = await web1.sh("cat /persist/dump");
      for (const line of [
        "NOTE=kept",
        "PRISTINE_HOST=web1",
        "PRISTINE_GOAL=switch",
        `PRISTINE_SYSTEM=${receipt.system}`,
        `PRISTINE_PREVIOUS=${receipt.previous}`,
        `PRISTINE_TRANSACTION=${receipt.id}`,
        receipt.previous.slice(1),
      ])
        assert.ok(dump.split("\n").includes(line), `${line} in ${dump}`);
      for (const name of [
        "drain (preActivation)",
        "dump (preActivation)",
        "look (preConfirmation)",
        "uncordon (finally)",
      ])
        assert.ok(texts(outcome).includes(`hook ${name}: `), name);
      assert.equal(await web1.sh("cat /persist/back"), "postConfirmation confirmed");
    });

    test("a deployment that goes back: put back in, and told so here and there", async () => {
      const undo = fleet.edit(
        "hosts/web1.nix",
        "shop.greeting",
        'deployment.healthChecks.never.command = [ "/usr/bin/false" ];\n  shop.greeting',
      );
      const outcome = await deploy(2);
      undo();
      assert.equal(outcome.status, "rolled-back");
      assert.deepEqual(balancer.asked(), [
        "drain web1 preActivation",
        "tell web1 postRollback rolled-back",
        "uncordon web1 finally rolled-back",
      ]);
      assert.deepEqual([...balancer.members], ["web1"]);
      assert.equal(await web1.sh("tail -n1 /persist/back"), "postRollback reverted");
    });

    test("a hook that fails ends it: before the activation untouched, before the confirmation returned", async () => {
      const before = await web1.facts();
      const greeting = fleet.edit("hosts/web1.nix", "Good morning", "Good noon");
      let undo = fleet.edit(
        "hosts/hooks.nix",
        "dump = {",
        'abort = { when = "preActivation"; command = [ "/bin/sh" "-c" "echo no way; exit 3" ]; };\n dump = {',
      );
      const refused = await deploy(2);
      undo();
      assert.ok(refused.status === "failed" && refused.code === "HOOK_FAILED", JSON.stringify(refused));
      assert.match(refused.reason, /hook abort \(preActivation\): exit code 3 after .* s: no way/);
      assert.match(refused.hint ?? "", /hooks\.nix:\d/);
      assert.equal((await web1.facts()).lastReceipt?.id, before.lastReceipt?.id, "the host was not asked");
      assert.deepEqual(balancer.asked(), ["uncordon web1 finally failed"], "abort comes before drain, by its name");

      undo = fleet.edit(
        "hosts/hooks.nix",
        "timeout = 4; command = [",
        'timeout = 1; command = [ "/bin/sh" "-c" "sleep 60" ] ++ [',
      );
      const returned = await deploy(2);
      undo();
      assert.ok(returned.status === "rolled-back", JSON.stringify(returned));
      assert.match(returned.reason, /hook look \(preConfirmation\): no end within 1 s/);
      const facts = await web1.facts();
      assert.equal(facts.systems.system, before.systems.system);
      assert.equal(facts.lastReceipt?.reason?.kind, "hook-failed");
      assert.equal(balancer.asked().at(-1), "uncordon web1 finally rolled-back");

      undo = fleet.edit("hosts/hooks.nix", "echo dumped;", "echo no room; yes | head -c 20000000; kill -9 $$;");
      const ended = await deploy(2);
      undo();
      assert.ok(ended.status === "rolled-back", JSON.stringify(ended));
      assert.match(ended.reason, /hook dump \(preActivation\): exit 137/);
      assert.equal(ended.log.length, 15, "of what it wrote, the end is kept");
      assert.deepEqual([...balancer.members], ["web1"]);
      balancer.asked();
      greeting();
    });

    test("programs that are not there are refused before anything is touched", async () => {
      let undo = fleet.edit("hosts/hooks.nix", '"/usr/bin/sh" "-c" \'\'echo $', '"/usr/bin/absent" "-c" \'\'echo $');
      const outcome = await deploy(2);
      undo();
      assert.ok(outcome.status === "failed" && outcome.code === "HOOK_PROGRAM_MISSING", JSON.stringify(outcome));
      assert.match(outcome.reason, /hook 'back' of web1 runs \/usr\/bin\/absent, which its system does not have/);
      undo = fleet.edit(
        "hosts/hooks.nix",
        "drain = {",
        'drain = { environment = { }; } // { when = "preCopy"; command = [ "absent-program" ]; }; other = {',
      );
      const { stderr } = await fleet.run(["deploy", "--lab", "--yes"], { exit: [1] });
      undo();
      assert.match(stderr, /hook 'drain' of web1 runs absent-program, which is no program on this machine/);
      assert.match(stderr, /hooks\.nix:\d/);
      assert.deepEqual(balancer.asked(), []);
    });

    test("a deployer that is killed: the host returns by itself, and the next deployment puts it back in", async () => {
      const before = await web1.facts();
      const greeting = fleet.edit("hosts/web1.nix", "Good morning", "Good night");
      const timeout = fleet.edit("shop.nix", "confirmTimeout = 60", "confirmTimeout = 6");
      await fleet.run(["deploy", "--lab", "--yes"], {
        exit: [null],
        onLine: (line, kill) => {
          if (line.includes("switch /system")) kill("SIGKILL");
        },
      });
      greeting();
      timeout();
      assert.deepEqual([...balancer.members], [], "it is drained still");
      for (let i = 0; i < 60 && (await web1.facts()).transaction !== null; i++)
        await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal((await web1.facts()).systems.system, before.systems.system);
      assert.equal(await web1.sh("tail -n1 /persist/back"), "postRollback reverted");
      balancer.asked();
      const outcome = await deploy();
      assert.equal(outcome.status, "unchanged");
      assert.deepEqual(balancer.asked(), ["uncordon web1 finally unchanged"]);
      balancer.told();
      assert.equal((await deploy()).status, "unchanged");
      assert.deepEqual(balancer.asked(), [], "once");
      assert.deepEqual(balancer.told(), [`tell ${TEST_LAB_NAME} preBuild`], "nothing is rolled out");
    });

    test("a reboot drains and puts back in", async () => {
      await fleet.run(["reboot", "--lab", "--yes"]);
      assert.deepEqual(balancer.asked(), [
        "drain web1 preReboot",
        "tell web1 postReboot rebooted",
        "uncordon web1 finally rebooted",
      ]);
      assert.deepEqual([...balancer.members], ["web1"]);
    });

    test("a change that takes a reboot: drained before it, saved before it, put back once the new boot is confirmed", async () => {
      const { systems, bootId } = await web1.facts();
      const before = systems.system ?? "";
      fleet.edit("hosts/web1.nix", 'version = "1"', 'version = "2"');
      const outcome = await deploy(0, ["--goal", "reboot"]);
      assert.ok(outcome.status === "activated", JSON.stringify(outcome));
      assert.deepEqual(balancer.asked(), [
        "drain web1 preActivation",
        "drain web1 preReboot",
        "tell web1 postReboot",
        "look web1 preConfirmation",
        "tell web1 postConfirmation activated",
        "uncordon web1 finally activated",
      ]);
      assert.deepEqual([...balancer.members], ["web1"]);
      assert.notEqual((await web1.facts()).bootId, bootId);
      assert.equal(await web1.sh("cat /persist/snapshots"), `1 2 ${before.slice(1)}`);
      assert.deepEqual(
        outcome.receipt.hooks?.map(({ name, moment }) => `${name} ${moment}`),
        ["dump preActivation", "snapshot-app preActivation", "back postConfirmation"],
      );
    });

    test("a rollback over a version of data says so before it asks, and saves the data first", async () => {
      const { systems } = await web1.facts();
      const newer = systems.system ?? "";
      const { stdout } = await fleet.run(["rollback", "web1", "--lab", "--yes"]);
      assert.match(stdout, /DATA +app: its data would go backwards: it is of version 2 by now/);
      assert.match(stdout, /hook +snapshot-app \(preActivation on the host\)/);
      assert.equal(await web1.sh("tail -n1 /persist/snapshots"), `2 1 ${newer.slice(1)}`);
    });

    test("a rollback ends a temporary system early", async () => {
      const before = (await web1.facts()).systems;
      const undo = fleet.edit("hosts/web1.nix", "Good morning", "For a while");
      const outcome = await deploy(0, ["--temporary", "10m"]);
      undo();
      assert.equal(outcome.status, "temporary", JSON.stringify(outcome));
      await fleet.run(["rollback", "web1", "--lab", "--yes"]);
      const facts = await web1.facts();
      assert.deepEqual(facts.systems, before);
      assert.deepEqual([facts.transaction, facts.drift], [null, []]);
      assert.equal(await web1.sh("systemctl list-timers --all 'pristine-*' --no-legend"), "");
      const [back, temporary] = await web1.receipts();
      assert.deepEqual([back?.outcome, temporary?.outcome], ["confirmed", "superseded"]);
    });
  },
);
