/**
 * A host of the lab as a virtual machine: its disk, its address and its keys stay, and QEMU takes the container's place.
 * It has a kernel and a clock of its own, and killing QEMU is a true power cut: what was not synced is lost.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { OperationError } from "../../../src/base/errors.ts";
import { unmountDisk } from "../../../src/lab/disk.ts";
import { hostLabel, hostPaths, labPaths, segmentNames, type HostPaths } from "../../../src/lab/lab-names.ts";
import { tool } from "../../../src/lab/tools.ts";
import type { ProcessOutcome } from "../../../src/system/process.ts";
import { RemoteHost } from "../fleet-driver.ts";
import type { Fault } from "./cases.ts";
import { SharedConnection } from "./shared-connection.ts";
import { FAULTS_DIRECTORY, LOCK, NOT_REACHED, type StruckHost } from "./struck-host.ts";
import type { VirtualKernel } from "./virtual-kernel.ts";

const REACH_DEADLINE_MS = 240_000;
const REST_DEADLINE_MS = 120_000;
const BOOT_DEADLINE_MS = 300_000;
/** A host that loses power says nothing to who asks it. */
const ASK_DEADLINE_MS = 60_000;
/** No boot is over sooner. */
const BOOTED_MS = 2_000;
const MEMORY = "768";
const POINT = `${FAULTS_DIRECTORY}/point`;
const FROZEN = `${FAULTS_DIRECTORY}/frozen`;

/** What a case has no use for: on an emulated processor each login would start a service manager. */
const SLOW_UNITS = ["user@0.service", "systemd-networkd-persistent-storage.service", "systemd-tmpfiles-clean.timer"];

export class VirtualHost implements StruckHost {
  readonly remote: RemoteHost;
  readonly #connection: SharedConnection;
  readonly #kernel: VirtualKernel;
  readonly #paths: HostPaths;
  /** Undefined while it is off. */
  #machine: ChildProcess | undefined;
  /** For the fault points of boots to come: `/run` and the like do not outlive one. */
  #point = "";

  private constructor({ lab }: RemoteHost, kernel: VirtualKernel) {
    this.#connection = new SharedConnection(lab.lab, lab.record);
    this.remote = new RemoteHost(this.#connection);
    this.#kernel = kernel;
    this.#paths = hostPaths(lab.lab, lab.name);
  }

  /** Shuts a host of the lab down, and boots it again as a virtual one. */
  static async take(remote: RemoteHost, kernel: VirtualKernel): Promise<VirtualHost> {
    const host = new VirtualHost(remote, kernel);
    const { lab } = remote;
    await lab.powerOff(AbortSignal.timeout(BOOT_DEADLINE_MS));
    await unmountDisk(host.#paths);
    await tool(["cp", "--sparse=always", host.#paths.image, host.#firstImage]);
    const { netns } = labPaths(lab.lab);
    const commands = [
      `tuntap add dev ${host.#tap} mode tap`,
      `link set ${host.#tap} master ${segmentNames(lab.name).bridge} up`,
    ];
    await tool(["ip", "-batch", "-"], { stdin: `${commands.join("\n")}\n`, netns });
    await host.#powerOn();
    return host;
  }

  get name(): string {
    return this.remote.lab.name;
  }

  get #tap(): string {
    return `t-${hostLabel(this.name)}`;
  }

  get #firstImage(): string {
    return `${this.#paths.image}.first`;
  }

  async arm(point: string): Promise<void> {
    this.#point = point;
    await this.remote.sh(`echo '${point}' >${POINT}`);
  }

  async disarm(): Promise<boolean> {
    this.#point = "";
    // One that does not answer any more has been struck.
    return await this.#says(`[ -e ${POINT} ] && rm ${POINT}`);
  }

  async frozen(ended: Promise<boolean>): Promise<void> {
    const limit = new AbortController();
    void ended.then(() => {
      limit.abort();
    });
    const isFrozen = `[ -e ${FROZEN} ]`;
    const found = await this.#comes(isFrozen, REACH_DEADLINE_MS, limit.signal);
    if (!found && !(await this.#says(isFrozen))) {
      await this.disarm();
      await this.release();
      throw new OperationError("FAULT_NOT_REACHED", NOT_REACHED);
    }
    this.#point = "";
  }

  async release(): Promise<void> {
    await this.#says(`rm -f ${FROZEN}`);
  }

  async strike(fault: Fault): Promise<void> {
    if (fault === "power-cut") {
      await this.stop();
      await this.#powerOn();
    } else if (fault === "clock-forwards") {
      await this.remote.sh(`date -s '@${seconds() + JUMP_FORWARDS_SECONDS}'`);
      await this.release();
    } else if (fault === "clock-backwards") {
      await this.remote.sh(`date -s '@${seconds() - JUMP_BACKWARDS_SECONDS}'`);
    }
  }

  async mend(): Promise<void> {
    await this.#says(`date -s '@${seconds()}'`);
  }

  async atRest(): Promise<void> {
    await this.#comes(`[ ! -e ${LOCK} ]`, REST_DEADLINE_MS);
  }

  async reset(): Promise<void> {
    await this.stop();
    await tool(["cp", "--sparse=always", this.#firstImage, this.#paths.image]);
    await this.#powerOn();
  }

  /** The power is cut: nothing that the host has in memory is written any more. */
  async stop(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    await this.#connection.end();
    if (machine === undefined || machine.exitCode !== null) return;
    const exit = once(machine, "exit");
    machine.kill("SIGKILL");
    await exit;
  }

  async #powerOn(): Promise<void> {
    this.#boot();
    if (await this.#comes("true", BOOT_DEADLINE_MS)) return;
    const said = (await this.remote.lab.consoleLog(2_000)).trim().split("\n").slice(-3).join(" | ");
    throw new OperationError("LAB_HOST_SILENT", `it has not booted; last on its console: ${said}`);
  }

  /** QEMU ends when the host reboots, and is started again; one that ends at once does not run here, and stays off. */
  #boot(): void {
    const startedMs = Date.now();
    const console = openSync(this.#paths.console, "a");
    const { netns } = labPaths(this.remote.lab.lab);
    // It ends with this process.
    const argv = [`--net=${netns}`, "setpriv", "--pdeathsig", "KILL", ...this.#command()];
    const machine = spawn("nsenter", argv, { stdio: ["ignore", console, console] });
    closeSync(console);
    this.#machine = machine;
    machine.once("exit", () => {
      if (this.#machine !== machine) return;
      this.#machine = undefined;
      if (Date.now() - startedMs >= BOOTED_MS) this.#boot();
    });
  }

  #command(): string[] {
    const append = [
      `HOST=${this.name}`,
      `POINT="${this.#point}"`,
      "console=ttyS0 quiet panic=-1 net.ifnames=0 systemd.show_status=0 systemd.getty_auto=0 systemd.gpt_auto=0",
      "mitigations=off audit=0 apparmor=0 selinux=0 rcupdate.rcu_expedited=1",
      ...SLOW_UNITS.map((unit) => `systemd.mask=${unit}`),
    ];
    const number = Number(this.remote.lab.address.split(".")[3]);
    return [
      "qemu-system-x86_64",
      "-machine",
      "pc,accel=tcg",
      "-cpu",
      "max",
      "-smp",
      "1",
      "-m",
      MEMORY,
      "-nodefaults",
      "-display",
      "none",
      "-no-reboot",
      "-serial",
      "stdio",
      "-kernel",
      this.#kernel.kernel,
      "-initrd",
      this.#kernel.initrd,
      "-append",
      append.join(" "),
      "-drive",
      `file=${this.#paths.image},format=raw,if=none,id=disk`,
      "-device",
      "virtio-blk-pci,drive=disk",
      "-netdev",
      `tap,id=net,ifname=${this.#tap},script=no,downscript=no`,
      "-device",
      `virtio-net-pci,netdev=net,romfile=,mac=52:54:00:00:00:${number.toString(16).padStart(2, "0")}`,
    ];
  }

  /** Whether a command succeeds on the host. */
  async #says(condition: string): Promise<boolean> {
    return (await this.#try(condition, ASK_DEADLINE_MS))?.code === 0;
  }

  /** Lets the host wait for something, which ends when nobody listens; asks again when it has rebooted meanwhile. */
  async #comes(condition: string, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
    const deadline = Date.now() + deadlineMs;
    for (;;) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || signal?.aborted === true) return false;
      const outcome = await this.#try(
        `until ${condition}; do echo; sleep 0.2; done`,
        Math.min(leftMs, ASK_DEADLINE_MS),
        signal,
      );
      if (outcome?.code === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #try(script: string, deadlineMs: number, signal?: AbortSignal): Promise<ProcessOutcome | undefined> {
    return this.remote.lab.run(["sh", "-c", script], { deadlineMs, signal }).catch(() => undefined);
  }
}

const JUMP_FORWARDS_SECONDS = 3 * 365 * 86_400;
const JUMP_BACKWARDS_SECONDS = 6 * 3_600;

function seconds(): number {
  return Math.round(Date.now() / 1000);
}
