/** Where this user's data, cache, state and runtime files belong (XDG base directories). */

import { homedir, tmpdir, userInfo } from "node:os";

export type Environment = Readonly<Record<string, string | undefined>>;

export function homeDirectory(env: Environment = process.env): string {
  return env["HOME"] ?? homedir();
}

/** `$XDG_DATA_HOME/pristine`: the default store lives under it. */
export function dataDirectory(env: Environment = process.env): string {
  return `${baseDirectory(env, "XDG_DATA_HOME", ".local/share")}/pristine`;
}

/** `$XDG_CACHE_HOME/pristine`: everything in it may be deleted at any time. */
export function cacheDirectory(env: Environment = process.env): string {
  return `${baseDirectory(env, "XDG_CACHE_HOME", ".cache")}/pristine`;
}

/** `$XDG_CONFIG_HOME`, where other programs have theirs. */
export function configHome(env: Environment = process.env): string {
  return baseDirectory(env, "XDG_CONFIG_HOME", ".config");
}

/** `$XDG_STATE_HOME/pristine`: what we remember about runs. */
export function stateDirectory(env: Environment = process.env): string {
  return `${baseDirectory(env, "XDG_STATE_HOME", ".local/state")}/pristine`;
}

/** For sockets and other things that end with the login session. */
export function runtimeDirectory(env: Environment = process.env): string {
  const named = env["XDG_RUNTIME_DIR"];
  return named?.startsWith("/") === true ? `${named}/pristine` : `${temporaryDirectory()}/pristine-${userInfo().uid}`;
}

export function temporaryDirectory(): string {
  return tmpdir();
}

/** Relative values are to be ignored, says the specification. */
function baseDirectory(env: Environment, variable: string, fallback: string): string {
  const named = env[variable];
  return named?.startsWith("/") === true ? named.replace(/\/+$/, "") : `${homeDirectory(env)}/${fallback}`;
}
