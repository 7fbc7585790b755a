/** Where things of a local store lie on disk: exactly as Nix lays them out, below an optional root. */

import { StorePath } from "../format/store-path.ts";

/** Where a store lies when not where Nix keeps its own. All are below the root, like everything else of a store. */
export interface StorePlaces {
  readonly storeDir?: string | undefined;
  readonly stateDir?: string | undefined;
  readonly logDir?: string | undefined;
}

export class StoreLayout {
  /** The directory that takes the place of `/`; empty for the machine's own store. */
  readonly root: string;
  /** The store directory as paths and derivations name it. */
  readonly storeDir: string;
  readonly #stateDir: string;
  readonly #logDir: string;

  constructor(root: string, places: StorePlaces = {}) {
    this.root = root === "/" ? "" : root.replace(/\/+$/, "");
    this.storeDir = places.storeDir ?? "/nix/store";
    this.#stateDir = places.stateDir ?? "/nix/var/nix";
    this.#logDir = places.logDir ?? "/nix/var/log/nix";
  }

  /** The store directory on disk. */
  get realStoreDir(): string {
    return `${this.root}${this.storeDir}`;
  }

  get stateDir(): string {
    return this.root + this.#stateDir;
  }

  get databaseDir(): string {
    return `${this.stateDir}/db`;
  }

  get logDir(): string {
    return `${this.root}${this.#logDir}/drvs`;
  }

  /** Where builds have their temporary directories. */
  get buildsDir(): string {
    return `${this.stateDir}/builds`;
  }

  get gcRootsDir(): string {
    return `${this.stateDir}/gcroots`;
  }

  get profilesDir(): string {
    return `${this.stateDir}/profiles`;
  }

  get tempRootsDir(): string {
    return `${this.stateDir}/temproots`;
  }

  get gcLock(): string {
    return `${this.stateDir}/gc.lock`;
  }

  /** The object on disk. */
  realPath(path: StorePath): string {
    return path.render(this.realStoreDir);
  }

  /** The log of a build: `ab/rest.drv`. */
  logPath(drvPath: StorePath): string {
    return `${this.logDir}/${drvPath.baseName.slice(0, 2)}/${drvPath.baseName.slice(2)}`;
  }

  /** The file on disk of a path that a process inside the store's root would use. */
  onDisk(path: string): string {
    return path.startsWith("/nix/") ? `${this.root}${path}` : path;
  }

  /** What a path inside this store names: the object and the rest of the path. Both notations are understood. */
  storePathIn(path: string): StorePath | undefined {
    for (const directory of [this.storeDir, this.realStoreDir]) {
      if (!path.startsWith(`${directory}/`)) continue;
      const parsed = StorePath.parse(path.slice(directory.length + 1).split("/", 1)[0] ?? "");
      if (parsed.ok) return parsed.value;
    }
    return undefined;
  }
}
