/** What every operation of `nix-store` is given, and how it answers. */

import type { LocalStore } from "../../store/local-store.ts";
import type { StoreCommand } from "./nix-store-arguments.ts";

export interface StoreTask {
  readonly store: LocalStore;
  readonly flags: readonly string[];
  readonly operands: readonly string[];
  readonly command: StoreCommand;
  readonly signal: AbortSignal;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
