/**
 * A model of a host for crash tests: files that survive a power cut and files that do not, a small service manager,
 * timers, and processes that can be killed before or after every effect they have.
 */

import type {
  CommandResult,
  Host,
  HostFiles,
  Outcome,
  RunOptions,
  SecretFiles,
  SupervisedCommand,
  Units,
} from "../../src/kit/host.ts";
import { confirm } from "../../src/kit/confirm.ts";
import { bootForeign } from "../../src/kit/foreign.ts";
import { KitError } from "../../src/kit/kit-error.ts";
import { activateSecrets, provideSecrets } from "../../src/kit/secrets.ts";
import { LOCK } from "../../src/kit/transaction-record.ts";
import { BOOT_ONCE } from "../../src/machine/generation.ts";
import { secretsOf } from "../../src/machine/secrets.ts";
import { readingOnce, SystemObject, type SystemMeta, type SystemTree } from "../../src/machine/system-object.ts";
import { unitTypeOf, unitValues, type UnitDefinition } from "../../src/machine/unit-file.ts";
import type { UnitState } from "../../src/machine/unit-plan.ts";
import { PLAIN_META } from "./system-tree.ts";

/** Thrown into a process that was killed; from then on each of its calls throws it again. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** A unit as it runs: with which definition it was started. */
export interface RunningUnit {
  readonly activeState: "active" | "failed";
  readonly definition: string;
  /** What the secret `db` said then. */
  readonly secret?: string | undefined;
}

export interface Timer {
  readonly atMs: number;
  readonly command: readonly string[];
}

export type Entry =
  { readonly kind: "file"; readonly text: string } | { readonly kind: "link"; readonly target: string };

/** A definition by its content, for comparing what runs with what should. */
export function definitionOf(unit: UnitDefinition | undefined): string {
  return JSON.stringify([...(unit?.sections ?? [])].map(([section, keys]) => [section, [...keys]]));
}

const GRUB_HEADER = `if [ "\${next_entry}" ]; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
else
  set default=0
fi
`;
const FINE: Outcome = { ok: true, message: "" };
/** What the boot loader of a machine that has one boots. */
export const BOOT_LOADER = "/persist/boot/default";
const PERSISTENT = /^\/(?:nix|persist|boot|etc\/systemd|sys\/firmware)\//;
/** Only foreign hosts have it. */
export const ENGINE = "/nix/var/nix/gcroots/pristine/engine";
const GRUB_CONFIG = "/boot/grub/grub.cfg";
const GRUB_ENVIRONMENT = "/boot/grub/grubenv";
const LOADER_CONF = "/boot/loader/loader.conf";
const VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const LOADER_INFO = `/sys/firmware/efi/efivars/LoaderInfo-${VENDOR}`;
const ONE_SHOT = `/sys/firmware/efi/efivars/LoaderEntryOneShot-${VENDOR}`;
const WATCH = "/etc/systemd/system.attached/sysinit.target.wants/pristine-resume.service";

/** How NixOS's script ends when it is told to, the first time that it is run. */
export interface ScriptAnswer {
  readonly code: number;
  readonly lines: readonly string[];
  readonly isSwitched: boolean;
}

/** What a machine consists of; two machines may share a part. */
export interface MachineParts {
  readonly files: Map<string, Entry>;
  readonly units: Map<string, RunningUnit>;
  readonly timers: Map<string, Timer>;
  readonly processes: Map<string, readonly string[]>;
  readonly disk: Disk;
}

interface Disk {
  /** How many more writes it takes before it is full. */
  writesLeft: number;
  /** What removing the ballast gives back. */
  ballastWrites: number;
}

export class FakeMachine implements MachineParts {
  readonly files: Map<string, Entry>;
  readonly units: Map<string, RunningUnit>;
  readonly timers: Map<string, Timer>;
  /** Supervised processes that wait to run, by unit. */
  readonly processes: Map<string, readonly string[]>;
  readonly disk: Disk;
  /** What happened to units, in order, such as `restart nginx.service`. */
  readonly log: string[] = [];
  /** Systems whose `systemctl` does not start. */
  readonly withoutSystemctl: Set<string> = new Set();
  /** Systems whose script cannot install the boot loader. */
  readonly brokenBootLoaders: Set<string> = new Set();
  scriptAnswer: ScriptAnswer | undefined;
  etcBornAtSeconds = 0.5;
  /** By the clock that it had then. */
  bootedAtMs = 0;
  nowMs = 100_000;
  /** What the last boot of a foreign host could not do. */
  bootProblems: string | undefined;
  /** It was told to reboot. */
  isGoingDown = false;
  boots = 1;
  /** The system whose definitions the manager has read. */
  loadedPath: string | undefined;
  /** What lies in the store, where that is not among `files`. */
  store: SystemTree | undefined;

  constructor(parts: Partial<MachineParts> = {}) {
    this.files = parts.files ?? new Map<string, Entry>();
    this.units = parts.units ?? new Map<string, RunningUnit>();
    this.timers = parts.timers ?? new Map<string, Timer>();
    this.processes = parts.processes ?? new Map<string, readonly string[]>();
    this.disk = parts.disk ?? { writesLeft: Number.POSITIVE_INFINITY, ballastWrites: 1000 };
  }

  /** Adds a system to the store: its units, and which of them `multi-user.target` wants. */
  addSystem(
    path: string,
    units: Readonly<Record<string, string>>,
    extra: Readonly<Record<string, string>> = {},
    more: Partial<SystemMeta> = {},
  ): void {
    const meta = { ...PLAIN_META, users: [], keepGenerations: 3, ...more };
    const usr = `${path.replace("-system-", "-usr-")}`;
    this.files.set(`${path}/meta.json`, { kind: "file", text: JSON.stringify(meta) });
    this.files.set(`${path}/usr`, { kind: "link", target: `../${usr.slice(usr.lastIndexOf("/") + 1)}` });
    for (const file of ["lib/systemd/systemd", "bin/systemctl", "bin/systemd-run", "bin/flock"])
      this.files.set(`${usr}/${file}`, { kind: "file", text: "x" });
    this.files.set(`${path}/etc/passwd`, { kind: "file", text: "root:x:0:0::/root:/bin/sh\n" });
    const target = "[Unit]\nDescription=all\n";
    this.files.set(`${path}/etc/systemd/system/multi-user.target`, { kind: "file", text: target });
    for (const [name, text] of Object.entries(units)) {
      this.files.set(`${path}/etc/systemd/system/${name}`, { kind: "file", text });
      const wants = `${path}/etc/systemd/system/multi-user.target.wants/${name}`;
      this.files.set(wants, { kind: "link", target: `../${name}` });
    }
    const resume = "[Service]\nExecStart=kit resume\n";
    this.files.set(`${path}/etc/systemd/system/pristine-resume.service`, { kind: "file", text: resume });
    for (const [name, text] of Object.entries(extra)) this.files.set(`${path}/${name}`, { kind: "file", text });
  }

  /** Makes a system that was added one of NixOS's: it says so, and switches to itself. */
  makeNixos(path: string): void {
    this.files.delete(`${path}/meta.json`);
    this.files.set(`${path}/nixos-version`, { kind: "file", text: "26.05" });
    this.files.set(`${path}/bin/switch-to-configuration`, { kind: "file", text: "x" });
  }

  /** Writes GRUB's menu as NixOS does: the default first, then all generations. */
  installGrub(byDefault: string): void {
    const entry = (title: string, system: string): string =>
      `menuentry "${title}" --class nixos {\n  linux /kernel init=${system}/init\n}\n`;
    const all = [...this.files].flatMap(([path, link]) => {
      const number = /^\/nix\/var\/nix\/profiles\/system-(\d+)-link$/.exec(path)?.[1];
      return number === undefined || link.kind !== "link" ? [] : entry(`NixOS - Configuration ${number}`, link.target);
    });
    const menu = `${entry("NixOS - Default", byDefault)}submenu "NixOS - All configurations" {\n${all.join("")}}\n`;
    this.files.set(GRUB_CONFIG, { kind: "file", text: `${GRUB_HEADER}${menu}` });
    this.setLink(BOOT_LOADER, byDefault);
  }

  /** Writes the entries of systemd-boot, as NixOS does. */
  installSystemdBoot(byDefault: string): void {
    for (const [path, link] of this.files) {
      const number = /^\/nix\/var\/nix\/profiles\/system-(\d+)-link$/.exec(path)?.[1];
      if (number === undefined || link.kind !== "link") continue;
      const name = `nixos-generation-${number}.conf`;
      this.files.set(`/boot/loader/entries/${name}`, { kind: "file", text: `options init=${link.target}/init\n` });
      if (link.target === byDefault) this.files.set(LOADER_CONF, { kind: "file", text: `default ${name}\n` });
    }
    this.setLink(BOOT_LOADER, byDefault);
  }

  /** From now on its boot loader is that. */
  useSystemdBoot(): void {
    this.files.delete(GRUB_CONFIG);
    this.files.set(LOADER_INFO, { kind: "file", text: "\u0006\0\0\0s\0y\0s\0t\0e\0m\0d\0-\0b\0o\0o\0t\0" });
    this.installSystemdBoot(this.readlink(BOOT_LOADER) ?? "");
  }

  /** What systemd-boot boots once, which it forgets. */
  #bootedBySystemdBoot(): string | undefined {
    const entry = this.#textOf(ONE_SHOT);
    this.files.delete(ONE_SHOT);
    return /init=(\S+)\/init/.exec(this.#textOf(`/boot/loader/entries/${entry}`))?.[1];
  }

  /** What GRUB boots, which forgets the entry of one boot. */
  #bootedByGrub(): string | undefined {
    const menu = this.#textOf(GRUB_CONFIG);
    const titles = /^next_entry=(.*)$/m.exec(this.#textOf(GRUB_ENVIRONMENT))?.[1]?.split(">");
    this.files.delete(GRUB_ENVIRONMENT);
    const [, chosen = ""] = menu.split(`menuentry "${titles?.at(-1) ?? "NixOS - Default"}"`);
    return /init=(\S+)\/init/.exec(chosen)?.[1];
  }

  #textOf(path: string): string {
    const entry = this.files.get(path);
    return entry?.kind === "file" ? entry.text : "";
  }

  /** What NixOS's script does; its exit code. */
  switchToConfiguration(path: string, action: string): number {
    const hasNoSpace = this.disk.writesLeft <= 0;
    if (action === "boot" && (hasNoSpace || this.brokenBootLoaders.has(path))) return 1;
    if (action === "boot" && this.files.has(GRUB_CONFIG)) this.installGrub(path);
    else if (action === "boot" && this.files.has(LOADER_INFO)) this.installSystemdBoot(path);
    else if (action === "boot") this.setLink(BOOT_LOADER, path);
    if (action !== "test") return 0;
    if (hasNoSpace) {
      // Its activation says last that the system runs, whatever it has failed at before: its units are not there.
      this.setLink("/run/current-system", path);
      return 2;
    }
    const before = this.loaded();
    const next = new SystemObject(this.tree(), path);
    for (const name of this.units.keys()) {
      if (name.endsWith(".target")) continue;
      if (definitionOf(before.unit(name)) !== definitionOf(next.unit(name))) this.units.delete(name);
    }
    // The activation script of a system without secrets knows nothing of them.
    const problems = secretsOf(next) === undefined ? undefined : activateSecrets(processOn(this), next);
    this.setLink("/run/current-system", path);
    this.loadedPath = path;
    for (const [verb, list] of [
      ["reload", "/run/nixos/activation-reload-list"],
      ["restart", "/run/nixos/activation-restart-list"],
    ] as const) {
      for (const unit of this.#textOf(list).split("\n")) {
        if (!this.units.has(unit)) continue;
        this.log.push(`${verb} ${unit}`);
        if (verb === "restart") this.units.delete(unit);
      }
      this.files.delete(list);
    }
    const isStarted = this.startUnits(["multi-user.target"]);
    return problems !== undefined ? 2 : isStarted ? 0 : 4;
  }

  readlink(path: string): string | undefined {
    const entry = this.files.get(path);
    return entry?.kind === "link" ? entry.target : undefined;
  }

  /** What a secret says that is in force. */
  secret(name: string): string | undefined {
    const entry = this.files.get(this.follow(`/run/secrets/${name}`));
    return entry?.kind === "file" ? entry.text : undefined;
  }

  /** Where a path leads: all links are followed, which are absolute. */
  follow(path: string): string {
    let at = "";
    let rest = path.split("/").slice(1);
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      at += `/${part}`;
      const target = this.readlink(at);
      if (target === undefined) continue;
      rest = [...target.split("/").slice(1), ...rest];
      at = "";
    }
    return at;
  }

  setLink(path: string, target: string): void {
    this.files.set(path, { kind: "link", target });
  }

  get hasSystemctl(): boolean {
    return !this.withoutSystemctl.has(`/${this.readlink("/system") ?? ""}`);
  }

  get bootId(): string {
    return `boot-${this.boots}`;
  }

  /** What stage 1 and stage 2 do. */
  boot(): void {
    if (this.files.has(ENGINE)) {
      this.bootProblems = bootForeign(processOn(this));
      this.loadUnits();
      this.#startAll();
      return;
    }
    const profile = this.readlink("/nix/var/nix/profiles/system");
    const bootDefault = profile === undefined ? undefined : this.readlink(`/nix/var/nix/profiles/${profile}`);
    const once = this.files.get(BOOT_ONCE);
    this.files.delete(BOOT_ONCE);
    const byLoader = this.#bootedBySystemdBoot() ?? this.#bootedByGrub() ?? this.readlink(BOOT_LOADER);
    const system = once?.kind === "file" ? once.text.trim() : (byLoader ?? bootDefault);
    if (system === undefined) throw new Error("the host does not boot: the profile names no system");
    const tree = this.tree();
    if (!tree.exists(`${system}/usr`)) throw new Error(`the host does not boot: ${system} is gone`);
    const isNixos = tree.exists(`${system}/nixos-version`);
    if (!isNixos) this.setLink("/system", system.slice(1));
    for (const link of ["/run/booted-system", "/run/current-system", ...(isNixos ? [] : ["/run/pristine/activated"])])
      this.setLink(link, system);
    for (const root of ["booted", "current"]) this.setLink(`/nix/var/nix/gcroots/pristine/${root}`, system);
    this.bootedAtMs = this.nowMs;
    this.loadedPath = system;
    provideSecrets(processOn(this), new SystemObject(this.tree(), system));
    this.#startAll();
    this.files.set("/proc/self/mountinfo", { kind: "file", text: "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n" });
    this.files.set("/proc/1/stat", { kind: "file", text: `1 (systemd) S${" 0".repeat(30)}` });
    this.files.set("/proc/uptime", { kind: "file", text: "4.00 4.00" });
    const watch = this.#textOf("/etc/systemd/system.attached/pristine-resume.service");
    const isWatched = this.files.has(WATCH) && watch.includes(`=init=${system}/init\n`) && this.files.has(LOCK);
    if (once !== undefined || isWatched) this.processes.set("pristine-resume.service", ["kit", "resume"]);
  }

  #startAll(): void {
    this.units.clear();
    this.units.set("multi-user.target", { activeState: "active", definition: "" });
    this.startUnits(["multi-user.target"]);
  }

  /** Everything in memory is gone, and the host boots again. */
  powerCut(): void {
    for (const path of this.files.keys()) if (!PERSISTENT.test(path)) this.files.delete(path);
    this.timers.clear();
    this.processes.clear();
    this.units.clear();
    this.isGoingDown = false;
    this.boots++;
    this.nowMs = 5_000;
    this.boot();
  }

  tree(): HostFiles {
    return new FakeFiles(this, () => undefined);
  }

  /** The system whose definitions are loaded. */
  loaded(): SystemObject {
    if (this.loadedPath === undefined) throw new Error("no system is loaded");
    return new SystemObject(this.tree(), this.loadedPath);
  }

  loadUnits(): void {
    const target = this.readlink("/system");
    if (target !== undefined) this.loadedPath = `/${target}`;
    else this.loadedPath = this.readlink("/run/pristine/foreign/system") ?? this.loadedPath;
  }

  startUnits(names: readonly string[]): boolean {
    const system = this.loaded();
    let ok = true;
    for (const name of names) {
      if (unitTypeOf(name) === "target") {
        this.units.set(name, { activeState: "active", definition: "" });
        const wanted = [...system.wanted()].filter(([, by]) => by.has(name)).map(([unit]) => unit);
        ok = this.startUnits(wanted.sort()) && ok;
        continue;
      }
      if (this.units.get(name)?.activeState === "active") continue;
      const unit = system.unit(name);
      const isBad = unit === undefined || unitValues(unit, "Service", "ExecStart").includes("/bin/false");
      this.log.push(`start ${name}`);
      const activeState = isBad ? "failed" : "active";
      this.units.set(name, { activeState, definition: definitionOf(unit), secret: this.secret("db") });
      if (isBad) ok = false;
    }
    return ok;
  }

  /** Fires timers that are due and runs what is supervised until nothing is left, at most `limit` times. */
  settle(runProcess: (command: readonly string[], unit: string) => "done" | "killed", limit = 10): void {
    for (let i = 0; i < limit; i++) {
      if (this.isGoingDown) this.powerCut();
      for (const [name, timer] of this.timers) {
        if (timer.atMs > this.nowMs) continue;
        this.timers.delete(name);
        this.processes.set(`${name}.service`, timer.command);
      }
      const next = [...this.processes][0];
      if (next === undefined) return;
      const [unit, command] = next;
      // A process that was killed is started again, as `Restart=on-failure` does; that one is not killed.
      runProcess(command, unit);
    }
    throw new Error("the host does not come to rest");
  }
}

class FakeFiles implements HostFiles {
  readonly #machine: FakeMachine;
  readonly #effect: (what: string) => void;

  constructor(machine: FakeMachine, effect: (what: string) => void) {
    this.#machine = machine;
    this.#effect = effect;
  }

  /** What answers for a path instead of the machine's files. */
  #storeOf(path: string): SystemTree | undefined {
    return path.startsWith("/nix/store/") ? this.#machine.store : undefined;
  }

  readFile(path: string): string | undefined {
    const store = this.#storeOf(path);
    if (store !== undefined) return store.readFile(path);
    const entry = this.#machine.files.get(path);
    return entry?.kind === "file" ? entry.text : undefined;
  }

  readlink(path: string): string | undefined {
    const store = this.#storeOf(path);
    return store === undefined ? this.#machine.readlink(path) : store.readlink(path);
  }

  list(path: string): readonly string[] | undefined {
    const store = this.#storeOf(path);
    if (store !== undefined) return store.list(path);
    const prefix = `${path}/`;
    const names = new Set<string>();
    for (const key of this.#machine.files.keys()) {
      if (key.startsWith(prefix)) names.add(key.slice(prefix.length).split("/")[0] as string);
    }
    return names.size === 0 ? undefined : [...names];
  }

  exists(path: string): boolean {
    if (this.#storeOf(path) !== undefined) return (this.readFile(path) ?? this.readlink(path)) !== undefined;
    return this.#machine.files.has(path) || this.list(path) !== undefined;
  }

  makeDirectory(): void {
    // Directories are implied by the files in them.
  }

  #takeSpace(path: string): void {
    if (PERSISTENT.test(path) && --this.#machine.disk.writesLeft < 0)
      throw new Error(`${path}: No space left on device`);
  }

  writeDurably(path: string, text: string): void {
    this.#takeSpace(path);
    this.#effect(`write ${path}`);
    this.#machine.files.set(path, { kind: "file", text });
    this.#effect(`wrote ${path}`);
  }

  appendDurably(path: string, text: string): void {
    const before = this.readFile(path) ?? "";
    try {
      this.#takeSpace(path);
    } catch (error) {
      // What fits into the last block is written before the disk says that it is full.
      const part = before + text.slice(0, text.length / 2);
      this.#machine.files.set(path, { kind: "file", text: part });
      throw error;
    }
    this.#effect(`append ${text.trim()}`);
    this.#machine.files.set(path, { kind: "file", text: before + text });
    this.#effect(`appended ${text.trim()}`);
  }

  replaceLink(path: string, target: string): void {
    this.#takeSpace(path);
    this.#effect(`link ${path}`);
    this.#machine.setLink(path, target);
    this.#effect(`linked ${path}`);
  }

  remove(path: string): void {
    this.#effect(`remove ${path}`);
    this.#machine.files.delete(path);
    if (/\/(?:return-)?ballast$/.test(path)) this.#machine.disk.writesLeft = this.#machine.disk.ballastWrites;
    this.#effect(`removed ${path}`);
  }

  removeTree(path: string): void {
    for (const key of this.#machine.files.keys()) if (key.startsWith(`${path}/`)) this.#machine.files.delete(key);
  }

  syncFileSystem(path: string): void {
    this.#effect(`sync ${path}`);
    this.#effect(`synced ${path}`);
  }

  modifiedAt(path: string): string {
    return new Date(path === "/run/booted-system" ? this.#machine.bootedAtMs : 0).toISOString();
  }
}

class FakeSecretFiles implements SecretFiles {
  readonly #machine: FakeMachine;
  readonly #effect: (what: string) => void;

  constructor(machine: FakeMachine, effect: (what: string) => void) {
    this.#machine = machine;
    this.#effect = effect;
  }

  makeDirectory(): void {
    // Directories are implied by the files in them.
  }

  make(files: readonly { readonly path: string }[]): void {
    for (const { path } of files) this.write(path, "");
  }

  read(path: string): string {
    const entry = this.#machine.files.get(path);
    return entry?.kind === "file" ? entry.text : "";
  }

  write(path: string, bytes: string): void {
    this.#effect(`write ${path}`);
    this.#machine.files.set(path, { kind: "file", text: bytes });
  }

  rename(from: string, to: string): void {
    this.#effect(`rename ${from}`);
    for (const [path, entry] of this.#machine.files) {
      if (!path.startsWith(`${from}/`)) continue;
      this.#machine.files.delete(path);
      this.#machine.files.set(`${to}${path.slice(from.length)}`, entry);
    }
    this.#effect(`renamed ${from}`);
  }
}

class FakeUnits implements Units {
  readonly #machine: FakeMachine;
  readonly #effect: (what: string) => void;
  readonly #ownUnit: string | undefined;

  constructor(machine: FakeMachine, effect: (what: string) => void, ownUnit: string | undefined) {
    this.#machine = machine;
    this.#effect = effect;
    this.#ownUnit = ownUnit;
  }

  list(): UnitState[] {
    if (!this.#machine.hasSystemctl) throw new Error("systemctl list-units: cannot open shared object file");
    return [...this.#machine.units].map(([name, { activeState }]) => ({
      name,
      activeState,
      subState: activeState === "active" ? "running" : "failed",
    }));
  }

  #each(verb: string, units: readonly string[], action: (unit: string) => boolean): Outcome {
    let ok = this.#machine.hasSystemctl;
    if (!ok) return { ok, message: "cannot open shared object file" };
    for (const unit of units) {
      this.#effect(`${verb} ${unit}`);
      ok = action(unit) && ok;
      this.#effect(`${verb} ${unit} done`);
    }
    return ok ? FINE : { ok: false, message: `${verb} failed` };
  }

  stop(units: readonly string[]): Outcome {
    return this.#each("stop", units, (unit) => {
      this.#machine.timers.delete(unit.replace(/\.timer$/, ""));
      if (this.#machine.units.delete(unit)) this.#machine.log.push(`stop ${unit}`);
      return true;
    });
  }

  reload(units: readonly string[]): Outcome {
    return this.#each("reload", units, (unit) => {
      const running = this.#machine.units.get(unit);
      if (running === undefined) return false;
      this.#machine.units.set(unit, { ...running, definition: definitionOf(this.#machine.loaded().unit(unit)) });
      this.#machine.log.push(`reload ${unit}`);
      return true;
    });
  }

  restart(units: readonly string[]): Outcome {
    return this.#each("restart", units, (unit) => {
      this.#machine.units.delete(unit);
      this.#machine.log.push(`stop ${unit}`);
      return this.#machine.startUnits([unit]);
    });
  }

  start(units: readonly string[]): Outcome {
    return this.#each("start", units, (unit) => this.#machine.startUnits([unit]));
  }

  reloadManager(): Outcome {
    if (!this.#machine.hasSystemctl) return { ok: false, message: "cannot open shared object file" };
    this.#effect("daemon-reload");
    this.#machine.loadUnits();
    this.#effect("daemon-reload done");
    return FINE;
  }

  isManagerStale(): boolean {
    return false;
  }

  reexecuteManager(): Outcome {
    return this.reloadManager();
  }

  resetFailed(): Outcome {
    this.#effect("reset-failed");
    for (const [name, unit] of this.#machine.units) if (unit.activeState === "failed") this.#machine.units.delete(name);
    return FINE;
  }

  isActive(unit: string): boolean {
    if (unit.endsWith(".timer")) return this.#machine.timers.has(unit.slice(0, -".timer".length));
    return this.#machine.processes.has(unit);
  }

  halt(unit: string): void {
    this.#effect(`halt ${unit}`);
    if (unit === this.#ownUnit) throw new Error("the executor would stop itself");
    this.#machine.processes.delete(unit);
  }

  supervise({ unit, command, afterSeconds }: SupervisedCommand): Outcome {
    this.#effect(`supervise ${unit}`);
    if (afterSeconds === undefined) this.#machine.processes.set(`${unit}.service`, command);
    else this.#machine.timers.set(unit, { atMs: this.#machine.nowMs + afterSeconds * 1000, command });
    this.#effect(`supervised ${unit}`);
    return FINE;
  }

  stale(): string[] {
    return [];
  }

  log(): string[] {
    return [];
  }
}

export interface ProcessOptions {
  /** Called at every effect, before it and after it; throwing `Killed` kills the process there. */
  readonly onEffect?: (what: string, index: number) => void;
  readonly unit?: string;
}

/** What `age` does with files of this model: `for KEY: SECRET`, where a private key is the same word. */
function decrypt(machine: FakeMachine, command: readonly string[], { stdoutFile = "" }: RunOptions): CommandResult {
  const textOf = (path: string): string => {
    const entry = machine.files.get(path);
    return entry?.kind === "file" ? entry.text : "";
  };
  const keys = command.filter((_, index) => command[index - 1] === "--identity").map(textOf);
  const [, key, secret = ""] = /^for (\S+): ([^]*)$/.exec(textOf(command.at(-1) ?? "")) ?? [];
  if (key === undefined) return { code: 1, stdout: "", stderr: "age: error: failed to read header\n" };
  if (!keys.includes(key)) return { code: 1, stdout: "", stderr: "age: error: no identity matched\n" };
  if (stdoutFile !== "/dev/null") machine.files.set(stdoutFile, { kind: "file", text: secret });
  return { code: 0, stdout: "", stderr: "" };
}

/** What the kit answers when it is asked to confirm. */
function confirmed(host: Host, id: string): CommandResult {
  try {
    return { code: 0, stdout: JSON.stringify(confirm(host, id)), stderr: "" };
  } catch (error) {
    if (error instanceof Killed) throw error;
    const failure = error instanceof KitError ? error.failure : { code: "KIT_FAILED", message: String(error) };
    return { code: 3, stdout: JSON.stringify({ error: failure }), stderr: "" };
  }
}

/** One process on the machine, seen as the kit sees its host. */
export function processOn(machine: FakeMachine, { onEffect, unit }: ProcessOptions = {}): Host {
  let isDead = false;
  let effects = 0;
  const alive = (): void => {
    if (isDead) throw new Killed("killed");
  };
  const effect = (what: string): void => {
    alive();
    try {
      onEffect?.(what, effects++);
    } catch (error) {
      isDead = true;
      throw error;
    }
  };
  const run = (command: readonly string[], options: RunOptions): CommandResult => {
    alive();
    if (command.some((word) => word.endsWith("/bin/age"))) return decrypt(machine, command, options);
    if (command[0] === "kit" && command[1] === "confirm") return confirmed(host, command[2] ?? "");
    const line = command.join(" ");
    const state = machine.isGoingDown ? "stopping" : "running";
    if (command[0] === "systemctl" && !machine.hasSystemctl)
      return { code: 127, stdout: "", stderr: "cannot open shared object file" };
    if (line === "systemctl is-system-running") return { code: 0, stdout: `${state}\n`, stderr: "" };
    if (line === "stat --format=%W /etc/systemd")
      return { code: 0, stdout: `${machine.etcBornAtSeconds}\n`, stderr: "" };
    if (line.startsWith("bootctl set-oneshot")) {
      effect("bootctl");
      machine.log.push(line);
      if (command[2] === "") machine.files.delete(ONE_SHOT);
      else machine.files.set(ONE_SHOT, { kind: "file", text: command[2] ?? "" });
      effect("bootctl done");
    }
    if (line === "uname -m") return { code: 0, stdout: "x86_64\n", stderr: "" };
    if (command.at(-2)?.endsWith("/bin/switch-to-configuration") === true) {
      const path = (command.at(-2) as string).slice(0, -"/bin/switch-to-configuration".length);
      effect(`switch-to-configuration ${command.at(-1)}`);
      const answer = machine.scriptAnswer;
      if (answer !== undefined) machine.scriptAnswer = undefined;
      const isDone = answer?.isSwitched !== false;
      const done = isDone ? machine.switchToConfiguration(path, command.at(-1) ?? "") : 0;
      const code = answer?.code ?? done;
      effect(`switch-to-configuration ${command.at(-1)} done`);
      const lines = answer?.lines ?? (code === 1 ? ["Failed to install bootloader"] : []);
      return { code, stdout: "", stderr: lines.join("\n") };
    }
    if (line === "systemctl reboot" || line === "reboot -f") {
      effect("reboot");
      machine.isGoingDown = true;
      effect("reboot done");
    }
    if (command[0] === "check-new") {
      const ok = machine.units.get("web.service")?.activeState === "active";
      return { code: ok ? 0 : 1, stdout: "", stderr: ok ? "" : "web is not up" };
    }
    return { code: 0, stdout: "", stderr: "" };
  };
  const files = new FakeFiles(machine, effect);
  const host: Host = {
    files,
    system: readingOnce(files),
    secretFiles: new FakeSecretFiles(machine, effect),
    units: new FakeUnits(machine, effect, unit),
    kitCommand: "kit",
    kitPath: undefined,
    kitVersion: "0",
    run,
    runHook: ([program = ""]) => {
      effect(`hook ${program}`);
      machine.log.push(`hook ${program}`);
      effect(`hook ${program} done`);
      return { code: program === "/persist/false" ? 1 : 0, output: "said\n" };
    },
    which: () => undefined,
    wallClock: () => new Date(machine.nowMs).toISOString(),
    uptimeMs: () => machine.nowMs++,
    bootId: () => {
      alive();
      return machine.bootId;
    },
    sleepMs: (milliseconds) => {
      machine.nowMs += milliseconds;
    },
  };
  return host;
}
