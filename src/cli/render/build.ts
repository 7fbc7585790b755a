/** Shows locking and building while they run. */

import type { BuildEvent } from "../../build/build-event.ts";
import type { LockEvent } from "../../realise/lock/lock.ts";
import type { Progress } from "./progress.ts";
import { safeText } from "./safe-text.ts";
import { renderBytes, renderCount } from "./table.ts";

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

/** Folds the events of many builds into one line of counts, with what runs now. */
export class BuildDisplay {
  readonly #progress: Progress;
  readonly #running = new Map<string, { readonly name: string; bytes: number }>();
  #planned = { builds: 0, fetches: 0 };
  #built = 0;
  #fetched = 0;
  #fetchedBytes = 0;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  get built(): number {
    return this.#built;
  }

  get fetched(): number {
    return this.#fetched;
  }

  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  show(event: BuildEvent): void {
    switch (event.kind) {
      case "planned":
        this.#planned = event;
        if (event.builds + event.fetches > 0)
          this.#progress.update(
            "build",
            `${renderCount(event.fetches, "file")} to fetch, ${renderCount(event.builds, "derivation")} to build`,
          );
        return;
      case "started":
        this.#running.set(event.drvPath.baseName, { name: event.drvPath.name.replace(/\.drv$/, ""), bytes: 0 });
        break;
      case "progress": {
        const running = this.#running.get(event.drvPath.baseName);
        if (running !== undefined) running.bytes = event.bytesDone;
        break;
      }
      case "finished":
        this.#running.delete(event.drvPath.baseName);
        if (event.activity === "fetch") this.#fetched++;
        else this.#built++;
        this.#fetchedBytes += event.fetchedBytes;
        break;
      case "failed":
        this.#running.delete(event.drvPath.baseName);
        return this.#progress.line(`build of ${event.drvPath.name} failed`);
      case "retry":
        return this.#progress.line(
          `${event.drvPath.name}: ${safeText(event.reason)}; trying again in ${Math.round(event.waitMs / 1000)} s`,
        );
      case "waiting":
        return this.#progress.line(`${event.drvPath.name}: another process builds it; waiting`);
      case "log":
        return;
    }
    const bytes = this.#fetchedBytes + [...this.#running.values()].reduce((sum, running) => sum + running.bytes, 0);
    const names = [...this.#running.values()]
      .map((running) => running.name)
      .slice(0, 3)
      .join(", ");
    const text = `fetched ${this.#fetched}/${this.#planned.fetches} (${renderBytes(bytes)}), built ${this.#built}/${this.#planned.builds} ${names}`;
    this.#progress.update("build", text, { minor: true });
  }
}
