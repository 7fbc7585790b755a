/**
 * Where a store is, from what the user wrote.
 *
 * `auto` (the default) is the machine's own store when we may write its database, else the Nix daemon when it answers,
 * else a store in the user's data directory. `/nix` is never created by this rule. Nix's variables NIX_STORE_DIR and
 * NIX_STATE_DIR name a store on this disk.
 */

import { OperationError } from "../base/errors.ts";
import { dataDirectory, type Environment } from "../system/directories.ts";
import { isWritableSync } from "../system/files-sync.ts";
import type { StorePlaces } from "./store-layout.ts";

export type StoreAddress =
  | ({ readonly kind: "local"; readonly root: string } & StorePlaces)
  | { readonly kind: "daemon" }
  | { readonly kind: "ssh"; readonly host: string; readonly port: string | undefined };

export const DAEMON_SOCKET = "/nix/var/nix/daemon-socket/socket";
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

/** The root of the store that this user gets when the machine has none. */
export function defaultStoreRoot(env: Environment = process.env): string {
  return `${dataDirectory(env)}/root`;
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
  if (isWritableSync(DATABASE) && isWritableSync("/nix/store")) {
    return { kind: "local", root: "/" };
  }
  if (isWritableSync(DAEMON_SOCKET)) {
    const { canConnect } = await import("../system/sockets.ts");
    if (await canConnect(DAEMON_SOCKET)) return { kind: "daemon" };
  }
  return { kind: "local", root: defaultStoreRoot(env) };
}
