/** Shows locking while it runs. */

import type { LockEvent } from "../../realise/lock/lock.ts";
import type { Progress } from "./progress.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderBytes, renderCount } from "../../base/quantities.ts";

export function renderLockEvent(progress: Progress, event: LockEvent): void {
  switch (event.kind) {
    case "release":
      return progress.update("lock", `${event.suite}: signature verified${event.fromCache ? " (cached)" : ""}`);
    case "download":
      return progress.update(
        "lock",
        `downloading ${renderBytes(event.bytesDone)} of ${renderBytes(event.bytesTotal)}`,
        { minor: true },
      );
    case "index":
      return progress.update("lock", `${event.packages} packages in the ${event.architecture} index`);
    case "resolved":
      return progress.update(
        "lock",
        `${renderCount(event.packages, "package")} for ${event.architecture}, ${renderBytes(event.bytes)}`,
      );
    case "warning":
      return progress.line(`warning: ${safeText(event.message)}`);
  }
}
