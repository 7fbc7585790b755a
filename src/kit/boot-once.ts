/**
 * Booting a system one time. Stage 1, or the boot loader of a NixOS host, forgets the entry before it boots what it names,
 * so that whatever goes wrong then, the boot after it is the boot default's.
 */

import { BOOT_ONCE } from "../machine/generation.ts";
import type { SystemBase } from "../machine/system-object.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { forgetOneShot, hasOneShot, removeWatch, requireOneShot, setOneShot } from "./one-shot.ts";
import { bootedSystem, profileSystem } from "./systems.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** What watches over a system that is not the boot default, from early in its boot on. */
const RESUME_UNIT = "/etc/systemd/system/pristine-resume.service";
const REBOOT_TIMEOUT_SECONDS = 60;

export function requireBootOnce(host: Host, system: string): void {
  if (profileSystem(host) === system) {
    throw new KitError("KIT_STATE", `${system} is the boot default already: a reboot is all that it needs`, {
      hint: "run 'pristine reboot'",
    });
  }
  const wanted = host.system(system);
  if (wanted.base === "nixos") requireOneShot(host);
  else if (!wanted.has(RESUME_UNIT)) {
    throw new KitError("KIT_SYSTEM_INVALID", `${system} has no pristine-resume.service to watch over its first boot`, {
      hint: "deploy with --goal boot, and reboot the host",
    });
  }
}

export function setBootOnce(host: Host, { base, plan }: TransactionRecord): void {
  if (base === "nixos") setOneShot(host, plan.system);
  else host.files.writeDurably(BOOT_ONCE, `${plan.system}\n`);
}

export function willBootOnce(host: Host, base: SystemBase): boolean {
  return base === "nixos" ? hasOneShot(host) : host.files.exists(BOOT_ONCE);
}

/** Nothing is booted once any more, nor watched over. */
export function removeBootOnce(host: Host, base: SystemBase): void {
  if (base === "nixos") {
    forgetOneShot(host);
    removeWatch(host);
  } else host.files.remove(BOOT_ONCE, { durable: true });
}

/** Whether this is the one boot of a transaction's new system. */
export function isBootedOnce(host: Host, record: TransactionRecord): boolean {
  const { plan, facts, bootId } = record;
  const here = host.bootId();
  // The first to write here finds records of the boot before.
  const isThisBoot = facts.bootId !== here && (bootId === here || bootId === facts.bootId);
  return plan.goal === "reboot" && isThisBoot && bootedSystem(host) === plan.system;
}

/** Goes down; systemd kills the caller. A system whose systemctl does not start is left by the kit's own program. */
export function reboot(host: Host): void {
  const own = [...(host.which("busybox") ?? []), "reboot", "-f"];
  let failure = "";
  for (const command of [["systemctl", "reboot"], ["systemctl", "reboot", "--force"], own]) {
    const { code, stderr } = host.run(command, { timeoutSeconds: REBOOT_TIMEOUT_SECONDS });
    if (code === 0) return;
    failure = stderr.trim() || `exit ${code}`;
  }
  throw new Error(`the host cannot be rebooted: ${failure}`);
}
