/** "Did you mean …": names close to one that does not exist. */

/** As in Nix. */
const SUGGESTIONS_MAX = 5;
const DISTANCE_MAX = 2;

/** The edit distance of two names. */
export function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const current = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = previous[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}

/** The names closest to `wanted`, best first; only those that could be a slip. */
export function suggestionsFor(wanted: string, names: Iterable<string>): readonly string[] {
  const close: { readonly name: string; readonly distance: number }[] = [];
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) > DISTANCE_MAX) continue;
    const distance = editDistance(wanted, name);
    if (distance <= DISTANCE_MAX) close.push({ name, distance });
  }
  close.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return close.slice(0, SUGGESTIONS_MAX).map(({ name }) => name);
}

/** "Did you mean a?", "Did you mean one of a, b or c?", or nothing. */
export function renderSuggestions(names: readonly string[]): string {
  if (names.length === 0) return "";
  if (names.length === 1) return `Did you mean ${names[0]!}?`;
  return `Did you mean one of ${names.slice(0, -1).join(", ")} or ${names[names.length - 1]!}?`;
}
