/** Which hosts a command means: names, globs and `@tag`s. */

import { OperationError } from "../base/errors.ts";
import { suggestionsFor } from "../language/eval/suggestions.ts";

export interface Selectable {
  readonly name: string;
  readonly tags: readonly string[];
  /** Its tags are not known: every tag may be its. */
  readonly isUnknown?: true;
}

/** Of a large fleet, a message lists the beginning. */
const KNOWN_SHOWN_MAX = 20;

/**
 * Picks hosts by patterns, in the order of the fleet. No pattern means all.
 *
 * A pattern is a host name, a glob (`web*`) or `@tag` (also a glob); a host is picked when any pattern fits it. Each
 * pattern must fit at least one host, so that a typo cannot silently mean fewer hosts. `leftOut` says of names why they are
 * no hosts of the fleet.
 */
export function selectHosts<T extends Selectable>(
  hosts: readonly T[],
  patterns: readonly string[],
  leftOut: Readonly<Record<string, string>> = {},
): T[] {
  if (patterns.length === 0) return [...hosts];
  const picked = new Set<T>();
  for (const pattern of patterns) {
    const fits = hosts.filter((host) => matchesPattern(host, pattern));
    const why = Object.hasOwn(leftOut, pattern) ? leftOut[pattern] : undefined;
    if (fits.length === 0 && why !== undefined) {
      throw new OperationError("HOST_UNKNOWN", `${pattern} is left out of the fleet: ${why}`, {
        hint: "'pristine adopt' says what becomes of each host that was found",
      });
    }
    if (fits.length === 0) {
      const known = pattern.startsWith("@")
        ? [...new Set(hosts.flatMap((host) => host.tags))].sort().map((tag) => `@${tag}`)
        : hosts.map((host) => host.name);
      // Of a name of two letters, a slip leaves nothing.
      const meant = /[*?]/.test(pattern) ? [] : suggestionsFor(pattern, known).filter((name) => name.length > 2);
      throw new OperationError("HOST_UNKNOWN", `no host of the fleet fits '${pattern}'`, {
        hint:
          meant.length > 0
            ? `did you mean ${meant.map((name) => `'${name}'`).join(" or ")}?`
            : known.length === 0
              ? "the fleet declares none"
              : `known: ${known.slice(0, KNOWN_SHOWN_MAX).join(", ")}`,
      });
    }
    for (const host of fits) picked.add(host);
  }
  return hosts.filter((host) => picked.has(host));
}

/** Splits what is given to `--on`: patterns separated by commas. */
export function parsePatterns(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
}

/** Whether a name, glob or `@tag` means the host. */
export function matchesPattern(host: Selectable, pattern: string): boolean {
  if (pattern.startsWith("@")) {
    const wanted = globToRegExp(pattern.slice(1));
    return host.isUnknown === true || host.tags.some((tag) => wanted.test(tag));
  }
  return globToRegExp(pattern).test(host.name);
}

function globToRegExp(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}
