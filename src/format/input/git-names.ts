/** What git takes for the name of a branch or tag, and for a revision. */

/** A commit hash. */
export const GIT_REVISION: RegExp = /^[0-9a-fA-F]{40}$/;

// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\x00-\x20~^:?*[\\\x7f]|\.\.|@\{|\/\/|\.$|\/$|^\//;

function isWellFormed(name: string): boolean {
  if (name === "" || FORBIDDEN.test(name)) return false;
  return name.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}

/** Whether a text can name a branch, a tag, or any other reference. */
export function isLegalRefName(name: string): boolean {
  if (name === "@" || !isWellFormed(name)) return false;
  const isWhole = name.includes("/") || /^[A-Z_]+$/.test(name);
  return isWhole || !name.startsWith("-");
}
