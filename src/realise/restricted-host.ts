/**
 * The world of a pure or restricted evaluation: an allow-list in front of every look at a file.
 *
 * Allowed is what the search path names, what this evaluation brought into the store, and the closures of outputs it
 * had built. Links are followed here, one component at a time, so that none leads out of what is allowed; an ancestor
 * of something allowed may be looked at, but shows only the way there.
 */

import { byteStringOfBytes } from "../base/byte-string.ts";
import { outputPathOf } from "../format/derivation.ts";
import { parseDerivation } from "../format/derivation-aterm.ts";
import { StorePath } from "../format/store-path.ts";
import { type DirectoryEntry, type FileKind, HostError, type SourceRequest } from "../language/host.ts";
import { EvaluationHost, type EvaluationHostOptions } from "./evaluation-host.ts";

export type Restriction = "pure" | "restricted";

const WHERE: Readonly<Record<Restriction, string>> = {
  pure: "in pure evaluation mode (use '--impure' to override)",
  restricted: "in restricted mode",
};

const LINKS_MAX = 1024;

export interface RestrictedHostOptions extends EvaluationHostOptions {
  readonly restriction: Restriction;
  /** Absolute paths that are allowed with everything below them. */
  readonly allowed: readonly string[];
}

export class RestrictedHost extends EvaluationHost {
  readonly #restriction: Restriction;
  readonly #storeDir: string;
  readonly #allowed = new Set<string>();
  /** Ancestors of what is allowed. */
  readonly #waysThere = new Set<string>();

  constructor(options: RestrictedHostOptions) {
    super(options);
    this.#restriction = options.restriction;
    this.#storeDir = options.storeDir;
    for (const path of options.allowed) {
      this.#allow(path);
      const object = this.#storeObjectOf(path);
      if (object !== undefined) this.#allowClosure(object);
    }
  }

  #allow(path: string): void {
    if (this.#allowed.has(path)) return;
    this.#allowed.add(path);
    for (let at = path; at !== "/";) {
      at = at.slice(0, Math.max(1, at.lastIndexOf("/")));
      this.#waysThere.add(at);
    }
  }

  #allowClosure(object: string): void {
    const closure = new Set([object]);
    for (const path of closure) {
      this.#allow(path);
      for (const reference of this.referencesOf(path)) closure.add(reference);
    }
  }

  #storeObjectOf(path: string): string | undefined {
    if (!path.startsWith(`${this.#storeDir}/`)) return undefined;
    const end = path.indexOf("/", this.#storeDir.length + 1);
    return end < 0 ? path : path.slice(0, end);
  }

  #isBelowAllowed(path: string): boolean {
    const object = this.#storeObjectOf(path);
    if (object !== undefined && this.sources.has(object)) return true;
    for (let at = path; ;) {
      if (this.#allowed.has(at)) return true;
      if (at === "/") return false;
      at = at.slice(0, Math.max(1, at.lastIndexOf("/")));
    }
  }

  #isAllowed(path: string): boolean {
    return this.#waysThere.has(path) || this.#isBelowAllowed(path);
  }

  override checkAccess(path: string): void {
    if (this.#isAllowed(path)) return;
    throw new HostError(`access to absolute path '${path}' is forbidden ${WHERE[this.#restriction]}`);
  }

  /** Follows the links of a path as far as looking is allowed. */
  #resolve(path: string, options: { readonly last: boolean }): string {
    const todo = path.split("/").filter((part) => part !== "");
    let at = "";
    let links = 0;
    while (todo.length > 0) {
      const part = todo.shift()!;
      if (part === ".") continue;
      if (part === "..") {
        at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
        continue;
      }
      const next = `${at}/${part}`;
      const target =
        (todo.length > 0 || options.last) && this.#isAllowed(next) && super.lstat(next) === "symlink"
          ? super.readLink(next)
          : undefined;
      if (target === undefined) {
        at = next;
        continue;
      }
      if (++links > LINKS_MAX) {
        throw new HostError(`too many symbolic links encountered while traversing the path '${path}'`);
      }
      if (target.startsWith("/")) at = "";
      todo.unshift(...target.split("/").filter((one) => one !== ""));
    }
    return at === "" ? "/" : at;
  }

  /** Where a path leads, when what is there may be read. */
  #readable(path: string): string {
    const resolved = this.#resolve(path, { last: true });
    this.checkAccess(resolved);
    return resolved;
  }

  override readFile(path: string): string {
    return super.readFile(this.#readable(path));
  }

  override readDirectory(path: string): readonly DirectoryEntry[] {
    const at = this.#readable(path);
    const prefix = at === "/" ? "" : at;
    return super.readDirectory(at).filter(({ name }) => this.#isAllowed(`${prefix}/${name}`));
  }

  override lstat(path: string): FileKind | undefined {
    const resolved = this.#resolve(path, { last: false });
    return this.#isAllowed(resolved) ? super.lstat(resolved) : undefined;
  }

  override stat(path: string): FileKind | undefined {
    const resolved = this.#resolve(path, { last: true });
    return this.#isAllowed(resolved) ? super.lstat(resolved) : undefined;
  }

  override readLink(path: string): string | undefined {
    const resolved = this.#resolve(path, { last: false });
    return this.#isAllowed(resolved) ? super.readLink(resolved) : undefined;
  }

  override realPath(path: string): string {
    return this.#resolve(path, { last: true });
  }

  override resolveParent(path: string): string {
    return this.#resolve(path, { last: false });
  }

  override addSource(request: SourceRequest): string {
    const path = this.#resolve(request.path, { last: false });
    this.checkAccess(path);
    const { filter } = request;
    if (this.#isBelowAllowed(path)) {
      const added = super.addSource({ ...request, path });
      this.#allow(added);
      return added;
    }
    const added = super.addSource({
      ...request,
      path,
      filter: (entry, kind) => this.#isAllowed(entry) && (filter?.(entry, kind) ?? true),
    });
    this.#allow(added);
    return added;
  }

  override allowTree(storePath: string): void {
    this.#allowClosure(storePath);
  }

  override realise(context: readonly string[]): void {
    super.realise(context);
    for (const element of context) {
      const end = element.indexOf("!", 1);
      if (!element.startsWith("!") || end < 0) continue;
      const drvPath = element.slice(end + 1);
      const name = StorePath.ofFull(drvPath, this.#storeDir).name.slice(0, -".drv".length);
      const drv = parseDerivation(byteStringOfBytes(this.readDerivation(drvPath)), name, this.#storeDir);
      const output = outputPathOf(drv, element.slice(1, end), this.#storeDir);
      if (output !== undefined) this.#allowClosure(output.render(this.#storeDir));
    }
  }
}
