/**
 * Booting a system of NixOS one time: its boot loader's entry for one boot, and a unit that watches over that boot.
 *
 * The system's own script writes the entries, with the boot default as it is. The unit lies in a directory that systemd
 * searches and no system generates; it is there for one boot of one system only, and gone when the transaction has ended.
 */

import { bootDefaultOf } from "../machine/boot-default.ts";
import {
  grubEntryOf,
  honoursNextEntry,
  nextEntryOf,
  systemdBootEntryOf,
  withNextEntry,
} from "../machine/boot-entry.ts";
import { attachUnit, type AttachedUnit, detachUnit, whyNotAttached } from "./attached-unit.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { mountOf } from "./measures.ts";
import { installBootLoader } from "./switch-to-configuration.ts";
import { addGeneration, profileSystem } from "./systems.ts";
import { LOCK } from "./transaction-record.ts";

const EFI_VARIABLES = "/sys/firmware/efi/efivars";
/** Of variables that systemd-boot and the system tell each other. */
const LOADER_VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const ONE_SHOT_VARIABLE = `${EFI_VARIABLES}/LoaderEntryOneShot-${LOADER_VENDOR}`;
const GRUB_CONFIG = "/boot/grub/grub.cfg";
const GRUB_ENVIRONMENT = "/boot/grub/grubenv";
/** File systems that GRUB writes its environment to. */
const GRUB_WRITES: ReadonlySet<string> = new Set(["ext2", "ext3", "ext4", "vfat", "xfs"]);
const BOOTCTL_TIMEOUT_SECONDS = 30;

const WATCH: AttachedUnit = { name: "pristine-resume.service", wantedBy: "sysinit.target" };

type Loader = "systemd-boot" | "GRUB";

function loaderOf(host: Host): Loader {
  const info = host.files.readFile(`${EFI_VARIABLES}/LoaderInfo-${LOADER_VENDOR}`) ?? "";
  return info.replaceAll("\0", "").includes("systemd-boot") ? "systemd-boot" : "GRUB";
}

/** Refuses what would not be forgotten when it is booted, or not watched over then. */
export function requireOneShot(host: Host): void {
  const why = whyNoOneShot(host) ?? whyNotAttached(host);
  if (why === undefined) return;
  throw new KitError("KIT_STATE", `this host cannot boot a system once: ${why}`, {
    hint: "deploy with --goal boot, and run 'pristine reboot'",
  });
}

function whyNoOneShot(host: Host): string | undefined {
  const loader = loaderOf(host);
  const profile = profileSystem(host);
  if (profile === undefined || bootDefaultOf(loader, host.files) !== profile) {
    return `no configuration of systemd-boot or GRUB says that ${profile ?? "a system"} is its default`;
  }
  if (loader === "systemd-boot") return undefined;
  if (!honoursNextEntry(host.files.readFile(GRUB_CONFIG) ?? "")) return `${GRUB_CONFIG} does not look at 'next_entry'`;
  const { type, device } = mountOf(host, GRUB_CONFIG);
  const isMapped = ["dm", "md"].some((kind) => host.files.list(`/sys/dev/block/${device}/${kind}`) !== undefined);
  if (GRUB_WRITES.has(type) && !isMapped) return undefined;
  return `GRUB cannot forget an entry on ${isMapped ? "a mapped device or a RAID" : type}, where /boot is`;
}

/** Lets the next boot, and only that, be the system's; it is watched over before it can be booted. */
export function setOneShot(host: Host, system: string): void {
  const profile = profileSystem(host);
  if (profile === undefined) throw new Error("the host has no boot default");
  const unit = [
    "[Unit]",
    "Description=Watch over the first boot of a system",
    "DefaultDependencies=no",
    "Conflicts=shutdown.target",
    "Before=sysinit.target shutdown.target",
    // In any other boot there is nothing to watch over, and nothing that must lead to a reboot.
    `ConditionKernelCommandLine=init=${system}/init`,
    `ConditionPathExists=${LOCK}`,
    "FailureAction=reboot",
    "[Service]",
    "Type=oneshot",
    `ExecStart=${host.kitCommand} resume`,
    "TimeoutStartSec=90",
  ];
  attachUnit(host, WATCH, unit);
  addGeneration(host, { path: system });
  installBootLoader(host, profile, { isForced: true });
  const loader = loaderOf(host);
  if (bootDefaultOf(loader, host.files) !== profile) throw new Error(`${loader} would not boot ${profile} by default`);
  if (loader === "systemd-boot") nameNextBoot(host, entryOf(loader, systemdBootEntryOf(host.files, system), system));
  else setNextEntry(host, entryOf(loader, grubEntryOf(host.files.readFile(GRUB_CONFIG) ?? "", system), system));
}

function entryOf(loader: Loader, entry: string | undefined, system: string): string {
  if (entry !== undefined) return entry;
  throw new Error(`${loader} has no entry for ${system} that it would boot by itself`);
}

/** An empty name is none. */
function nameNextBoot(host: Host, entry: string): void {
  const { code, stderr } = host.run(["bootctl", "set-oneshot", entry], { timeoutSeconds: BOOTCTL_TIMEOUT_SECONDS });
  if (code !== 0) throw new Error(`bootctl set-oneshot: ${stderr.trim() || `exit ${code}`}`);
}

function setNextEntry(host: Host, entry: string | undefined): void {
  host.files.writeDurably(GRUB_ENVIRONMENT, withNextEntry(host.files.readFile(GRUB_ENVIRONMENT) ?? "", entry));
}

export function hasOneShot(host: Host): boolean {
  if (loaderOf(host) === "systemd-boot") return host.files.exists(ONE_SHOT_VARIABLE);
  return nextEntryOf(host.files.readFile(GRUB_ENVIRONMENT) ?? "") !== undefined;
}

/** Takes the entry back, where the boot has not done so. */
export function forgetOneShot(host: Host): void {
  if (!hasOneShot(host)) return;
  if (loaderOf(host) === "systemd-boot") nameNextBoot(host, "");
  else setNextEntry(host, undefined);
}

/** Leaves nothing of the unit. */
export function removeWatch(host: Host): void {
  detachUnit(host, WATCH);
}
