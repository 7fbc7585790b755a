/** The graph of references among store paths: closures, and the order in which they can be made valid. */

import { FormatError } from "../base/errors.ts";
import type { StorePath } from "./store-path.ts";

/** The references of a path; self references and repetitions are harmless. */
export type ReferencesOf = (path: StorePath) => readonly StorePath[];

/** All that is reachable from `roots`, keyed by base name. */
export function closureOf(roots: Iterable<StorePath>, referencesOf: ReferencesOf): Map<string, StorePath> {
  const closure = new Map<string, StorePath>();
  const stack = [...roots];
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    if (closure.has(path.baseName)) continue;
    closure.set(path.baseName, path);
    for (const reference of referencesOf(path)) {
      if (!closure.has(reference.baseName)) stack.push(reference);
    }
  }
  return closure;
}

/**
 * Orders paths so that each comes after those it refers to, and otherwise by base name. References outside `paths` do
 * not matter. Throws `FormatError` when the references form a cycle, which a store cannot hold.
 */
export function topologicalOrder(paths: Iterable<StorePath>, referencesOf: ReferencesOf): StorePath[] {
  const members = new Map<string, StorePath>();
  for (const path of paths) members.set(path.baseName, path);
  const order: StorePath[] = [];
  const done = new Set<string>();
  const open = new Set<string>();
  for (const key of [...members.keys()].sort()) {
    // Depth first without recursion: closures may be deeper than the stack.
    const stack: { readonly path: StorePath; readonly rest: readonly StorePath[]; next: number }[] = [];
    const enter = (path: StorePath): void => {
      open.add(path.baseName);
      stack.push({ path, rest: referencesOf(path), next: 0 });
    };
    if (!done.has(key)) enter(members.get(key)!);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const reference = top.rest[top.next++];
      if (reference === undefined) {
        stack.pop();
        open.delete(top.path.baseName);
        done.add(top.path.baseName);
        order.push(top.path);
        continue;
      }
      const name = reference.baseName;
      if (name === top.path.baseName || done.has(name) || !members.has(name)) continue;
      if (open.has(name)) {
        const from = stack.findIndex((level) => level.path.baseName === name);
        const cycle = [...stack.slice(from).map((level) => level.path.baseName), name];
        throw new FormatError("references", `form a cycle: ${cycle.join(" -> ")}`);
      }
      enter(members.get(name)!);
    }
  }
  return order;
}
