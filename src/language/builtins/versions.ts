/** Version strings and the names of derivations, as Nix takes them apart and compares them. */

/** The largest component that is compared as a number; a longer one is text. */
const NUMBER_MAX = 2 ** 31 - 1;

/** Numbers and runs of other characters; dots and dashes only separate. */
export function splitVersion(version: string): string[] {
  return version.match(/[0-9]+|[^0-9.-]+/g) ?? [];
}

/** -1, 0 or 1. */
export function compareVersions(left: string, right: string): -1 | 0 | 1 {
  const lefts = splitVersion(left);
  const rights = splitVersion(right);
  const count = Math.max(lefts.length, rights.length);
  for (let i = 0; i < count; i++) {
    const a = lefts[i] ?? "";
    const b = rights[i] ?? "";
    if (isOlder(a, b)) return -1;
    if (isOlder(b, a)) return 1;
  }
  return 0;
}

/** Whether component `a` comes before `b`: `pre` before nothing before text before numbers. */
function isOlder(a: string, b: string): boolean {
  const aNumber = numberOf(a);
  const bNumber = numberOf(b);
  if (aNumber !== undefined && bNumber !== undefined) return aNumber < bNumber;
  if (a === "" && bNumber !== undefined) return true;
  if (a === "pre" && b !== "pre") return true;
  if (b === "pre") return false;
  if (bNumber !== undefined) return true;
  if (aNumber !== undefined) return false;
  return a < b;
}

function numberOf(component: string): number | undefined {
  if (!/^[0-9]+$/.test(component)) return undefined;
  const value = Number(component);
  return value <= NUMBER_MAX ? value : undefined;
}

/** Cuts at the first dash that no letter follows: `a-b-1.0` is `a-b` and `1.0`. */
export function parseDrvName(text: string): { readonly name: string; readonly version: string } {
  const cut = text.search(/-[^a-zA-Z]/);
  if (cut < 0) return { name: text, version: "" };
  return { name: text.slice(0, cut), version: text.slice(cut + 1) };
}
