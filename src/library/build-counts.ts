/** Counts what builds have done while they run. */

import { renderBytes, renderCount } from "../base/quantities.ts";
import type { BuildEvent } from "../build/build-event.ts";
import type { Observer } from "./deployer.ts";

/** Folds the events of many builds into one line of counts, with what runs now. */
export class BuildCounts {
  readonly #observer: Pick<Observer, "update" | "note">;
  readonly #running = new Map<string, { readonly name: string; bytes: number }>();
  #planned = { builds: 0, fetches: 0 };
  #built = 0;
  #fetched = 0;
  #fetchedBytes = 0;

  constructor(observer: Pick<Observer, "update" | "note">) {
    this.#observer = observer;
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

  take(event: BuildEvent): void {
    switch (event.kind) {
      case "planned":
        this.#planned = event;
        if (event.builds + event.fetches > 0)
          this.#observer.update(
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
        return this.#observer.note(`build of ${event.drvPath.name} failed`);
      case "retry":
        return this.#observer.note(
          `${event.drvPath.name}: ${event.reason}; trying again in ${Math.round(event.waitMs / 1000)} s`,
        );
      case "waiting":
        return this.#observer.note(`${event.drvPath.name}: another process builds it; waiting`);
      case "log":
        return;
    }
    const bytes = this.#fetchedBytes + [...this.#running.values()].reduce((sum, running) => sum + running.bytes, 0);
    const names = [...this.#running.values()]
      .map((running) => running.name)
      .slice(0, 3)
      .join(", ");
    const text = `fetched ${this.#fetched}/${this.#planned.fetches} (${renderBytes(bytes)}), built ${this.#built}/${this.#planned.builds} ${names}`;
    this.#observer.update("build", text, { minor: true });
  }
}
