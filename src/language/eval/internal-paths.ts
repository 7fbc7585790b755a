/** Where the files that come with the evaluator appear to be. */

/** In front of the paths of files that are in no file system. */
export const INTERNAL_FILES_DIR = "/__corepkgs__";

/** A path as it is printed: `<nix/fetchurl.nix>` for one of ours. */
export function showPath(path: string): string {
  return path.startsWith(`${INTERNAL_FILES_DIR}/`) ? `<nix${path.slice(INTERNAL_FILES_DIR.length)}>` : path;
}

/** The file that a position names, from what excerpts of it are headed with. */
export function positionFile(shown: string): string {
  if (shown.startsWith("<nix/")) return shown.slice("<nix".length, -1);
  const internal = shown.indexOf("/derivation-internal.nix");
  return internal > 0 && shown.endsWith("/derivation-internal.nix") && !shown.startsWith("/")
    ? shown.slice(internal)
    : shown;
}
