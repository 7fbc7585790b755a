/** What is asked of a flake. Everything here crosses a thread boundary by copying; text is ordinary text. */

/** How the lock file is made and what becomes of it. */
export interface FlakeLockRequest {
  /** Lock every input anew. */
  readonly recreates?: boolean;
  /** Inputs to lock anew, as `a/b`. */
  readonly updates?: readonly string[];
  /** Inputs to take from elsewhere: `a/b` and a flake reference. */
  readonly overrides?: readonly (readonly [string, string])[];
  /** False to keep the new lock file in memory. */
  readonly writes?: boolean;
  /** False to refuse any change of the lock file. */
  readonly allowsChanges?: boolean;
  readonly commits?: boolean;
  /** An input that cannot be locked is an error. */
  readonly failsOnUnlocked?: boolean;
  readonly allowsDirtyLocks?: boolean;
  readonly referenceFile?: string;
  readonly outputFile?: string;
}

export type FlakeTask =
  /** Selects an output; `defaults` are tried when the reference has no fragment, `prefixes` before the fragment. */
  | { readonly kind: "select"; readonly defaults: readonly string[]; readonly prefixes: readonly string[] }
  | { readonly kind: "lock" }
  | { readonly kind: "metadata"; readonly json: boolean }
  | { readonly kind: "show"; readonly json: boolean; readonly allSystems: boolean; readonly legacy: boolean }
  | { readonly kind: "check"; readonly allSystems: boolean };

export interface FlakeRequest {
  /** A flake reference; with a fragment when an output is selected. */
  readonly reference: string;
  readonly task: FlakeTask;
  readonly lock: FlakeLockRequest;
  readonly registries?: FlakeRegistryRequest;
  /** Remember the result in this user's cache, when the flake is locked and evaluation pure. */
  readonly remembers?: boolean;
}

export interface FlakeRegistryRequest {
  /** False to look nothing up. */
  readonly isUsed?: boolean;
  /** The global registry: a URL, an absolute path, or empty for none. */
  readonly global?: string;
  /** References, and what to use instead of them. */
  readonly overrides?: readonly (readonly [string, string])[];
}

/** What checking a flake comes to, besides its warnings: what is to be built. */
export interface FlakeCheckResult {
  readonly checks: readonly { readonly attribute: string; readonly drvPath: string }[];
  readonly omittedSystems: readonly string[];
}
