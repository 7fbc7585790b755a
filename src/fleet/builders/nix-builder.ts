/** A machine of Nix's as a place to build: its daemon over ssh, with what the machine's description says of the way. */

import { createHash } from "node:crypto";
import { OperationError } from "../../base/errors.ts";
import { openSshStore } from "../../store/daemon-transport.ts";
import type { DaemonStore } from "../../store/daemon-store.ts";
import { runtimeDirectory } from "../../system/directories.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { privateDirectory } from "../ssh.ts";
import type { BuildPlace } from "./build-there.ts";
import { type NixMachine, unfitness } from "./nix-machine.ts";

const CONNECT_TIMEOUT_SECONDS = 10;

export interface NixBuilderOptions {
  /** An OpenSSH configuration to use in place of the user's. */
  readonly configFile?: string | undefined;
  /** Called with what runs there, and with the local command that takes it there. */
  readonly onCommand?: ((remote: readonly string[], local: readonly string[]) => void) | undefined;
}

const DAEMON = ["nix-daemon", "--stdio"] as const;

export class NixBuilder {
  readonly machine: NixMachine;
  readonly #options: NixBuilderOptions;
  #store: Promise<DaemonStore> | undefined;

  constructor(machine: NixMachine, options: NixBuilderOptions) {
    this.machine = machine;
    this.#options = options;
  }

  get place(): BuildPlace {
    const { host, port, uri, user } = this.machine;
    const at = port === undefined ? [] : ["-p", port];
    return {
      name: uri,
      target: this,
      shell: ["ssh", ...at, user === undefined ? host : `${user}@${host}`].join(" "),
      instead: "without deployment.builders it is built here",
      requireFit: (drvs) => {
        const [why] = drvs.flatMap((drv) => unfitness(this.machine, drv) ?? []);
        if (why !== undefined)
          throw new OperationError("BUILDER_UNFIT", `${uri} ${why}`, {
            hint: "name a machine in deployment.builders that has it",
          });
      },
    };
  }

  store(signal: AbortSignal): Promise<DaemonStore> {
    const store = (this.#store ??= this.#open(signal));
    store.catch(() => {
      if (this.#store === store) this.#store = undefined;
    });
    return store;
  }

  async disconnect(): Promise<void> {
    const store = await this.#store?.catch(() => undefined);
    this.#store = undefined;
    store?.close();
  }

  async #open(signal: AbortSignal): Promise<DaemonStore> {
    const { host, jobsMax, uri } = this.machine;
    const sshArgs = await this.#sshArgs();
    this.#options.onCommand?.(DAEMON, ["ssh", ...sshArgs, "--", host, ...DAEMON]);
    const store = openSshStore(host, { uri, sshArgs, settings: { jobsMax } });
    try {
      await store.greet(signal);
      return store;
    } catch (error) {
      store.close();
      if (!(error instanceof OperationError) || signal.aborted) throw error;
      throw new OperationError("BUILDER_UNREACHABLE", `${uri} does not answer: ${error.message}`, {
        hint: "check that ssh lets you in there without a question, and that it has a nix-daemon",
        retryable: true,
        cause: error,
      });
    }
  }

  async #sshArgs(): Promise<string[]> {
    const { hostKey, keyFile, port, user } = this.machine;
    return [
      ...(this.#options.configFile === undefined ? [] : ["-F", this.#options.configFile]),
      "-oBatchMode=yes",
      `-oConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`,
      ...(keyFile === undefined ? [] : [`-oIdentityFile=${keyFile}`]),
      ...(port === undefined ? [] : ["-p", port]),
      ...(user === undefined ? [] : ["-l", user]),
      ...(hostKey === undefined ? [] : await this.#knowing(hostKey)),
    ];
  }

  /** Takes that key for the machine's, under whatever name ssh finds it, and no other. */
  async #knowing(hostKey: string): Promise<string[]> {
    const directory = await privateDirectory(runtimeDirectory(), "ssh");
    const path = `${directory}/builder-${createHash("sha256").update(hostKey).digest("hex").slice(0, 16)}`;
    await writeFileAtomic(path, `* ${hostKey}\n`, { durable: false });
    return [`-oUserKnownHostsFile=${path}`, "-oGlobalKnownHostsFile=none", "-oStrictHostKeyChecking=yes"];
  }
}
