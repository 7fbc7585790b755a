/**
 * A host that bundles are applied to, as far as the kit's `apply` looks at one: its files lie in a directory, signatures are
 * OpenSSH's and hashes are coreutils' own. The store and the transaction are models, which real hosts show (test/machine).
 */

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { BundleFile } from "../../src/kit/bundle-file.ts";
import type { CommandResult, Host, RunOptions } from "../../src/kit/host.ts";
import { TransactionRecord } from "../../src/kit/transaction-record.ts";
import type { BundlePath } from "../../src/machine/bundle.ts";
import type { SystemMeta } from "../../src/machine/system-object.ts";
import type { Receipt, TransactionPlan } from "../../src/machine/transaction.ts";

export const KIT: string = `/nix/store/${"k".repeat(32)}-object-k`;
const PROFILES = "/nix/var/nix/profiles";

export interface BundleHostOptions {
  readonly directory: string;
  readonly host: string;
  readonly fleet: string;
  /** What it runs, as which generation, and since when. */
  readonly system: string;
  readonly generation: number;
  readonly since: Date;
  readonly trustedKeys: readonly string[];
  /** What its store gets from a bundle. */
  readonly paths: readonly BundlePath[];
  /** What becomes of transactions. */
  readonly outcome?: "confirmed" | "reverted";
  readonly freeBytes?: number;
  /** How the store ends when it has taken the payload. */
  readonly importExit?: number;
  readonly now: () => Date;
}

export class BundleHost {
  readonly #options: BundleHostOptions;
  /** What was done besides looking. */
  readonly touched: string[] = [];
  /** What came in of store objects, unpacked. */
  imported: Buffer | undefined;
  #boots = 1;
  /** A transaction that reboots the host, and is decided when it has booted. */
  #awaitsBoot: TransactionRecord | undefined;

  constructor(options: BundleHostOptions) {
    this.#options = options;
    for (const directory of ["/etc/ssh", "/run/pristine", "/nix/var/pristine", PROFILES, "/proc/sys/kernel"]) {
      fs.mkdirSync(this.at(directory), { recursive: true });
    }
    const key = this.at("/etc/ssh/ssh_host_ed25519_key");
    if (!fs.existsSync(key)) spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", key]);
    this.setGeneration(options.generation, options.system, options.since);
  }

  get hostKey(): string {
    const text = fs.readFileSync(this.at("/etc/ssh/ssh_host_ed25519_key.pub"), "utf8");
    return text.split(" ").slice(0, 2).join(" ");
  }

  /** Boots what a transaction was to boot, which ends there as it does without anybody. */
  boot(): void {
    this.#boots++;
    if (this.#awaitsBoot !== undefined) this.#conclude(this.#awaitsBoot, "reverted-by-reboot");
    this.#awaitsBoot = undefined;
  }

  at(path: string): string {
    return join(this.#options.directory, path);
  }

  setGeneration(number: number, system: string, since: Date): void {
    const link = this.at(`${PROFILES}/system-${number}-link`);
    for (const path of [link, this.at(`${PROFILES}/system`), this.at("/system"), this.at("/run/pristine/activated")])
      fs.rmSync(path, { force: true });
    fs.symlinkSync(system, link);
    fs.lutimesSync(link, since, since);
    fs.symlinkSync(`system-${number}-link`, this.at(`${PROFILES}/system`));
    fs.symlinkSync(system.slice(1), this.at("/system"));
    fs.symlinkSync(system, this.at("/run/pristine/activated"));
  }

  file(path: string): BundleFile {
    const bytes = fs.readFileSync(this.at(path));
    return {
      path,
      bytes: bytes.length,
      read: (offset, size) => bytes.subarray(offset, offset + size).toString("latin1"),
    };
  }

  get host(): Host {
    const at = this.at.bind(this);
    const ifThere = <T>(read: () => T): T | undefined => {
      try {
        return read();
      } catch {
        // As the kit reads: what is not there is nothing.
        return undefined;
      }
    };
    const write = (path: string, text: string): void => {
      fs.mkdirSync(dirname(at(path)), { recursive: true });
      fs.writeFileSync(at(path), text);
    };
    return {
      files: {
        readFile: (path: string) => ifThere(() => fs.readFileSync(at(path), "utf8")),
        readlink: (path: string) => ifThere(() => fs.readlinkSync(at(path))),
        list: (path: string) => ifThere(() => fs.readdirSync(at(path))),
        exists: (path: string) => fs.existsSync(at(path)),
        makeDirectory: (path: string) => fs.mkdirSync(at(path), { recursive: true }),
        writeDurably: write,
        appendDurably: (path: string, text: string) => fs.appendFileSync(at(path), text),
        remove: (path: string) => fs.rmSync(at(path), { force: true }),
        removeTree: (path: string) => fs.rmSync(at(path), { recursive: true, force: true }),
        replaceLink: (path: string, target: string) => this.touched.push(`${path} -> ${target}`),
        modifiedAt: (path: string) => fs.lstatSync(at(path)).mtime.toISOString(),
      },
      secretFiles: { makeDirectory: (path: string) => fs.mkdirSync(at(path), { recursive: true, mode: 0o700 }) },
      system: () => ({ meta: { host: this.#options.host, fleet: this.#options.fleet } as SystemMeta }),
      which: (program: string) => (program === "busybox" ? undefined : [program]),
      run: (command: readonly string[], options: RunOptions) => this.#run(command, options),
      kitCommand: `${KIT}/bin/pristine-kit`,
      kitPath: KIT,
      wallClock: () => this.#options.now().toISOString(),
      uptimeMs: () => Math.round(performance.now()),
      bootId: () => `boot-${this.#boots}`,
      sleepMs: () => {
        if (this.#awaitsBoot !== undefined) throw new Error("the host goes down");
      },
    } as unknown as Host;
  }

  #run(command: readonly string[], { stdinFile }: RunOptions): CommandResult {
    const said = (stdout: string): CommandResult => ({ code: 0, stdout, stderr: "" });
    const input = stdinFile && fs.readFileSync(this.at(stdinFile.path)).subarray(stdinFile.offset);
    const line = command.join(" ");
    if (line.includes("trusted-public-keys")) return said(`${this.#options.trustedKeys.join(" ")}\n`);
    if (line.startsWith("stat ")) return said(`4096 1000000 ${(this.#options.freeBytes ?? 1e9) / 4096} 0 0\n`);
    if (line.includes("--print-invalid")) {
      return said(this.imported === undefined ? command.slice(3).join("\n") : "");
    }
    if (line.includes("nix-store --serve --write")) {
      this.touched.push("import");
      this.imported = gunzipSync(input ?? Buffer.alloc(0));
      return { ...said(""), code: this.#options.importExit ?? 0 };
    }
    if (line.startsWith("nix-store --delete")) {
      this.touched.push("delete");
      this.imported = undefined;
      return said("");
    }
    if (line.startsWith("nix-store --query --hash")) {
      const hashes = new Map(this.#options.paths.map(({ path, narHash }) => [path, narHash]));
      return said(
        command
          .slice(3)
          .map((path) => `${hashes.get(path) ?? "none"}\n`)
          .join(""),
      );
    }
    if (command[0] === `${KIT}/bin/pristine-kit`)
      return said(this.#transact(command.slice(1), input?.toString() ?? ""));
    // Programs of this machine, on files of the host.
    const words = command.map((word) => (/^\/(?:run|etc|proc)\//.test(word) ? this.at(word) : word));
    const { status, stdout, stderr } = spawnSync(words[0] ?? "", words.slice(1), { input, encoding: "utf8" });
    return { code: status ?? 1, stdout, stderr };
  }

  #transact([command = "", id = ""]: readonly string[], input: string): string {
    const { host } = this;
    this.touched.push(command);
    if (command === "begin") {
      const plan = JSON.parse(input) as TransactionPlan;
      const record = TransactionRecord.create(host, plan);
      record.append({
        kind: "recorded",
        facts: {
          base: "debian",
          previous: this.#options.system,
          profile: null,
          bootId: host.bootId(),
          beganAtSeconds: 0,
          partial: [],
        },
      });
      if (plan.goal === "reboot") {
        record.setState("awaiting-boot");
        this.#awaitsBoot = record;
      } else if (this.#options.outcome === "reverted") this.#conclude(record, "reverted");
      else record.setState("awaiting-confirm");
      return JSON.stringify(record.status());
    }
    return JSON.stringify(this.#conclude(TransactionRecord.openKnown(host, id), "reverted"));
  }

  /** Ends it as the options have it; a return is called so. */
  #conclude(record: TransactionRecord, returned: "reverted" | "reverted-by-reboot"): Receipt {
    if (this.#options.outcome === "reverted")
      return record.conclude(returned, { reason: { kind: "health-failed", message: "no" } });
    const generation = this.#options.generation + 1;
    const receipt = record.conclude("confirmed", { generation });
    this.setGeneration(generation, record.plan.system, this.#options.now());
    return receipt;
  }
}
