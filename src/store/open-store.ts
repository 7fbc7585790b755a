/** Opens a store by its address. */

import { OperationError } from "../base/errors.ts";
import { LocalStore } from "./local-store.ts";
import type { CollectableStore } from "./store.ts";
import { defaultStoreRoot, resolveStoreAddress } from "./store-address.ts";

/** Opens a store. Whoever opens it closes it. */
export async function openStore(
  text: string | undefined,
  signal: AbortSignal,
): Promise<CollectableStore & { close(): Promise<void> | void }> {
  signal.throwIfAborted();
  const address = await resolveStoreAddress(text);
  switch (address.kind) {
    case "local":
      return await LocalStore.open(address.root, address);
    case "daemon": {
      const { openSocketStore } = await import("./daemon-transport.ts");
      return openSocketStore();
    }
    case "ssh": {
      const { openSshStore } = await import("./daemon-transport.ts");
      return openSshStore(address.host, {
        uri: `ssh-ng://${address.host}${address.port === undefined ? "" : `:${address.port}`}`,
        sshArgs: address.port === undefined ? [] : ["-p", address.port],
      });
    }
  }
}

/**
 * Opens a store that builds can be done in: like `auto`, but never through a daemon, because builds happen in this
 * process.
 */
export async function openLocalStore(text: string | undefined, signal: AbortSignal): Promise<LocalStore> {
  signal.throwIfAborted();
  const address = await resolveStoreAddress(text);
  if (address.kind === "local") return await LocalStore.open(address.root, address);
  if (text === undefined || text === "auto") return await LocalStore.open(defaultStoreRoot());
  throw new OperationError("STORE_NOT_LOCAL", `the store '${text}' is not on this machine's disk`, {
    hint: "use --store auto or --store local?root=DIRECTORY",
  });
}
