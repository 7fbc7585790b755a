/** `nix-store --query`. */

import { realise } from "../../build/realise.ts";
import { closureOf, topologicalOrder } from "../../format/closure-graph.ts";
import { outputPathOf } from "../../format/derivation.ts";
import type { PathInfo } from "../../format/path-info.ts";
import { compareStorePaths, type StorePath } from "../../format/store-path.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { textOfByteString } from "../../base/byte-string.ts";
import { say, type StoreTask } from "./nix-store-task.ts";
import { storePathAt } from "./store-path-at.ts";
import { UsageError } from "./usage-error.ts";

const QUERIES: Readonly<Record<string, string>> = {
  "--outputs": "outputs",
  "--requisites": "requisites",
  "-R": "requisites",
  "--references": "references",
  "--referrers": "referrers",
  "--referers": "referrers",
  "--referrers-closure": "referrers-closure",
  "--referers-closure": "referrers-closure",
  "--deriver": "deriver",
  "-d": "deriver",
  "--valid-derivers": "valid-derivers",
  "--binding": "binding",
  "-b": "binding",
  "--hash": "hash",
  "--size": "size",
  "--tree": "tree",
  "--resolve": "resolve",
  "--roots": "roots",
};

const MODIFIERS: Readonly<Record<string, "useOutput" | "forceRealise" | "includeOutputs">> = {
  "--use-output": "useOutput",
  "-u": "useOutput",
  "--force-realise": "forceRealise",
  "--force-realize": "forceRealise",
  "-f": "forceRealise",
  "--include-outputs": "includeOutputs",
};

export async function queryStore(task: StoreTask): Promise<number> {
  const { store, flags } = task;
  const modifiers = { useOutput: false, forceRealise: false, includeOutputs: false };
  let query: string | undefined;
  for (const flag of flags) {
    const asked = QUERIES[flag];
    const modifier = MODIFIERS[flag];
    if (asked !== undefined) {
      if (query !== undefined && query !== asked) {
        throw new UsageError(`query type '${flag}' conflicts with earlier flag`);
      }
      query = asked;
    } else if (modifier !== undefined) modifiers[modifier] = true;
    else throw new UsageError(`unknown flag '${flag}'`);
  }
  query ??= "outputs";
  const [binding, ...rest] = task.operands;
  if (query === "binding" && binding === undefined) throw new UsageError("expected binding name");
  const operands = query === "binding" ? rest : task.operands;
  const paths: StorePath[] = [];
  for (const operand of operands) {
    const path = await storePathAt(store, operand);
    if (query === "outputs" || modifiers.useOutput || modifiers.forceRealise) {
      const usesOutput = query === "outputs" || modifiers.useOutput;
      paths.push(...(await outputsOf(task, path, { usesOutput, builds: modifiers.forceRealise })));
    } else paths.push(path);
  }
  await new Query(store, modifiers.includeOutputs).answer(query, paths, binding ?? "");
  return 0;
}

/** A derivation's outputs when those are meant, built when asked for; any other path is itself. */
async function outputsOf(
  { store, signal }: StoreTask,
  path: StorePath,
  options: { readonly usesOutput: boolean; readonly builds: boolean },
): Promise<StorePath[]> {
  if (!path.isDerivation) return [path];
  if (options.builds) await realise({ store, drvPaths: [path], signal });
  if (!options.usesOutput) return [path];
  const drv = await store.derivation(path);
  return [...drv.outputs.keys()]
    .map((name) => {
      const output = outputPathOf(drv, name, store.storeDir);
      if (output !== undefined) return output;
      throw new UsageError(
        "Cannot use output path of floating content-addressing derivation until we know what it is (e.g. by building it)",
      );
    })
    .sort(compareStorePaths);
}

class Query {
  readonly #store: LocalStore;
  readonly #includesOutputs: boolean;

  constructor(store: LocalStore, includesOutputs: boolean) {
    this.#store = store;
    this.#includesOutputs = includesOutputs;
  }

  #shown(path: StorePath): string {
    return path.render(this.#store.storeDir);
  }

  /** What the database knows of a path, which must be valid. */
  #info(path: StorePath): PathInfo {
    const info = this.#store.database.pathInfo(path);
    if (info === undefined) throw new Error(`path '${this.#shown(path)}' is not valid`);
    return info;
  }

  async answer(query: string, paths: readonly StorePath[], binding: string): Promise<void> {
    const { database } = this.#store;
    switch (query) {
      case "outputs":
      case "resolve":
        for (const path of paths) say(this.#shown(path));
        return;
      case "requisites":
        return this.#list(this.#requisites(paths));
      case "references":
        return this.#list(paths.flatMap((path) => this.#info(path).references));
      case "referrers":
        return this.#list(paths.flatMap((path) => (this.#info(path), database.referrers(path))));
      case "referrers-closure":
        return this.#list([...this.#referrersClosure(paths).values()]);
      case "deriver":
        for (const path of paths) {
          const { deriver } = this.#info(path);
          say(deriver === undefined ? "unknown-deriver" : this.#shown(deriver));
        }
        return;
      case "valid-derivers":
        return this.#list(paths.flatMap((path) => database.validDerivers(path)));
      case "binding":
        for (const path of paths) await this.#sayBinding(path, binding);
        return;
      case "hash":
        for (const path of paths) say(this.#info(path).narHash.render("nix32"));
        return;
      case "size":
        for (const path of paths) say(String(this.#info(path).narSize));
        return;
      case "tree":
        return this.#sayTree(paths);
      case "roots": {
        const referrers = this.#referrersClosure(paths);
        for (const { from, path } of await this.#store.roots()) {
          if (referrers.has(path.baseName)) say(`${from} -> ${this.#shown(path)}`);
        }
      }
    }
  }

  /** References before what refers to them, each once. */
  #list(paths: readonly StorePath[]): void {
    for (const path of topologicalOrder(paths, (member) => this.#store.database.references(member))) {
      say(this.#shown(path));
    }
  }

  #requisites(paths: readonly StorePath[]): StorePath[] {
    const { database } = this.#store;
    const closure = closureOf(paths, (path) => {
      const { references } = this.#info(path);
      if (!this.#includesOutputs || !path.isDerivation) return references;
      return [...references, ...[...database.outputsOf(path).values()].filter((output) => database.isValid(output))];
    });
    return [...closure.values()];
  }

  #referrersClosure(paths: readonly StorePath[]): Map<string, StorePath> {
    return closureOf(paths, (path) => this.#store.database.referrers(path));
  }

  async #sayBinding(path: StorePath, binding: string): Promise<void> {
    const drvPath = path.isDerivation ? path : this.#info(path).deriver;
    if (drvPath === undefined) throw new Error(`deriver of path '${this.#shown(path)}' is not known`);
    const value = (await this.#store.derivation(drvPath)).env.get(binding);
    if (value === undefined) {
      throw new Error(`derivation '${this.#shown(drvPath)}' has no environment binding named '${binding}'`);
    }
    say(textOfByteString(value));
  }

  #sayTree(paths: readonly StorePath[]): void {
    const done = new Set<string>();
    const print = (path: StorePath, first: string, tail: string): void => {
      if (done.has(path.baseName)) return say(`${first}${this.#shown(path)} [...]`);
      done.add(path.baseName);
      say(first + this.#shown(path));
      const references = topologicalOrder(this.#info(path).references, (one) => this.#store.database.references(one));
      references.forEach((reference, index) => {
        const isLast = index + 1 === references.length;
        print(reference, tail + (isLast ? "└───" : "├───"), tail + (isLast ? "    " : "│   "));
      });
    };
    for (const path of paths) print(path, "", "");
  }
}
