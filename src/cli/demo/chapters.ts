/** The chapters of the demo: each makes claims and prints the evidence for them. */

import { systemClock } from "../../base/clock.ts";
import type { HostOutcome } from "../../fleet/outcome.ts";
import type { HostStatus } from "../../fleet/status.ts";
import type { EphemeralAnswer } from "../../machine/facts.ts";
import { renderBytes } from "../../base/quantities.ts";
import { Load, type LoadReport } from "./load.ts";
import { ClaimError } from "./edit.ts";
import type { Story } from "./story.ts";

const HOSTS = ["lb", "web1", "web2"] as const;

interface DeployAnswer {
  readonly outcomes: readonly HostOutcome[];
}

interface ExecAnswer {
  readonly hosts: readonly { readonly host: string; readonly exitCode: number | null; readonly stdout: string }[];
}

export class Chapters {
  readonly #story: Story;
  #page = "";
  /** The generation of web1 that the first deployment made. */
  #firstGeneration = 0;

  constructor(story: Story) {
    this.#story = story;
  }

  /** Tells all chapters; after one that everything needs, the rest is left out. */
  async tell(): Promise<void> {
    const story = this.#story;
    if (!(await story.chapter("Declare", () => this.#declare()))) return;
    if (!(await story.chapter("Boot from nothing", () => this.#boot()))) return;
    if (!(await story.chapter("Deploy", () => this.#deploy()))) return;
    await story.chapter("Change one thing on one host", () => this.#change());
    await story.chapter("Remove things", () => this.#remove());
    await story.chapter("Break it", () => this.#breakIt());
    await story.chapter("Reboot", () => this.#reboot());
    await story.chapter("Roll back", () => this.#rollBack());
  }

  async #declare(): Promise<void> {
    const story = this.#story;
    await story.pristine(["init", "--template", "shop", "--new-key", "."]);
    await story.show("fleet.nix");
    await story.show("hosts/lb.nix");
    await story.pristine(["lock"]);
    const address = await story.pristine(["eval", "--raw", "hosts.lb.config.networking.primaryAddress"], {
      show: "result",
    });
    this.#page = `http://${address.stdout.toString("utf8").trim()}/`;
    story.claim(/^http:\/\/[0-9.]+\/$/.test(this.#page), `the page will be served at ${this.#page}`);
  }

  async #boot(): Promise<void> {
    const story = this.#story;
    story.say(
      "Three hosts: containers with systemd as process 1, each with its own disk, store, addresses and an empty tmpfs root.",
    );
    story.say(
      "They share this machine's kernel: they are hosts, not machines of metal. What they boot holds nothing of the shop.",
    );
    await story.pristine(["lab", "up"]);
    const facts = await this.#exec(HOSTS, [
      "sh",
      "-c",
      "readlink /system; findmnt -no FSTYPE /; findmnt -no OPTIONS /nix/store | cut -d, -f1; systemctl is-active nix-daemon.socket",
    ]);
    for (const [host, text] of facts) {
      const [system = "", root = "", store = "", daemon = ""] = text.split("\n");
      story.claim(
        system.endsWith("-system-bootstrap") && root === "tmpfs" && store === "ro" && daemon === "active",
        `${host}: ${system.split("/").at(-1) ?? ""}, root on ${root}, store ${store}, nix-daemon.socket ${daemon}`,
      );
    }
    story.figure("hosts", facts.size);
  }

  async #deploy(): Promise<void> {
    const story = this.#story;
    await story.pristine(["plan", "--lab"]);
    const outcomes = await this.#deployAll();
    story.claim(
      outcomes.every((outcome) => outcome.status === "activated"),
      `${outcomes.length} hosts activated, healthy and confirmed`,
    );
    story.figure(
      "bytesCopied",
      outcomes.reduce((sum, outcome) => sum + (outcome.copied?.bytes ?? 0), 0),
    );
    const first = outcomes.find((outcome) => outcome.host === "web1");
    this.#firstGeneration = first?.status === "activated" ? (first.receipt.generation ?? 0) : 0;
    const load = new Load(this.#page);
    await systemClock.sleep(1_500, this.#story.signal);
    const report = await load.stop();
    const seen = ["web1", "web2"].filter((host) =>
      [...report.bodies.keys()].some((body) => body.includes(`Served by ${host}`)),
    );
    story.claim(seen.length === 2, `${report.answered} pages through lb, served by ${seen.join(" and ")}`);
  }

  async #change(): Promise<void> {
    const story = this.#story;
    const pidBefore = await this.#exec(["web1"], ["systemctl", "show", "-p", "MainPID", "--value", "nginx"]);
    await story.edit("hosts/web1.nix", "Good morning", "Good morning, and welcome");
    await story.pristine(["plan", "--lab"]);
    const load = new Load(this.#page);
    const outcomes = await this.#deployAll();
    await systemClock.sleep(500, this.#story.signal);
    const report = await load.stop();
    const changed = outcomes.filter((outcome) => outcome.status === "activated");
    const unchanged = outcomes.filter((outcome) => outcome.status === "unchanged").map((outcome) => outcome.host);
    story.claim(
      changed.length === 1 && changed[0]?.host === "web1",
      `only web1 changed; ${unchanged.join(" and ")} are reported unchanged`,
    );
    const copied = changed[0]?.copied;
    story.claim(
      (copied?.paths ?? 99) < 12,
      `${copied?.paths ?? 0} paths (${renderBytes(copied?.bytes ?? 0)}) were copied, to web1 alone`,
    );
    const units = changed[0]?.status === "activated" ? changed[0].receipt.units : undefined;
    const touched =
      units?.changes.filter((change) => change.action !== "skip").map((change) => `${change.unit} ${change.action}`) ??
      [];
    const pidAfter = await this.#exec(["web1"], ["systemctl", "show", "-p", "MainPID", "--value", "nginx"]);
    story.claim(
      touched.every((text) => text.startsWith("nginx.service ")),
      `touched units: ${touched.join(", ")}; nginx keeps process ${pidAfter.get("web1") ?? ""}`,
    );
    story.claim(pidBefore.get("web1") === pidAfter.get("web1"), "nginx was reloaded, not restarted");
    this.#claimServed(report, 0);
    story.claim(
      (await this.#bodies()).some((body) => body.includes("Good morning, and welcome")),
      "the new greeting is served",
    );
    story.figure("pathsCopied", copied?.paths ?? 0);
    story.figure("bytesCopied", copied?.bytes ?? 0);
  }

  async #remove(): Promise<void> {
    const story = this.#story;
    story.say("First somebody works on web2 by hand, as root, in every way that comes to mind:");
    const attempts = await this.#exec(["web2"], ["sh", "-c", DIRTY], { show: "all" });
    const lines = (attempts.get("web2") ?? "").split("\n").filter((line) => line !== "");
    const refused = lines.filter((line) => line.startsWith("refused"));
    const written = lines.filter((line) => line.startsWith("wrote")).map((line) => line.slice("wrote ".length));
    story.claim(
      refused.length >= 5,
      `${refused.length} of ${lines.length} attempts were refused: what is declared cannot be changed by hand`,
    );
    const lost = await this.#ephemeral("web2");
    await story.pristine(["ephemeral", "web2", "--lab"]);
    const unlisted = written.filter((path) => !isListed(path, lost));
    story.claim(
      unlisted.length === 0,
      `all ${written.length} things that could be written are listed as what nobody declared${unlisted.length === 0 ? "" : `, but for ${unlisted.join(", ")}`}`,
    );

    story.say("Now a package, a user, a service and a file are deleted from the declaration:");
    await story.edit("shop.nix", /\n {4}environment\.etc\."shop\/opening-hours"\.text = ''[^']*'';/, "");
    await story.edit("shop.nix", /\n {4}environment\.systemPackages = \[ pkgs\.tree \];/, "");
    await story.edit("shop.nix", /\n {4}users\.users\.mara = \{[^}]*\};/, "");
    await story.edit(
      "shop.nix",
      /\n {4}# A line in the diary[^\n]*\n {4}systemd\.services\.diary = \{[\s\S]*?\n {4}\};/,
      "",
    );
    await story.pristine(["plan", "--lab"]);
    const outcomes = await this.#deployAll();
    story.claim(
      outcomes.every((outcome) => outcome.status === "activated"),
      "deployed to all three",
    );
    const gone =
      "test ! -e /usr/bin/tree && ! getent passwd mara >/dev/null && test ! -e /etc/shop/opening-hours && ! systemctl cat diary.service >/dev/null 2>&1 && echo gone";
    for (const [host, text] of await this.#exec(HOSTS, ["sh", "-c", gone]))
      story.claim(text === "gone", `${host}: the package, the user, the file and the service are gone`);
    const before = (await this.#statuses()).find((status) => status.host === "web2")?.facts?.systems.system ?? "";

    story.say("And web2 made anew, from an empty disk, for comparison:");
    await story.pristine(["lab", "up", "lb", "web1"], { show: "progress" });
    await story.pristine(["lab", "up"], { show: "progress" });
    await story.pristine(["deploy", "web2", "--lab", "--yes"], { show: "progress" });
    const after = (await this.#statuses()).find((status) => status.host === "web2")?.facts?.systems.system ?? "";
    story.claim(
      before !== "" && before === after,
      `the host with a past and the host without one run the same system: ${after.split("/").at(-1) ?? ""}`,
    );
    story.figure("attemptsRefused", refused.length);
    story.figure("strayPathsListed", written.length);
  }

  async #breakIt(): Promise<void> {
    const story = this.#story;
    await story.part("A change that builds, but breaks the service", () => this.#breakService());
    await story.part("A firewall that locks you out", () => this.#breakFirewall());
    await story.part("The deployer is killed in the middle", () => this.#killDeployer());
    await story.part("The host loses power in the middle", () => this.#cutPower());
  }

  async #breakService(): Promise<void> {
    const story = this.#story;
    const undo = await story.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      'imports = [ ../web.nix ];\n\n  services.nginx.virtualHosts.shop.locations."/".return = 500;',
    );
    const before = await this.#systemOf("web1");
    const load = new Load(this.#page);
    await story.pristine(["deploy", "web1", "--lab", "--yes"], { exit: [2] });
    await this.#claimReturned("web1", before, load);
    await undo();
  }

  async #breakFirewall(): Promise<void> {
    const story = this.#story;
    const undo = await story.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      "imports = [ ../web.nix ];\n\n  services.openssh.openFirewall = false;",
    );
    const before = await this.#systemOf("web1");
    const load = new Load(this.#page);
    const outcome = await story.pristine(["deploy", "web1", "--lab", "--yes", "--confirm-timeout", "12"], {
      exit: [2],
    });
    story.claim(/LOCKOUT/.test(outcome.stdout.toString("utf8")), "the plan warned of the lockout");
    await this.#claimReturned("web1", before, load);
    await undo();
  }

  async #killDeployer(): Promise<void> {
    const story = this.#story;
    const undo = await story.edit("hosts/web1.nix", "Good morning, and welcome", "Good day");
    const before = await this.#systemOf("web1");
    const load = new Load(this.#page);
    const kill = new AbortController();
    const outcome = await story.pristine(["deploy", "web1", "--lab", "--yes", "--confirm-timeout", "10"], {
      killWith: kill.signal,
      onProgress: (line) => {
        if (line.includes("switch /system")) kill.abort();
      },
    });
    story.claim(outcome.code === undefined, "the deployer was killed (SIGKILL) while web1 switched");
    story.say("Nobody is there to confirm. The host waits for its deadline, and returns by itself:");
    await this.#until(60_000, async () => (await this.#statusOf("web1"))?.facts?.transaction === null);
    await this.#claimReturned("web1", before, load);
    await undo();
  }

  async #cutPower(): Promise<void> {
    const story = this.#story;
    const undo = await story.edit("hosts/web1.nix", "Good morning, and welcome", "Good day");
    const before = await this.#systemOf("web1");
    const load = new Load(this.#page);
    let cut: Promise<unknown> | undefined;
    await story.pristine(["deploy", "web1", "--lab", "--yes", "--confirm-timeout", "10"], {
      exit: [2],
      onProgress: (line) => {
        if (!line.includes("switch /system")) return;
        cut ??= story
          .pristine(["lab", "power", "cut", "web1"], { show: "none" })
          .then(() => story.pristine(["lab", "power", "on", "web1"], { show: "none" }));
      },
    });
    story.claim(cut !== undefined, "web1 lost power while it switched");
    await cut;
    await this.#claimReturned("web1", before, load);
    await undo();
  }

  async #reboot(): Promise<void> {
    const story = this.#story;
    const strays = ["/root/stray", "/var/stray", "/home/stray", "/srv/stray"];
    const write = `${strays.map((path) => `echo stray > ${path}`).join("; ")}; echo kept > /var/lib/shop/kept; touch /etc/stray 2>/dev/null && echo written || echo refused`;
    const etc = await this.#exec(["web2"], ["sh", "-c", write]);
    story.claim(etc.get("web2") === "refused", "/etc refuses a stray file; /root, /var, /home and /srv took one each");
    const listed = await this.#ephemeral("web2");
    await story.pristine(["ephemeral", "web2", "--lab"]);
    story.claim(
      strays.every((path) => isListed(path, listed)),
      "all four are listed as what a reboot would erase",
    );
    const identity =
      "cat /etc/machine-id; ssh-keygen -lf /persist/etc/ssh/ssh_host_ed25519_key | cut -d' ' -f2; cat /proc/sys/kernel/random/boot_id";
    const [machineId, hostKey, bootId] = ((await this.#exec(["web2"], ["sh", "-c", identity])).get("web2") ?? "").split(
      "\n",
    );
    const startedMs = performance.now();
    await story.pristine(["reboot", "web2", "--lab", "--yes"]);
    story.figure("rebootSeconds", Math.round((performance.now() - startedMs) / 100) / 10);
    const after = ((await this.#exec(["web2"], ["sh", "-c", identity])).get("web2") ?? "").split("\n");
    story.claim(after[2] !== bootId, "another boot answers");
    story.claim(
      after[0] === machineId && after[1] === hostKey,
      `the machine id and the ssh host key are the same (${hostKey ?? ""})`,
    );
    const check = `for f in ${strays.join(" ")}; do test -e $f && echo $f; done; cat /var/lib/shop/kept`;
    story.claim(
      (await this.#exec(["web2"], ["sh", "-c", check])).get("web2") === "kept",
      "the strays are gone; /var/lib/shop kept its file",
    );
  }

  async #rollBack(): Promise<void> {
    const story = this.#story;
    const target = this.#firstGeneration;
    const { facts } = (await this.#statusOf("web1")) ?? {};
    const kept = facts?.generations.map((generation) => generation.number).join(", ") ?? "";
    story.claim(
      facts?.generations.some((generation) => generation.number === target) === true,
      `web1 keeps the generations ${kept}; ${target} is the first deployment`,
    );
    await story.pristine(["rollback", "web1", "--to", String(target), "--lab", "--yes"]);
    await story.pristine(["status", "--lab"], { exit: [2] });
    const statuses = await this.#statuses();
    const differing = statuses.filter((status) => status.differs).map((status) => status.host);
    story.claim(
      differing.join() === "web1",
      "status says that web1 differs from the declaration though nothing is pending",
    );
    story.claim(
      statuses.every((status) => status.facts?.transaction === null && status.health.every((result) => result.healthy)),
      "all hosts are healthy",
    );
    story.claim(
      (await this.#bodies()).some((body) => body.includes("<h1>Good morning</h1>")),
      "web1 serves its earlier page",
    );
    story.figure("rolledBackTo", target);
  }

  async #deployAll(): Promise<readonly HostOutcome[]> {
    const { outcomes } = await this.#story.ask<DeployAnswer>(["deploy", "--lab", "--yes"], {
      show: "progress",
      exit: [0, 2],
    });
    return outcomes;
  }

  async #exec(
    hosts: readonly string[],
    command: readonly string[],
    options: { readonly show?: "all" | "none" } = {},
  ): Promise<Map<string, string>> {
    const answer = await this.#story.ask<ExecAnswer>(["exec", "--lab", "--on", hosts.join(","), "--", ...command], {
      show: "none",
      exit: [0, 2],
    });
    if (options.show === "all")
      for (const { stdout } of answer.hosts) for (const line of stdout.trim().split("\n")) this.#story.say(`  ${line}`);
    return new Map(answer.hosts.map(({ host, stdout }) => [host, stdout.trim()]));
  }

  async #statuses(): Promise<readonly HostStatus[]> {
    return (await this.#story.ask<{ hosts: HostStatus[] }>(["status", "--lab"], { show: "none", exit: [0, 2] })).hosts;
  }

  async #statusOf(host: string): Promise<HostStatus | undefined> {
    return (await this.#story.ask<{ hosts: HostStatus[] }>(["status", host, "--lab"], { show: "none", exit: [0, 2] }))
      .hosts[0];
  }

  async #systemOf(host: string): Promise<string> {
    return (await this.#statusOf(host))?.facts?.systems.system ?? "";
  }

  async #ephemeral(host: string): Promise<EphemeralAnswer> {
    const { hosts } = await this.#story.ask<{ hosts: { answer: EphemeralAnswer }[] }>(["ephemeral", host, "--lab"], {
      show: "none",
    });
    const answer = hosts[0]?.answer;
    if (answer === undefined) throw new ClaimError(`${host} does not say what a reboot would erase`);
    return answer;
  }

  /** The host runs what it ran before, says why, and the page was served meanwhile. */
  async #claimReturned(host: string, before: string, load: Load): Promise<void> {
    const story = this.#story;
    const status = await this.#statusOf(host);
    const report = await load.stop();
    const receipt = status?.facts?.lastReceipt;
    story.claim(
      status?.facts?.systems.system === before && status.facts.systems.profile === before,
      `${host} runs its recorded previous system, and would boot it: ${before.split("/").at(-1) ?? ""}`,
    );
    story.claim(
      receipt?.outcome.startsWith("reverted") === true,
      `${host} says why: ${receipt?.outcome ?? "nothing"}, ${receipt?.reason?.message ?? ""}`,
    );
    this.#claimServed(report, 4_000);
    story.figure("outcome", receipt?.outcome ?? "unknown");
    if (receipt !== null && receipt !== undefined)
      story.figure(
        "returnedAfterSeconds",
        Math.round((Date.parse(receipt.endedAt) - Date.parse(receipt.beganAt)) / 100) / 10,
      );
  }

  #claimServed(report: LoadReport, gapMaxMs: number): void {
    const story = this.#story;
    story.figure("requests", report.requests);
    story.figure("requestsLost", report.lost);
    story.figure("longestGapMs", report.longestGapMs);
    const text = `${report.answered} of ${report.requests} requests were answered meanwhile, ${report.lost} lost, longest gap ${report.longestGapMs} ms`;
    story.claim(gapMaxMs === 0 ? report.lost === 0 : report.longestGapMs <= gapMaxMs, text);
  }

  /** What the page says now: both backends are asked. */
  async #bodies(): Promise<string[]> {
    const load = new Load(this.#page);
    await systemClock.sleep(500, this.#story.signal);
    return [...(await load.stop()).bodies.keys()];
  }

  async #until(deadlineMs: number, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    while (performance.now() < endMs) {
      if (await holds()) return;
      await systemClock.sleep(1_000, this.#story.signal);
    }
    throw new ClaimError(`waited ${deadlineMs / 1000} s in vain`);
  }
}

function isListed(path: string, answer: EphemeralAnswer): boolean {
  return [...answer.entries, ...answer.kept].some((entry) => entry.path === path || path.startsWith(`${entry.path}/`));
}

/** What somebody might do to a host by hand. Each line says whether it was refused, or what was written. */
const DIRTY = `
try() { if sh -c "$1" >/dev/null 2>&1; then echo "wrote $2"; else echo "refused $2"; fi; }
try 'echo dirt > /etc/dirt' /etc/dirt
try 'echo "eve:x:0:0::/:/bin/sh" >> /etc/passwd' /etc/passwd
try 'cp /usr/bin/true /usr/bin/dirt' /usr/bin/dirt
try 'rm /usr/bin/tree' /usr/bin/tree
try 'echo dirt > /nix/store/dirt' /nix/store/dirt
try 'echo dirt >> /usr/lib/systemd/system/nginx.service' /usr/lib/systemd/system/nginx.service
try 'echo dirt > /root/.profile' /root/.profile
try 'mkdir -p /opt/dirt && echo dirt > /opt/dirt/tool' /opt/dirt/tool
try 'mkdir -p /usr/local/bin && cp /usr/bin/true /usr/local/bin/dirt' /usr/local/bin/dirt
try 'mkdir -p /var/spool/cron/crontabs && echo "* * * * * true" > /var/spool/cron/crontabs/root' /var/spool/cron/crontabs/root
try 'echo dirt > /var/lib/dirt' /var/lib/dirt
try 'mkdir -p /home/eve/.ssh && echo key > /home/eve/.ssh/authorized_keys' /home/eve/.ssh/authorized_keys
try 'echo dirt > /srv/dirt' /srv/dirt
try 'echo dirt > /dirt' /dirt
try 'echo dirt > /persist/dirt' /persist/dirt
try 'mount -o remount,bind,rw /nix/store && echo dirt > /nix/store/dirt; status=$?; mount -o remount,bind,ro /nix/store; exit $status' /nix/store/dirt
exit 0
`;
