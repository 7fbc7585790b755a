/** What happens while derivations are realised, for whoever shows it. */

import type { StorePath } from "../format/store-path.ts";

export type BuildEvent =
  /** What is to be done, before anything is started. */
  | { readonly kind: "planned"; readonly builds: number; readonly fetches: number }
  | { readonly kind: "started"; readonly drvPath: StorePath; readonly activity: BuildActivity }
  /** Another process builds the same; this one waits for it. */
  | { readonly kind: "waiting"; readonly drvPath: StorePath; readonly lockPath: string }
  /** One line of what a builder says, without its line end. */
  | { readonly kind: "log"; readonly drvPath: StorePath; readonly line: string }
  | {
      readonly kind: "progress";
      readonly drvPath: StorePath;
      readonly bytesDone: number;
      readonly bytesTotal: number | undefined;
    }
  /** A download failed and is tried again. */
  | { readonly kind: "retry"; readonly drvPath: StorePath; readonly reason: string; readonly waitMs: number }
  | {
      readonly kind: "finished";
      readonly drvPath: StorePath;
      readonly activity: BuildActivity;
      readonly durationMs: number;
      /** Bytes that came over the network. */
      readonly fetchedBytes: number;
    }
  | { readonly kind: "failed"; readonly drvPath: StorePath; readonly activity: BuildActivity; readonly error: Error };

export type BuildActivity = "build" | "fetch";
