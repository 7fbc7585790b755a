/**
 * A host of the simulation: a fake machine on which the real kit runs, on virtual time.
 *
 * A process of the kit runs to its end at once on a copy of the machine, which tells each change with the time at which
 * it comes; the machine itself changes as that time arrives. So whatever else happens meanwhile (a power cut, a return,
 * another deployer) finds the machine in the middle of it.
 */

import type { PathInfo } from "../../../src/format/path-info.ts";
import { begin } from "../../../src/kit/begin.ts";
import { isBootedOnce } from "../../../src/kit/boot-once.ts";
import { collectFacts } from "../../../src/kit/collect-facts.ts";
import { openUnfinished, peekUnfinished } from "../../../src/kit/conclude.ts";
import { confirm } from "../../../src/kit/confirm.ts";
import { execute } from "../../../src/kit/executor.ts";
import type { Host } from "../../../src/kit/host.ts";
import { runRequestedHooks } from "../../../src/kit/hooks.ts";
import { KitError } from "../../../src/kit/kit-error.ts";
import { resume } from "../../../src/kit/resume.ts";
import { requestRevert } from "../../../src/kit/revert.ts";
import { revertRun } from "../../../src/kit/revert-run.ts";
import { readReceipts, TransactionRecord } from "../../../src/kit/transaction-record.ts";
import type { HookAnswer, HookRequest } from "../../../src/machine/hook.ts";
import type { HostFacts } from "../../../src/machine/facts.ts";
import {
  isFinal,
  type BeginAnswer,
  type Receipt,
  type RequestedReason,
  type TransactionPlan,
  type TransactionStatus,
} from "../../../src/machine/transaction.ts";
import { FakeMachine, Killed, type MachineParts, processOn } from "../../support/fake-machine.ts";
import type { Random } from "../../support/random.ts";
import { type CatalogueSystem, definitionsOf, INFOS, nameOf, storeTree, SYSTEMS, systemAt } from "./catalogue.ts";
import type { Safeguard } from "./safeguards.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What befalls a host. */
export interface HostFate {
  /** Effects of the kit, counted from the beginning, at which the power goes. */
  readonly powerCutsAt: ReadonlySet<number>;
  /** Effects at which the process that has them is killed. */
  readonly deathsAt: ReadonlySet<number>;
  /** How long the host is down after a power cut. */
  readonly downMs: number;
  /** How long a change of a unit takes at most. */
  readonly unitMsMax: number;
  /** How many writes the disk takes until it is full, and what the ballast gives back. */
  readonly disk: { readonly writesLeft: number; readonly ballastWrites: number };
}

/** Between 1970 and the beginning of a simulation. */
export const EPOCH_MS: number = Date.UTC(2026, 10, 28, 10);
const TRANSACTIONS = "/nix/var/pristine/transactions";
const LOCK_FILE = "/nix/var/pristine/lock";
const JOURNAL = /^\/nix\/var\/pristine\/transactions\/[^/]+\/journal\.jsonl$/;
const LOCK_WAIT_MS = 60_000;
const QUERY_LOCK_WAIT_MS = 2_000;
/** As `pristine-transaction.service` is restarted. */
const EXECUTOR_DEATHS_MAX = 8;
/** What a power cut may take of a file that was not synced. */
const UNSYNCED_MS = 5_000;
/** How long a hook takes. */
export const HOOK_MS = 500;
/** How long stopping everything takes before a reboot. */
const SHUTDOWN_MS_MAX = 5_000;

const WITHOUT_SYSTEMCTL = SYSTEMS.filter(({ trait }) => trait === "no-systemctl").map(({ path }) => path);

/** The host went down, or a process was stopped, before it was done. */
export class Ended extends Error {
  override readonly name = "Ended";
}

interface Change {
  readonly atMs: number;
  readonly apply: () => void;
}

/** What a process has besides the machine. */
interface ProcessContext {
  readonly unit: string | undefined;
  readonly presentMs: () => number;
  /** Called when it has told the host to reboot. */
  readonly willReboot: () => void;
}

/** A process of the kit that is under way: what it has done is applied, what it will do is not. */
interface Process {
  readonly unit: string | undefined;
  readonly changes: readonly Change[];
  applied: number;
  readonly stop: (error: Error) => void;
}

interface Observer {
  /** A link that says what runs, or what boots, was changed. */
  linked(host: SimulatedHost): void;
  /** A transaction is recorded, perhaps not for the first time; without an answer it may be cut off anywhere. */
  began(host: SimulatedHost, plan: TransactionPlan, isAnswered: boolean): void;
  trace(host: SimulatedHost, text: string): void;
}

/** A map that tells of each change besides making it. */
class TellingMap<V> extends Map<string, V> {
  readonly #tell: (key: string, apply: (map: Map<string, V>) => void) => boolean;

  constructor(entries: ReadonlyMap<string, V>, tell: (key: string, apply: (map: Map<string, V>) => void) => boolean) {
    super();
    this.#tell = () => true;
    for (const [key, value] of entries) super.set(key, value);
    this.#tell = tell;
  }

  override set(key: string, value: V): this {
    return this.#tell(key, (map) => map.set(key, value)) ? super.set(key, value) : this;
  }

  override delete(key: string): boolean {
    return this.#tell(key, (map) => map.delete(key)) && super.delete(key);
  }
}

export class SimulatedHost {
  readonly name: string;
  readonly machine: FakeMachine;
  readonly #view: Host;
  readonly fate: HostFate;
  /** What is registered in its store, and what has arrived without being registered. */
  readonly valid: Set<string> = new Set();
  readonly arrived: Map<string, number> = new Map();
  isUp = true;
  /** Grows when everything that was connected is not any more. */
  epoch = 0;
  /** How far its wall clock is off. */
  wallOffsetMs = 0;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #without: Safeguard | undefined;
  readonly #observer: Observer;
  #bootedAtMs: number;
  #effects = 0;
  #isAtRest = false;
  #isAdvancing = false;
  readonly #running = new Set<Process>();
  /** The units that systemd keeps running, each with the run it is in. */
  readonly #supervised = new Map<string, symbol>();
  #lock = new KitLock();
  readonly #records = new Map<
    string,
    { readonly plan: unknown; readonly journal: unknown; readonly record: TransactionRecord | undefined }
  >();

  constructor(
    name: string,
    fate: HostFate,
    world: {
      readonly time: VirtualTime;
      readonly random: Random;
      readonly without: Safeguard | undefined;
      readonly observer: Observer;
      readonly system: CatalogueSystem;
    },
  ) {
    this.name = name;
    this.fate = fate;
    this.#time = world.time;
    this.#random = world.random;
    this.#without = world.without;
    this.#observer = world.observer;
    this.machine = new FakeMachine({ disk: { ...fate.disk } });
    for (const { path } of world.system.closure) this.valid.add(path.baseName);
    this.machine.store = storeTree((baseName) => this.#has(baseName));
    this.machine.setLink("/nix/var/nix/profiles/system-1-link", world.system.path);
    this.machine.setLink("/nix/var/nix/profiles/system", "system-1-link");
    this.machine.loaded = () => definitionsOf(this.machine.loadedPath!);
    this.machine.boot();
    this.#view = processOn(this.machine);
    this.#bootedAtMs = this.#time.nowMs - this.machine.nowMs;
  }

  #has(baseName: string): boolean {
    return this.valid.has(baseName) || this.arrived.has(baseName);
  }

  #hasWhole(path: string): boolean {
    return systemAt(path)?.closure.every(({ path: { baseName } }) => this.#has(baseName)) === true;
  }

  get #uptimeMs(): number {
    return this.#time.nowMs - this.#bootedAtMs;
  }

  get running(): string {
    this.advance();
    return `/${this.machine.readlink("/system") ?? ""}`;
  }

  get activated(): string | undefined {
    this.advance();
    return this.machine.readlink("/run/pristine/activated");
  }

  get bootDefault(): string | undefined {
    this.advance();
    const link = this.machine.readlink("/nix/var/nix/profiles/system");
    return link === undefined ? undefined : this.machine.readlink(`/nix/var/nix/profiles/${link}`);
  }

  /** Whether a connection that is made now gets in, and whether those that exist are of use. */
  letsIn(connection: "new" | "open"): boolean {
    if (!this.isUp) return false;
    const trait = systemAt(this.running)?.trait;
    return trait !== "cut" && (connection === "open" || trait !== "no-entry");
  }

  /** So many bytes of an object are there; it is registered with the last, or with the first. */
  arrive(info: PathInfo, bytes: number, { isRegistered }: { readonly isRegistered: boolean }): void {
    // Two deployers may send the same; what is there stays.
    this.arrived.set(info.path.baseName, Math.max(bytes, this.arrived.get(info.path.baseName) ?? 0));
    if (isRegistered || bytes === info.narSize) this.valid.add(info.path.baseName);
  }

  /** An object that is registered without being whole, or without what it refers to. */
  brokenObject(): string | undefined {
    return [...this.arrived.keys()].find((baseName) => {
      const { narSize, references } = INFOS.get(baseName)!;
      if (!this.valid.has(baseName)) return false;
      return this.arrived.get(baseName)! < narSize || !references.every((path) => this.valid.has(path.baseName));
    });
  }

  /** The machine as it is now, for looking at it. */
  look(): Host {
    this.advance();
    return this.#view;
  }

  receipts(): readonly Receipt[] {
    return readReceipts(this.look());
  }

  transactions(): TransactionRecord[] {
    const ids = this.look().files.list(TRANSACTIONS) ?? [];
    return ids.flatMap((id) => this.record(id) ?? []);
  }

  /** Those of this boot that have not ended. */
  unfinished(): TransactionRecord[] {
    const { bootId, files } = this.machine;
    const ids = (this.look().files.list(TRANSACTIONS) ?? []).filter(
      (id) => !files.has(`${TRANSACTIONS}/${id}/receipt.json`),
    );
    const open = ids.flatMap((id) => this.record(id) ?? []);
    const isOfThisBoot = (one: TransactionRecord): boolean =>
      one.facts.bootId === bootId || isBootedOnce(this.#view, one);
    return open.filter((one) => !isFinal(one.state) && isOfThisBoot(one));
  }

  /** All that is on it, part by part: whatever changes is another part then. */
  snapshot(): readonly unknown[] {
    this.advance();
    const { files, units, timers, processes } = this.machine;
    return [files, units, timers, processes].flatMap((map) => [...map].flat());
  }

  /** Told apart by identity: the same as long as nothing was written. */
  journalOf(id: string): unknown {
    this.advance();
    const directory = `${TRANSACTIONS}/${id}`;
    return this.machine.files.get(`${directory}/receipt.json`) ?? this.machine.files.get(`${directory}/journal.jsonl`);
  }

  /** For reading; parsed once as long as nothing is written to it. */
  record(id: string): TransactionRecord | undefined {
    const host = this.look();
    const plan = this.machine.files.get(`${TRANSACTIONS}/${id}/plan.json`);
    const journal = this.machine.files.get(`${TRANSACTIONS}/${id}/journal.jsonl`);
    const known = this.#records.get(id);
    if (known !== undefined && known.plan === plan && known.journal === journal) return known.record;
    const record = TransactionRecord.open(host, id);
    this.#records.set(id, { plan, journal, record });
    return record;
  }

  /** What `pristine-kit` commands answer, as long as the host is up. */
  async facts(): Promise<HostFacts> {
    return await this.#queried("facts", (host, unfinished) => collectFacts(host, unfinished));
  }

  async history(): Promise<{ readonly receipts: readonly Receipt[] }> {
    return await this.#queried("history", (host) => ({ receipts: readReceipts(host) }));
  }

  async hook(request: HookRequest): Promise<HookAnswer> {
    return await this.#start(undefined, (host) => ({ results: runRequestedHooks(host, request) }));
  }

  async begin(plan: TransactionPlan): Promise<BeginAnswer> {
    let isAnswered = false;
    try {
      const answer = await this.#locked(LOCK_WAIT_MS, () => this.#start(undefined, (host) => begin(host, plan)));
      isAnswered = true;
      return answer;
    } finally {
      // It may have been recorded, and go on, without an answer.
      this.#observer.began(this, plan, isAnswered);
    }
  }

  confirm(id: string): Promise<Receipt | TransactionStatus> {
    return this.#locked(LOCK_WAIT_MS, () =>
      this.#start(undefined, (host) => confirm(host, id) ?? TransactionRecord.openKnown(host, id).status()),
    );
  }

  revert(id: string, reason: RequestedReason): Promise<TransactionStatus> {
    return this.#locked(LOCK_WAIT_MS, () => this.#start(undefined, (host) => requestRevert(host, id, reason).status()));
  }

  async #queried<T>(_what: string, ask: (host: Host, unfinished: TransactionRecord | undefined) => T): Promise<T> {
    try {
      return await this.#locked(QUERY_LOCK_WAIT_MS, () =>
        this.#start(undefined, (host) => ask(host, openUnfinished(host))),
      );
    } catch (error) {
      if (!(error instanceof KitError) || error.failure.code !== "KIT_LOCKED") throw error;
      return await this.#start(undefined, (host) => ask(host, peekUnfinished(host)));
    }
  }

  /** Holds what `flock` holds on a real host. */
  async #locked<T>(waitMs: number, work: () => Promise<T>): Promise<T> {
    const lock = this.#lock;
    if (!(await lock.take(this.#time, waitMs))) {
      throw new KitError("KIT_LOCKED", `another command has been at work on this host for ${waitMs / 1000} s`);
    }
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  /** Applies what the processes have done until now. */
  advance(): void {
    // Who looks in the middle of it sees the middle of it.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    this.machine.nowMs = this.#uptimeMs;
    for (const process of this.#running) this.#apply(process);
    this.#isAdvancing = false;
  }

  #apply(process: Process): void {
    for (
      let change = process.changes[process.applied];
      change !== undefined;
      change = process.changes[process.applied]
    ) {
      if (change.atMs > this.#time.nowMs) return;
      // First: what it starts looks at the machine, too.
      process.applied++;
      change.apply();
    }
  }

  /** Starts a process of the kit; its answer comes when it is done. */
  #start<T>(unit: string | undefined, body: (host: Host) => T): Promise<T> {
    if (!this.isUp) return Promise.reject(new Ended("the host is down"));
    this.advance();
    const startMs = this.#time.nowMs;
    const startUptimeMs = this.#uptimeMs;
    const changes: Change[] = [];
    const presentMs = (): number => Math.ceil(startMs + machine.nowMs - startUptimeMs);
    const machine = this.#copy(unit, changes, presentMs);
    machine.nowMs = startUptimeMs;
    let end: (() => void) | undefined;
    const ended = new Promise<T>((resolve, reject) => {
      const process: Process = {
        unit,
        changes,
        applied: 0,
        stop: (error) => {
          this.#running.delete(process);
          reject(error);
        },
      };
      this.#running.add(process);
      try {
        const willReboot = (): void => {
          changes.push({ atMs: presentMs(), apply: () => this.#reboot() });
          this.#time.at(presentMs(), () => this.advance());
        };
        const value = body(this.#hostOf(machine, { unit, presentMs, willReboot }));
        end = () => resolve(value);
      } catch (error) {
        end = () => reject(error as Error);
      }
      this.#time.at(presentMs(), () => {
        if (!this.#running.has(process)) return;
        this.advance();
        this.#running.delete(process);
        end?.();
      });
    });
    return ended;
  }

  /** The machine as a process sees it; what it changes is told with its time. */
  #copy(ownUnit: string | undefined, changes: Change[], presentMs: () => number): FakeMachine {
    const base = this.machine;
    const tell = (apply: () => void): boolean => {
      changes.push({ atMs: presentMs(), apply });
      return true;
    };
    const parts: MachineParts = {
      disk: base.disk,
      files: new TellingMap(base.files, (path, apply) => {
        // Without the lock nobody sees that another holds the host.
        if (this.#without === "lock" && path === LOCK_FILE) return false;
        return tell(() => {
          apply(base.files);
          if (path === "/system" || path.startsWith("/nix/var/nix/profiles/")) this.#observer.linked(this);
        });
      }),
      units: new TellingMap(base.units, (_unit, apply) => tell(() => apply(base.units))),
      timers: new TellingMap(base.timers, (_timer, apply) => {
        this.#time.at(presentMs(), () => this.advance());
        return tell(() => {
          apply(base.timers);
          this.#watchTimers();
        });
      }),
      processes: new TellingMap(base.processes, (unit, apply) => {
        const isStop = !copy.processes.has(unit) ? false : unit !== ownUnit;
        // What is halted does nothing more.
        if (isStop) this.#stopUnit(unit);
        this.#time.at(presentMs(), () => this.advance());
        return tell(() => {
          this.#stopUnit(unit);
          apply(base.processes);
          if (base.processes.has(unit)) this.#supervise(unit);
        });
      }),
    };
    const copy = new FakeMachine(parts);
    copy.store = base.store;
    copy.boots = base.boots;
    copy.loadedPath = base.loadedPath;
    copy.isGoingDown = base.isGoingDown;
    for (const path of WITHOUT_SYSTEMCTL) copy.withoutSystemctl.add(path);
    copy.loaded = () => definitionsOf(copy.loadedPath!);
    copy.loadUnits = () => {
      FakeMachine.prototype.loadUnits.call(copy);
      const loaded = copy.loadedPath;
      tell(() => (base.loadedPath = loaded));
    };
    return copy;
  }

  #hostOf(machine: FakeMachine, { unit, presentMs, willReboot }: ProcessContext): Host {
    const host = processOn(machine, {
      ...(unit === undefined ? {} : { unit }),
      onEffect: (effect) => {
        machine.nowMs += this.#costMs(effect);
        if (effect === "reboot done") willReboot();
        const count = this.#isAtRest ? -1 : this.#effects++;
        if (this.fate.powerCutsAt.has(count)) {
          this.#time.at(presentMs(), () => this.cutPower());
          throw new Killed("the power goes");
        }
        if (this.fate.deathsAt.has(count)) throw new Killed("the process is killed");
      },
    });
    return {
      ...host,
      // All of it is there as long as the process runs: nothing is collected here.
      system: (path) => (this.#hasWhole(path) ? definitionsOf(path) : host.system(path)),
      files: this.#without === "recorded-path" ? withoutRecordedPath(host.files, machine) : host.files,
      runHook: ([program = ""], options) => {
        host.runHook([program], options);
        machine.nowMs += program === "hangs" ? options.timeoutSeconds * 1000 : HOOK_MS;
        return { code: { fails: 1, hangs: 124 }[program] ?? 0, output: "" };
      },
      which: (program) => (program === "nix-store" ? [program] : undefined),
      wallClock: () => new Date(EPOCH_MS + presentMs() + this.wallOffsetMs).toISOString(),
      run: (command, options) => {
        if (command[0] === "nix-store") {
          const isValid = this.valid.has((command[2] ?? "").slice("/nix/store/".length));
          return { code: isValid ? 0 : 1, stdout: "", stderr: isValid ? "" : "it is not valid" };
        }
        if (command[0] !== "check-health") return host.run(command, options);
        machine.nowMs += this.#random.upTo(2_000);
        const isSick = systemAt(`/${machine.readlink("/system") ?? ""}`)?.trait === "sick";
        return { code: isSick ? 1 : 0, stdout: "", stderr: isSick ? "it is not well" : "" };
      },
    };
  }

  #costMs(effect: string): number {
    const isSlow = !this.#isAtRest && /^(?:stop|start|restart|reload) /.test(effect);
    return isSlow ? this.#random.upTo(this.fate.unitMsMax) : 3;
  }

  /** systemd starts what is supervised, and starts it again when it fails. */
  #supervise(unit: string): void {
    const run = Symbol(unit);
    this.#supervised.set(unit, run);
    const [, subcommand = "", id = "", why] = this.machine.processes.get(unit) ?? [];
    const isSame = (): boolean => this.#supervised.get(unit) === run;
    const locked = (body: (host: Host) => void): Promise<unknown> =>
      this.#locked(LOCK_WAIT_MS, () => (isSame() ? this.#start(unit, body) : Promise.resolve()));
    const start = (): Promise<unknown> => {
      if (subcommand === "run") return this.#start(unit, (host) => execute(host, id));
      return locked((host) => (subcommand === "resume" ? resume(host) : revertRun(host, id, why)));
    };
    const keepRunning = async (): Promise<void> => {
      for (let deaths = 1; isSame(); deaths++) {
        try {
          await start();
          break;
        } catch (error) {
          if (error instanceof Ended || !isSame()) return;
          if (subcommand === "run" && deaths >= EXECUTOR_DEATHS_MAX) break;
          this.#observer.trace(this, `${unit} fails (${error instanceof Error ? error.message : String(error)})`);
          if (subcommand === "resume") {
            this.#reboot();
            break;
          }
          await this.#time.sleep(subcommand === "run" ? 200 : 1_000);
        }
      }
      if (!isSame()) return;
      this.#supervised.delete(unit);
      this.machine.processes.delete(unit);
    };
    void keepRunning();
  }

  #stopUnit(unit: string): void {
    this.#supervised.delete(unit);
    for (const process of this.#running) if (process.unit === unit) process.stop(new Ended("it was halted"));
  }

  #watchTimers(): void {
    if (this.#without === "timer") return;
    const boot = this.machine.boots;
    for (const [, timer] of this.machine.timers) {
      this.#time.at(this.#bootedAtMs + timer.atMs, () => {
        if (this.isUp && this.machine.boots === boot) this.#fireTimers();
      });
    }
  }

  #fireTimers(): void {
    this.advance();
    for (const [name, timer] of this.machine.timers) {
      if (timer.atMs > this.machine.nowMs) continue;
      this.#observer.trace(this, `${name}.timer fires`);
      this.machine.timers.delete(name);
      this.machine.processes.set(`${name}.service`, timer.command);
      this.#supervise(`${name}.service`);
    }
  }

  /** Nothing befalls it any more. */
  comeToRest(): void {
    this.#isAtRest = true;
    this.machine.disk.writesLeft = Infinity;
  }

  /** It goes down in a while, as it was told to. */
  #reboot(): void {
    if (this.machine.isGoingDown) return;
    this.machine.isGoingDown = true;
    const { boots } = this.machine;
    this.#time.at(this.#time.nowMs + this.#random.upTo(SHUTDOWN_MS_MAX), () => {
      if (this.machine.boots === boots) this.#goDown("goes down");
    });
  }

  cutPower(): void {
    this.#goDown("loses power");
  }

  /** Everything that is not on disk is gone; after a while the host is back. */
  #goDown(how: string): void {
    if (!this.isUp) return;
    this.advance();
    this.#observer.trace(this, `${how}, running ${nameOf(this.running)}`);
    this.isUp = false;
    this.epoch++;
    this.#supervised.clear();
    for (const process of this.#running) process.stop(new Ended("the power went"));
    this.#lock = new KitLock();
    if (this.#without === "journal-sync") this.#loseUnsynced();
    this.#time.at(this.#time.nowMs + this.fate.downMs, () => {
      this.machine.powerCut();
      this.#bootedAtMs = this.#time.nowMs - this.machine.nowMs;
      this.isUp = true;
      this.#observer.trace(this, `boots ${nameOf(this.running)}`);
      this.#observer.linked(this);
      for (const unit of this.machine.processes.keys()) this.#supervise(unit);
    });
  }

  #loseUnsynced(): void {
    const sinceMs = this.#uptimeMs - UNSYNCED_MS;
    for (const [path, entry] of this.machine.files) {
      if (entry.kind !== "file" || !JOURNAL.test(path)) continue;
      const kept = entry.text.split("\n").filter((line) => {
        // What a full disk has torn is no record either way.
        const uptimeMs = Number(/"uptimeMs":(\d+)/.exec(line)?.[1] ?? 0);
        return line !== "" && (!line.includes(`"${this.machine.bootId}"`) || uptimeMs < sinceMs);
      });
      this.machine.files.set(path, { kind: "file", text: kept.map((line) => `${line}\n`).join("") });
    }
  }
}

/** What goes back by generation number, as other programs do, reads something else than what was recorded. */
function withoutRecordedPath(files: Host["files"], machine: FakeMachine): Host["files"] {
  const previousGeneration = (): string | undefined => {
    const current = machine.readlink("/nix/var/nix/profiles/system");
    const number = Number(/^system-(\d+)-link$/.exec(current ?? "")?.[1] ?? 0);
    return machine.readlink(`/nix/var/nix/profiles/system-${number - 1}-link`);
  };
  const readFile = (path: string): string | undefined => {
    const text = files.readFile(path);
    const other = JOURNAL.test(path) ? previousGeneration() : undefined;
    return other === undefined ? text : text?.replace(/"previous":"[^"]*"/, `"previous":${JSON.stringify(other)}`);
  };
  return new Proxy(files, {
    get: (target, key) => {
      if (key === "readFile") return readFile;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** One command at a time. */
class KitLock {
  #isHeld = false;
  readonly #waiting: (() => void)[] = [];

  async take(time: VirtualTime, waitMs: number): Promise<boolean> {
    if (!this.#isHeld) return (this.#isHeld = true);
    return await new Promise<boolean>((resolve) => {
      const take = (): void => resolve(true);
      this.#waiting.push(take);
      time.at(time.nowMs + waitMs, () => {
        const index = this.#waiting.indexOf(take);
        if (index >= 0) this.#waiting.splice(index, 1);
        resolve(false);
      });
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isHeld = false;
    else next();
  }
}
