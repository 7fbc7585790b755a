/** What every operation on a fleet works with: where the fleet is, how its hosts are reached, and who is told. */

import type { SudoPassword } from "../fleet/privilege.ts";

export interface Deployer {
  /** An absolute path. */
  readonly fleetFile: string;
  /** The local store, as `--store` takes it. */
  readonly store: string;
  readonly ssh: {
    /** An OpenSSH configuration to use instead of the user's. */
    readonly configFile?: string | undefined;
    /** A lab on this machine whose hosts stand for the fleet's, by its name; `true` for the one of the fleet's own name. */
    readonly lab?: string | true | undefined;
  };
  /** For hosts whose sudo wants one: asked for once. */
  readonly sudoPassword: SudoPassword;
  readonly signal: AbortSignal;
  readonly observer: Observer;
}

/** How an activity has ended. */
export type Mark = "ok" | "failed" | "info";

/** Told what is going on, in words. What it is told may come from a host: who shows it makes it safe to print. */
export interface Observer {
  /** What a subject (a host, a step of the work) is doing now; `minor` changes matter where they can be shown in place. */
  update(subject: string, text: string, options?: { readonly minor?: boolean }): void;
  /** A subject has ended. */
  done(subject: string, text: string, mark?: Mark): void;
  /** What belongs to no subject. */
  note(text: string): void;
  warning(text: string): void;
  /** A line that a hook wrote, of a host or the fleet. */
  output(subject: string, line: string): void;
  /**
   * A command that is about to run. `over` is how it gets there. Absent where nobody wants to know.
   */
  readonly command?: ((where: string, argv: readonly string[], over?: readonly string[]) => void) | undefined;
}

/** An observer that is told everything in plain lines. */
export function plainObserver(line: (text: string) => void): Observer {
  const last = new Map<string, string>();
  return {
    update(subject, text, { minor = false } = {}) {
      if (minor || last.get(subject) === text) return;
      last.set(subject, text);
      line(`${subject}: ${text}`);
    },
    done(subject, text) {
      last.delete(subject);
      line(`${subject}: ${text}`);
    },
    note: line,
    warning: (text) => line(`warning: ${text}`),
    output: (subject, text) => line(`${subject} | ${text}`),
  };
}
