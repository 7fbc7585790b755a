/** Words that must be found nowhere but where secrets are, and what looks for them. */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

export class Canaries {
  readonly first: string = canary("first");
  readonly second: string = canary("second");
  readonly third: string = canary("third");

  get words(): readonly string[] {
    return [this.first, this.second, this.third];
  }

  isIn(text: string): boolean {
    return this.words.some((word) => text.includes(word));
  }
}

function canary(word: string): string {
  return `canary-${word}-${randomBytes(12).toString("hex")}`;
}

/** Looks at the arguments and the environment of every process of this machine, those of its hosts included. */
export class Watch implements Disposable {
  readonly found: Set<string> = new Set();
  looks = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(canaries: Canaries) {
    this.#timer = setInterval(() => {
      this.#look(canaries);
    }, 25);
  }

  #look(canaries: Canaries): void {
    this.looks++;
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      for (const file of ["cmdline", "environ"]) {
        const text = readIfThere(`/proc/${pid}/${file}`);
        if (canaries.isIn(text)) this.found.add(`${file} of ${readIfThere(`/proc/${pid}/comm`)}`);
      }
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}
