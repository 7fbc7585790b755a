/** A little project whose files, links, directories and variables change at random, and programs that look at it. */

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { EvaluationRequest } from "../../src/realise/evaluation-request.ts";

/** Numbers from a seed, the same every time. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

const NAMES = ["a", "b", "c", "d"];
const VARIABLES = ["LEFT", "RIGHT"];

/** Places that may hold a file, a directory, a link or nothing. */
const PLACES = ["x", "y", "dir", "dir/x", "dir/y", "dir/deep", "dir/deep/z", "link"];

export class ChangingWorld {
  readonly root: string;
  readonly env: Record<string, string> = { LEFT: "1" };
  readonly #dice: Dice;

  constructor(root: string, dice: Dice) {
    this.root = root;
    this.#dice = dice;
    mkdirSync(join(root, "dir/deep"), { recursive: true });
    for (const name of NAMES) this.#writeProgram(name);
    for (const place of ["x", "dir/x", "dir/deep/z"]) writeFileSync(join(root, place), "0");
    symlinkSync("x", join(root, "link"));
  }

  /** Changes something; answers what, for a failure's message. */
  change(): string {
    const dice = this.#dice;
    const place = dice.of(PLACES);
    const path = join(this.root, place);
    const act = dice.of([
      "write",
      "write",
      "write",
      "rewrite",
      "rewrite",
      "remove",
      "directory",
      "link",
      "mode",
      "swap",
      "touch",
      "environment",
      "environment",
      "program",
    ]);
    try {
      switch (act) {
        case "write":
          rmSync(path, { recursive: true, force: true });
          writeFileSync(path, String(dice.below(10)));
          break;
        case "rewrite": {
          // The same size in the same inode, with the time of modification put back.
          const { mtime } = lstatSync(path);
          writeFileSync(path, String(dice.below(10)));
          utimesSync(path, mtime, mtime);
          break;
        }
        case "remove":
          rmSync(path, { recursive: true, force: true });
          break;
        case "directory":
          rmSync(path, { recursive: true, force: true });
          mkdirSync(path);
          break;
        case "link":
          rmSync(path, { recursive: true, force: true });
          symlinkSync(dice.of(["x", "y", "dir", "nowhere", join(this.root, "y")]), path);
          break;
        case "mode":
          chmodSync(path, dice.of([0o644, 0o755, 0o600]));
          break;
        case "swap":
          renameSync(path, join(this.root, dice.of(PLACES)));
          break;
        case "touch":
          utimesSync(path, new Date(), new Date());
          break;
        case "environment": {
          const name = dice.of(VARIABLES);
          if (dice.below(3) === 0) delete this.env[name];
          else this.env[name] = String(dice.below(3));
          return `${act} ${name}=${this.env[name]}`;
        }
        case "program":
          return `${act} ${this.#writeProgram(dice.of(NAMES))}`;
      }
    } catch (error) {
      // The place was not such that this could be done to it.
      if (typeof (error as { readonly syscall?: unknown }).syscall !== "string") throw error;
    }
    return `${act} ${place}`;
  }

  /** Something to ask: one of the programs, with an argument. */
  request(): EvaluationRequest {
    const dice = this.#dice;
    return {
      file: `./${dice.of(NAMES)}.nix`,
      baseDir: this.root,
      args: { n: { expr: String(dice.below(2)) } },
      output: "value",
      strict: true,
      env: { ...this.env },
    };
  }

  /** All files with their contents, for a failure's message. */
  describe(): string {
    return readdirSync(this.root, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const status = lstatSync(join(this.root, name));
        return `${name}: ${status.isFile() ? readFileSync(join(this.root, name), "utf8") : status.mode.toString(8)}`;
      })
      .join("\n");
  }

  #writeProgram(name: string): string {
    const dice = this.#dice;
    const looks = Array.from({ length: 1 + dice.below(3) }, () => this.#look(name));
    writeFileSync(join(this.root, `${name}.nix`), `{ n ? 5 }: [ n ${looks.join(" ")} ]`);
    return `${name}: ${looks.join(" ")}`;
  }

  #look(name: string): string {
    const dice = this.#dice;
    const place = dice.of(PLACES);
    const later = NAMES.slice(NAMES.indexOf(name) + 1);
    const guarded = (look: string): string => `(if builtins.pathExists ./${place} then ${look} else "absent")`;
    const isFile = `builtins.readFileType ./${place} == "regular"`;
    const isDirectory = `builtins.readFileType ./${place} == "directory"`;
    const looks = [
      `(builtins.pathExists ./${place})`,
      `(builtins.pathExists ./${place}/.)`,
      guarded(`builtins.readFileType ./${place}`),
      guarded(`(if ${isFile} then builtins.readFile ./${place} else "other")`),
      guarded(`(if ${isFile} then builtins.hashFile "sha256" ./${place} else "other")`),
      guarded(`(if ${isDirectory} then builtins.readDir ./${place} else "other")`),
      guarded(`"\${./${place}}"`),
      guarded(
        `(if ${isDirectory} then builtins.filterSource (p: t: t != "regular" || builtins.readFile p != "3") ./${place} else "other")`,
      ),
      guarded(`builtins.path { path = ./${place}; name = "s"; filter = p: t: baseNameOf p != "y"; }`),
      `(builtins.getEnv "${dice.of(VARIABLES)}")`,
      `(builtins.readFile ./${place})`,
      `(if n == 0 then builtins.pathExists ./${place} else builtins.getEnv "${dice.of(VARIABLES)}")`,
    ];
    if (later.length > 0)
      looks.push(`(import ./${dice.of(later)}.nix { inherit n; })`, `(import ./${dice.of(later)}.nix { })`);
    return dice.of(looks);
  }
}
