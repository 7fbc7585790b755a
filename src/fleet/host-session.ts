/** One host during one command: its connection, its store as seen over ssh, and its kit. */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import { DaemonStore } from "../store/daemon-store.ts";
import type { ReadStore } from "../store/store.ts";
import { programDuplex } from "../store/daemon-transport.ts";
import type { DuplexProcess } from "../system/process.ts";
import { copyToHost } from "./copy-to-host.ts";
import { ENGINE } from "./foreign.ts";
import { HostKit, INSTALLED_KIT } from "./host-kit.ts";
import type { HostInventory } from "./inventory.ts";
import { signingKeyOf } from "./signing-key.ts";
import { SshConnection, type SshOptions } from "./ssh.ts";

export interface HostSessionOptions {
  readonly ssh: SshOptions;
  /** Where the kit's closure is copied from. */
  readonly localStore: ReadStore;
  /** The kit for the host's platform. */
  readonly kitPath: StorePath;
  /** Told of each command that runs here for the host. */
  readonly onOwnCommand?: (argv: readonly string[]) => void;
}

export class HostSession {
  readonly host: HostInventory;
  readonly connection: SshConnection;
  readonly #options: HostSessionOptions;
  #store: Promise<DaemonStore> | undefined;
  #kit: Promise<HostKit> | undefined;

  constructor(host: HostInventory, options: HostSessionOptions) {
    this.host = host;
    this.connection = new SshConnection(host.target, options.ssh);
    this.#options = options;
  }

  get onOwnCommand(): HostSessionOptions["onOwnCommand"] {
    return this.#options.onOwnCommand;
  }

  /** The host's store, through the Nix daemon's protocol on the host. */
  store(signal: AbortSignal): Promise<DaemonStore> {
    const store = (this.#store ??= this.#openStore(signal));
    store.catch(() => {
      if (this.#store === store) this.#store = undefined;
    });
    return store;
  }

  /** The kit, copied to the host first when it is not there yet. That is the only thing looking at a host changes. */
  kit(signal: AbortSignal): Promise<HostKit> {
    const kit = (this.#kit ??= this.#placeKit(signal));
    kit.catch(() => {
      if (this.#kit === kit) this.#kit = undefined;
    });
    return kit;
  }

  /** Ends what is open; whatever is asked next connects again. */
  async disconnect(): Promise<void> {
    const store = await this.#store?.catch(() => undefined);
    this.#store = undefined;
    store?.close();
    await this.connection.close();
  }

  async #openStore(signal: AbortSignal): Promise<DaemonStore> {
    let opened: DuplexProcess | undefined;
    const store = new DaemonStore({
      uri: `ssh-ng://${this.host.name}`,
      connect: async (connectSignal) => {
        const daemon = this.host.base === "foreign" ? `${ENGINE}/bin/nix-daemon` : "nix-daemon";
        opened = await this.connection.open([daemon, "--stdio"], connectSignal);
        return programDuplex(opened);
      },
      signWith: await signingKeyOf(this.host),
    });
    try {
      await store.greet(signal);
      return store;
    } catch (error) {
      const status = await opened?.close();
      store.close();
      signal.throwIfAborted();
      if (opened !== undefined && status?.code === 255) throw this.connection.connectionError(opened.stderrTail());
      if (status?.code === 127) {
        throw new OperationError("HOST_WITHOUT_STORE", `${this.connection.address} has no nix-daemon`, {
          hint:
            this.host.base === "foreign"
              ? "it gets one with the first 'pristine deploy'"
              : "only hosts with a Nix store can be deployed to: start from a bootstrap system",
          cause: error,
        });
      }
      throw error;
    }
  }

  async #placeKit(signal: AbortSignal): Promise<HostKit> {
    const { kitPath, localStore } = this.#options;
    const rendered = kitPath.render(localStore.storeDir);
    const kit = new HostKit(this.connection, rendered);
    // What this root names is complete, and stays. Most hosts have it, and are not asked more.
    const placed = await this.connection.run({ argv: ["readlink", "-e", INSTALLED_KIT] }, { signal });
    if (placed.stdout.toString("utf8").trim() === rendered) return kit;
    const store = await this.store(signal);
    if (!(await store.validPaths([kitPath], signal)).has(kitPath.baseName)) {
      await copyToHost({ from: localStore, to: this, roots: [kitPath], clock: systemClock, signal });
    }
    // The kit must outlive this command: the host may need it to return.
    await kit.place({ signal });
    return kit;
  }
}
