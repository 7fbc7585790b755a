/** `pristine lab`: local hosts for rehearsing a fleet, and the faults that they can be given. */

import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action, type Session } from "../session.ts";

const SHARED_KERNEL =
  "The hosts of a lab are containers with systemd as process 1: each has its own address, disk, store and root that is empty at every boot, but they share this machine's kernel and clock. They are hosts, not machines of metal.";

const CODES = {
  ok: "done",
  usage: "usage or evaluation error, or an unknown lab or host",
  cannotStart: "not root, Debian packages missing, or a network in use",
  interrupted: "interrupted; what was begun has been removed",
};

export function registerLab(program: Command): void {
  const lab = program
    .command("lab")
    .summary("local hosts for rehearsing a fleet: up, down, reset, list, status, power, link, shape, disk")
    .description(`Makes local hosts that are deployed like real ones: 'pristine deploy --lab'.\n${SHARED_KERNEL}`)
    .addHelpText("after", exitCodesHelp(CODES));

  registerUp(lab);
  registerDown(lab);
  registerReset(lab);
  registerList(lab);
  registerStatus(lab);
  registerPower(lab);
  registerLink(lab);
  registerShape(lab);
  registerDisk(lab);
}

function registerUp(lab: Command): void {
  lab
    .command("up")
    .summary("make and boot a host for each one of the fleet")
    .description(
      `Makes a lab with a host for each HOST of the fleet (default: all) and boots it from a generic system that holds nothing of the fleet. Hosts that run are left alone, those that are off are switched on, and those that are not named are removed.\n${SHARED_KERNEL}\n\nNeeds root. A lab is a bridge in a network namespace and one interface 'prs-NAME' on this machine, a sparse disk file per host under /var/lib/pristine/lab, and mounts and processes that 'pristine lab down' removes.`,
    )
    .argument("[hosts...]", "the fleet's hosts to make")
    .addOption(
      new Option("--disk <size>", "the size of each new host's disk, which takes only what is written")
        .argParser(sizeOf)
        .default(2 * 1024 ** 3, "2G"),
    )
    .option("--memory <size>", "the memory that each host may use, without swap (default: no limit)", sizeOf)
    .option("--cpus <number>", "the processors that each host may use at one time (default: no limit)", cpusOf)
    .option(
      "--new-addresses",
      "let the lab choose; for fleets whose hosts do not declare addresses of their interfaces",
    )
    .option("--authorized-key <file>", "a public key that may log in beside the lab's own")
    .addHelpText(
      "after",
      `${exitCodesHelp(CODES)}\n\nExample:\n  pristine lab up\n  pristine deploy --lab\n  pristine lab power cut web1`,
    )
    .action(action(up));
}

interface UpOptions {
  readonly disk: number;
  readonly memory?: number;
  readonly cpus?: number;
  readonly newAddresses?: boolean;
  readonly authorizedKey?: string;
}

async function up(session: Session, names: string[], options: UpOptions): Promise<number> {
  const { terminal, progress, signal } = session;
  const { checkRequirements } = await import("../../lab/requirements.ts");
  await checkRequirements();
  const { loadRehearsal } = await import("../../fleet/rehearsal.ts");
  const { labUp, summaryOf } = await import("../../lab/lab.ts");
  const { readText } = await import("../../system/files.ts");
  const { operatorKeysOf } = await import("../../fleet/rehearsal.ts");
  progress.update("evaluate", session.options.fleet);
  const rehearsal = await loadRehearsal(session.fleetFile, signal);
  progress.done("evaluate", `${rehearsal.hosts.length} hosts`);
  const name = labNameOf(session) ?? rehearsal.name;
  const unknown = names.find((wanted) => !rehearsal.hosts.some((host) => host.name === wanted));
  if (unknown !== undefined) throw await unknownHost(unknown, rehearsal.hosts);
  const chosen = rehearsal.hosts.filter((host) => names.length === 0 || names.includes(host.name));
  const own = await operatorKeysOf(session.fleetFile);
  const authorizedKeys = [...own.publicKeys];
  if (options.authorizedKey !== undefined) authorizedKeys.push((await readText(options.authorizedKey)).trim());
  progress.update("lab", `building the system to boot`);
  const bootstrap = await buildBootstrap(session, rehearsal);
  const made = await labUp({
    name,
    hosts: chosen.map((host) => ({
      name: host.name,
      address: options.newAddresses === true ? undefined : host.address,
      diskBytes: options.disk,
      memoryBytes: options.memory,
      cpus: options.cpus,
    })),
    bootstrap,
    fleetFile: session.fleetFile,
    authorizedKeys,
    identityFiles: own.identityFiles,
    signal,
    onProgress: (message) => progress.update("lab", message),
  });
  progress.done("lab", `${made.hosts.length} hosts answer by ssh`);
  const hosts = await Promise.all(made.hosts.map(summaryOf));
  if (session.options.json) {
    terminal.out(JSON.stringify({ name, sshConfig: made.sshConfig, gateway: made.gateway, hosts }));
    return EXIT.ok;
  }
  await printHosts(session, hosts);
  const flag = name === rehearsal.name ? "--lab" : `--lab-name ${name}`;
  terminal.out(`
Next:
  pristine deploy ${flag}${" ".repeat(Math.max(1, 24 - flag.length))}# the same deployment that real hosts get
  ssh -F ${made.sshConfig} ${made.hosts[0]?.name ?? "HOST"}
  pristine lab down ${name}${" ".repeat(Math.max(1, 22 - name.length))}# removes every trace`);
  return EXIT.ok;
}

/** Realises the generic system in the local store; new hosts get copies of its closure. */
async function buildBootstrap(
  session: Session,
  rehearsal: Awaited<ReturnType<typeof import("../../fleet/rehearsal.ts").loadRehearsal>>,
): Promise<import("../../lab/lab.ts").Bootstrap> {
  const { instantiate } = await import("../../realise/instantiate.ts");
  const { realise } = await import("../../build/realise.ts");
  const { StorePath } = await import("../../format/store-path.ts");
  const { LocalStore } = await import("../../store/local-store.ts");
  const { openLocalStore } = await import("../../store/open-store.ts");
  const { copyClosure } = await import("../../store/copy.ts");
  const { BuildCounts } = await import("../../library/build-counts.ts");
  const { drvPath, outPath } = rehearsal.bootstrap;
  const store = await openLocalStore(session.options.store, session.signal);
  const display = new BuildCounts(session.observer);
  await instantiate(rehearsal.evaluation, [drvPath], store, session.signal);
  await realise({
    store,
    drvPaths: [StorePath.ofFull(drvPath, store.storeDir)],
    signal: session.signal,
    onEvent: (event) => display.take(event),
  });
  return {
    system: outPath,
    seed: async (root, signal) => {
      await using disk = await LocalStore.open(root);
      await copyClosure({ from: store, to: disk, roots: [StorePath.ofFull(outPath, store.storeDir)], signal });
    },
  };
}

function registerDown(lab: Command): void {
  lab
    .command("down")
    .summary("remove a lab and every trace of it")
    .description(
      "Ends the hosts of the labs NAME at once and removes their processes, mounts, interfaces, control groups, disks and keys; also what a killed command has left. Without NAME it means the lab that was made of the fleet file, else the only lab there is, else the one with the name of the fleet.",
    )
    .argument("[names...]", "the labs to remove")
    .option("--all", "remove all labs of this machine")
    .addHelpText("after", exitCodesHelp({ ...CODES, ok: "no trace is left" }))
    .action(
      action(async (session, names: string[], options: { all?: boolean }) => {
        const { labDown, labNames } = await import("../../lab/lab.ts");
        const wanted = options.all === true ? await labNames() : names.length > 0 ? names : [await theLab(session)];
        const removed: string[] = [];
        for (const name of wanted) if (await labDown(name, { signal: session.signal })) removed.push(name);
        if (session.options.json) session.terminal.out(JSON.stringify({ removed }));
        else
          for (const name of wanted)
            session.terminal.out(removed.includes(name) ? `removed lab ${name}` : `there was no lab ${name}`);
        return EXIT.ok;
      }),
    );
}

function registerReset(lab: Command): void {
  lab
    .command("reset")
    .summary("make hosts anew, with empty disks")
    .description(
      "Cuts the power of hosts and gives them new disks, which hold only the generic system that they boot. Their addresses and ssh host keys stay.",
    )
    .argument("<hosts...>", "hosts of the lab")
    .addHelpText("after", exitCodesHelp(CODES))
    .action(action(reset));
}

async function reset(session: Session, names: string[]): Promise<number> {
  const { terminal, progress, signal } = session;
  const { checkRequirements } = await import("../../lab/requirements.ts");
  await checkRequirements();
  const { labUp, summaryOf } = await import("../../lab/lab.ts");
  const { readLabRecord } = await import("../../lab/lab-record.ts");
  const { openLabHost } = await import("../../lab/lab-host.ts");
  const { loadRehearsal } = await import("../../fleet/rehearsal.ts");
  const name = await theLab(session);
  for (const host of names) await openLabHost(name, host);
  const record = await readLabRecord(name);
  if (record === undefined) return EXIT.usage;
  progress.update("lab", "building the system to boot");
  const bootstrap = await buildBootstrap(session, await loadRehearsal(session.fleetFile, signal));
  const onProgress = (message: string): void => progress.update("lab", message);
  const made = await labUp({ ...record, reset: names, bootstrap, signal, onProgress });
  progress.done("lab", `${names.join(", ")} made anew`);
  const hosts = await Promise.all(names.map((host) => summaryOf(made.host(host))));
  if (session.options.json) terminal.out(JSON.stringify({ name, hosts }));
  else await printHosts(session, hosts);
  return EXIT.ok;
}

function registerList(lab: Command): void {
  lab
    .command("list")
    .summary("show the labs of this machine")
    .description("Lists the labs of this machine, with their networks and how many of their hosts run.")
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(async (session) => {
        const { checkRoot } = await import("../../lab/requirements.ts");
        checkRoot();
        const { labList } = await import("../../lab/lab.ts");
        const { renderTable } = await import("../render/table.ts");
        const labs = await labList();
        if (session.options.json) {
          session.terminal.out(JSON.stringify({ labs }));
          return EXIT.ok;
        }
        const rows = labs.map(({ name, network, interface: uplink, hosts, complete }) => [
          name,
          network,
          uplink,
          `${hosts.filter(({ power }) => power === "running").length} of ${hosts.length} running`,
          complete ? "" : "incomplete: 'pristine lab up' mends it, 'lab down' removes it",
        ]);
        if (rows.length === 0) session.terminal.out("there are no labs on this machine");
        else
          for (const line of renderTable(["lab", "network", "interface", "hosts", ""], rows))
            session.terminal.out(line);
        return EXIT.ok;
      }),
    );
}

function registerStatus(lab: Command): void {
  lab
    .command("status")
    .summary("show the hosts of a lab, and with a host its console")
    .description(
      "Shows power, boots, link and memory of a lab's hosts. With HOST, also the end of what it wrote to its console.",
    )
    .argument("[host]", "a host of the lab")
    .option("--lines <count>", "how much of the console", "40")
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(async (session, host: string | undefined, options: { lines: string }) => {
        const { checkRoot } = await import("../../lab/requirements.ts");
        checkRoot();
        const { openLab, summaryOf } = await import("../../lab/lab.ts");
        const { safeText } = await import("../../base/safe-text.ts");
        const name = await theLab(session);
        const opened = await openLab(name);
        const chosen = opened === undefined ? [] : host === undefined ? opened.hosts : [opened.host(host)];
        const hosts = await Promise.all(chosen.map(summaryOf));
        const log = host === undefined ? undefined : await chosen[0]?.consoleLog();
        if (session.options.json) {
          session.terminal.out(JSON.stringify({ name, hosts, ...(log === undefined ? {} : { console: log }) }));
          return EXIT.ok;
        }
        await printHosts(session, hosts);
        if (log !== undefined) {
          session.terminal.out("");
          for (const line of withoutEscapes(log).trimEnd().split("\n").slice(-Number(options.lines)))
            session.terminal.out(safeText(line));
        }
        return EXIT.ok;
      }),
    );
}

function registerPower(lab: Command): void {
  const DOES: Readonly<Record<string, string>> = {
    on: "is switched on",
    off: "is shut down",
    cut: "is cut off from power",
    reboot: "reboots",
  };
  lab
    .command("power")
    .summary("switch hosts on or off, reboot them, or cut their power")
    .description(
      "  on      boot, and wait for ssh\n  off     shut down in order\n  reboot  reboot in order, and wait for ssh\n  cut     end every process of the host at one instant\n\nWhat a host had written before a cut is kept: this machine does not lose power.",
    )
    .addArgument(new Argument("<what>", "what to do").choices(Object.keys(DOES)))
    .argument("<hosts...>", "hosts of the lab")
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(async (session, what: string, hosts: string[]) => {
        return await forHosts(session, hosts, DOES[what] ?? what, async (host) => {
          const { signal } = session;
          if (what === "cut") return host.powerCut();
          if (what === "off") return void (await host.powerOff(signal));
          if (what === "on") await host.powerOn(signal);
          else await host.reboot(signal);
          await host.waitForSsh(signal, 90_000);
        });
      }),
    );
}

function registerLink(lab: Command): void {
  lab
    .command("link")
    .summary("pull or plug the network cable of hosts")
    .description(
      "The cable is pulled at the switch: the host does not notice, and it stays pulled when the host reboots.",
    )
    .addArgument(new Argument("<state>", "the cable's").choices(["up", "down"]))
    .argument("<hosts...>", "hosts of the lab")
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(async (session, state: string, hosts: string[]) => {
        return await forHosts(session, hosts, `link ${state}`, (host) => host.link(state === "up" ? "up" : "down"));
      }),
    );
}

function registerShape(lab: Command): void {
  lab
    .command("shape")
    .summary("make the network of hosts lossy, slow or late")
    .description(
      "Replaces the shape of the hosts' links in both directions; what is not given is lifted, so without options all is.",
    )
    .argument("<hosts...>", "hosts of the lab")
    .option("--loss <percent>", "packets lost per hundred", numberOf)
    .option("--rate <kbit>", "kilobits per second", numberOf)
    .option("--delay <ms>", "delay each way; a round trip takes twice as much longer", numberOf)
    .option("--jitter <ms>", "how much the delay varies, up and down", numberOf)
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(
        async (
          session,
          hosts: string[],
          options: { loss?: number; rate?: number; delay?: number; jitter?: number },
        ) => {
          const shape = {
            lossPercent: options.loss,
            rateKbit: options.rate,
            delayMs: options.delay,
            jitterMs: options.jitter,
          };
          const given = Object.entries(options).map(([name, value]) => `${name} ${value}`);
          return await forHosts(session, hosts, given.length === 0 ? "link unshaped" : given.join(", "), (host) =>
            host.shape(shape),
          );
        },
      ),
    );
}

function registerDisk(lab: Command): void {
  lab
    .command("disk")
    .summary("fill the disks of hosts, or free them again")
    .description("Fills a host's disk with a file of the lab's, to see what a full disk does, or removes that file.")
    .addArgument(new Argument("<what>", "what to do").choices(["fill", "free"]))
    .argument("<hosts...>", "hosts of the lab")
    .option("--leave <size>", "how much to leave free", sizeOf, 0)
    .addHelpText("after", exitCodesHelp(CODES))
    .action(
      action(async (session, what: string, hosts: string[], options: { leave: number }) => {
        return await forHosts(session, hosts, what === "fill" ? "disk full" : "disk freed", (host) =>
          what === "fill" ? host.fillDisk(options.leave) : host.releaseDisk(),
        );
      }),
    );
}

type LabHost = import("../../lab/lab-host.ts").LabHost;

/** Does something to hosts of the lab, all at once, and says so. */
async function forHosts(
  session: Session,
  names: readonly string[],
  did: string,
  act: (host: LabHost) => Promise<void>,
): Promise<number> {
  const { checkRoot } = await import("../../lab/requirements.ts");
  checkRoot();
  const { openLabHost } = await import("../../lab/lab-host.ts");
  const lab = await theLab(session);
  const hosts = await Promise.all(names.map((name) => openLabHost(lab, name)));
  await Promise.all(
    hosts.map(async (host) => {
      await act(host);
      if (!session.options.json) session.terminal.out(`${host.name}: ${did}`);
    }),
  );
  if (session.options.json) session.terminal.out(JSON.stringify({ lab, hosts: names }));
  return EXIT.ok;
}

function labNameOf(session: Session): string | undefined {
  return session.options.labName;
}

/**
 * The lab that a command means: the one named by --lab-name, else that which was made of the fleet file, else the only
 * one. Where that leaves several or none, it is the one with the fleet's name, as for commands with --lab: it may have been
 * made of another checkout.
 */
async function theLab(session: Session): Promise<string> {
  const given = labNameOf(session);
  if (given !== undefined) return given;
  const { labNames } = await import("../../lab/lab.ts");
  const { readLabRecord } = await import("../../lab/lab-record.ts");
  const { OperationError } = await import("../../base/errors.ts");
  const names = await labNames();
  if (names.length === 0) {
    throw new OperationError("LAB_UNKNOWN", "there is no lab on this machine", {
      hint: "'pristine lab up' makes one of your fleet",
    });
  }
  const own: string[] = [];
  for (const name of names) {
    // A record that cannot be read belongs to a lab that has to be named.
    const record = await readLabRecord(name).catch(() => undefined);
    if (record?.fleetFile === session.fleetFile) own.push(name);
  }
  const candidates = own.length === 0 ? names : own;
  const [only] = candidates;
  if (candidates.length === 1 && only !== undefined) return only;
  const { fleetNameOf } = await import("../../fleet/rehearsal.ts");
  const named = await fleetNameOf(session.fleetFile, session.signal);
  if (named !== undefined && candidates.includes(named)) return named;
  throw new OperationError("LAB_UNKNOWN", `there are several labs: ${candidates.join(", ")}`, {
    hint: "say which: --lab-name NAME",
  });
}

async function unknownHost(name: string, hosts: readonly { readonly name: string }[]): Promise<Error> {
  const { OperationError } = await import("../../base/errors.ts");
  return new OperationError("LAB_UNKNOWN", `the fleet has no host '${name}'`, {
    hint: `it has: ${hosts.map((host) => host.name).join(", ")}`,
  });
}

async function printHosts(session: Session, hosts: readonly import("../../lab/lab.ts").HostSummary[]): Promise<void> {
  const { renderBytes } = await import("../../base/quantities.ts");
  const { renderTable } = await import("../render/table.ts");
  const { green, red, yellow } = session.terminal.colors;
  const rows = hosts.map((host) => {
    const shape = [
      host.link === "down" ? red("down") : "",
      host.lossPercent > 0 ? `${host.lossPercent} % loss` : "",
      host.rateKbit === undefined ? "" : `${host.rateKbit} kbit/s`,
      host.delayMs > 0 ? `+${host.delayMs} ms` : "",
    ].filter((part) => part !== "");
    const power =
      host.power === "running" ? green(host.power) : host.power === "failed" ? red(host.power) : yellow(host.power);
    const memory = host.memoryBytes === undefined ? "-" : renderBytes(host.memoryBytes);
    return [host.name, host.address, power, String(host.boots), shape.length === 0 ? "up" : shape.join(", "), memory];
  });
  for (const line of renderTable(["host", "address", "power", "boots", "link", "memory"], rows))
    session.terminal.out(line);
}

/** The console of a host is full of colours and cursor movements. */
function withoutEscapes(text: string): string {
  // eslint-disable-next-line no-control-regex -- escape sequences are what this removes
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]*\u0007|\r/g, "");
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("it must be a number");
}

function cpusOf(text: string): number {
  const cpus = Number(text);
  if (text.trim() === "" || !(cpus >= 0.01 && cpus <= 1024))
    throw new InvalidArgumentError("it must be a number such as 1 or 0.5");
  return cpus;
}

function sizeOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(text.trim());
  const exponent = ["", "K", "M", "G"].indexOf((match?.[2] ?? "").toUpperCase());
  if (match?.[1] === undefined) throw new InvalidArgumentError("it must be a size such as 512M or 2G");
  return Math.round(Number(match[1]) * 1024 ** exponent);
}
