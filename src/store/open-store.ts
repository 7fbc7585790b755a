/**
 * Opens a store by its address.
 *
 * `auto` (the default) is the machine's own store when we may write its database, else the Nix daemon when it answers,
 * else a store in the user's data directory. `/nix` is never created by this rule. Nix's variables NIX_STORE_DIR and
 * NIX_STATE_DIR name a store on this disk.
 */

import { OperationError } from "../base/errors.ts";
import { dataDirectory, type Environment } from "../system/directories.ts";
import { exists, isWritable } from "../system/files.ts";
import { canConnect } from "../system/sockets.ts";
import { DAEMON_SOCKET, openSocketStore, openSshStore } from "./daemon-transport.ts";
import { LocalStore } from "./local-store.ts";
import type { CollectableStore } from "./store.ts";
import type { StorePlaces } from "./store-layout.ts";

export type StoreAddress =
  | ({ readonly kind: "local"; readonly root: string } & StorePlaces)
  | { readonly kind: "daemon" }
  | { readonly kind: "ssh"; readonly host: string; readonly port: string | undefined };

const DATABASE = "/nix/var/nix/db/db.sqlite";

/** Where a store is, from what the user wrote: `auto`, `daemon`, `local`, `local?root=DIR`, `ssh-ng://HOST`, `DIR`. */
export async function resolveStoreAddress(text = "auto", env: Environment = process.env): Promise<StoreAddress> {
  const [scheme, query = ""] = text.split("?", 2) as [string, string?];
  switch (scheme) {
    case "auto":
    case "":
      return await automaticAddress(env);
    case "daemon":
      return { kind: "daemon" };
    case "local":
      return localAddress(new URLSearchParams(query), env);
  }
  const ssh = /^ssh-ng:\/\/((?:[^@/:]+@)?(?:\[[^\]]+\]|[^/:?]+))(?::(\d+))?\/?$/.exec(scheme);
  if (ssh !== null) return { kind: "ssh", host: ssh[1]!, port: ssh[2] };
  if (text.startsWith("/")) return { kind: "local", root: text };
  throw new OperationError("STORE_ADDRESS_UNKNOWN", `'${text}' is not a store address that this program knows`, {
    hint: "use auto, daemon, local, local?root=DIRECTORY or ssh-ng://HOST",
  });
}

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
    case "daemon":
      return openSocketStore();
    case "ssh":
      return openSshStore(address.host, {
        uri: `ssh-ng://${address.host}${address.port === undefined ? "" : `:${address.port}`}`,
        sshArgs: address.port === undefined ? [] : ["-p", address.port],
      });
  }
}

/** The root of the store that this user gets when the machine has none. */
export function defaultStoreRoot(env: Environment = process.env): string {
  return `${dataDirectory(env)}/root`;
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

/** A store on this disk, by the parameters of its address and Nix's variables. */
function localAddress(query: URLSearchParams, env: Environment): StoreAddress {
  const root = query.get("root");
  // Below a root of its own a store has its usual places.
  const variables = root === null ? env : {};
  const places = {
    storeDir: query.get("store") ?? variables["NIX_STORE_DIR"],
    stateDir: query.get("state") ?? variables["NIX_STATE_DIR"],
    logDir: query.get("log") ?? variables["NIX_LOG_DIR"],
  };
  const given = Object.entries(places).filter(([, path]) => path !== undefined && path !== "");
  return { kind: "local", root: root ?? "/", ...Object.fromEntries(given) };
}

async function automaticAddress(env: Environment): Promise<StoreAddress> {
  // Whoever says where a store lies means that one.
  if (env["NIX_STORE_DIR"] || env["NIX_STATE_DIR"]) return localAddress(new URLSearchParams(), env);
  if ((await exists(DATABASE)) && (await isWritable(DATABASE)) && (await isWritable("/nix/store"))) {
    return { kind: "local", root: "/" };
  }
  if (await canConnect(DAEMON_SOCKET)) return { kind: "daemon" };
  return { kind: "local", root: defaultStoreRoot(env) };
}
