/** Where Nix looks for names of the search path after everything that was asked for: channels, where there are any. */

import { homeDirectory, type Environment } from "../../system/directories.ts";
import { kindOfSync } from "../../system/files-sync.ts";

export function defaultNixPath(env: Environment): readonly string[] {
  const channels = `${env["NIX_STATE_DIR"] || "/nix/var/nix"}/profiles/per-user/root/channels`;
  const candidates: readonly (readonly [prefix: string, path: string])[] = [
    ["", `${homeDirectory(env)}/.nix-defexpr/channels`],
    ["nixpkgs=", `${channels}/nixpkgs`],
    ["", channels],
  ];
  return candidates
    .filter(([, path]) => kindOfSync(path, { followLinks: true }) !== undefined)
    .map(([prefix, path]) => prefix + path);
}
