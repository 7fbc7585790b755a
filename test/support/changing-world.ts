/** A little project whose files, links, directories and variables change at random, and programs that look at it. */

import {
  chmodSync,
  lstatSync,
  mkdirSync,
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

/** Places that may hold a file, a directory, a link or nothing; the last ones beside the project. */
const PLACES = ["x", "y", "dir", "dir/x", "dir/y", "dir/deep", "dir/deep/z", "link"];
const SET_PLACES = ["../set/x", "../set/inner/y", "../set/dir"];
const ALL_PLACES = [...PLACES, ...SET_PLACES];

export class ChangingWorld {
  readonly root: string;
  readonly env: Record<string, string> = { LEFT: "1" };
  readonly #dice: Dice;
  readonly #asSets: boolean;

  /** With `asSets`, programs are sets whose members may be evaluated one by one, and are asked for so. */
  constructor(root: string, dice: Dice, { asSets = false }: { readonly asSets?: boolean } = {}) {
    this.root = root;
    this.#dice = dice;
    this.#asSets = asSets;
    mkdirSync(join(root, "dir/deep"), { recursive: true });
    mkdirSync(join(root, "../set/inner"), { recursive: true });
    for (const name of NAMES) this.#writeProgram(name);
    this.#writeSet();
    for (const place of ["x", "dir/x", "dir/deep/z", "../set/x"]) writeFileSync(join(root, place), "0");
    symlinkSync("x", join(root, "link"));
  }

  /** Changes something; answers what, for a failure's message. */
  change(): string {
    const dice = this.#dice;
    const place = dice.of(ALL_PLACES);
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
      "set",
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
        case "set":
          return `${act} ${this.#writeSet()}`;
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
      output: "json",
      strict: true,
      ...(this.#asSets ? { perMember: true } : {}),
      env: { ...this.env },
    };
  }

  /** All files with their contents, for a failure's message. */
  describe(): string {
    return [...NAMES.map((name) => `${name}.nix`), "../set/default.nix", "../set/inner/default.nix", ...ALL_PLACES]
      .map((name) => {
        try {
          const status = lstatSync(join(this.root, name));
          return `${name}: ${status.isFile() ? readFileSync(join(this.root, name), "utf8") : status.mode.toString(8)}`;
        } catch (error) {
          return `${name}: ${(error as { readonly code?: string }).code}`;
        }
      })
      .join("\n");
  }

  #writeProgram(name: string): string {
    const dice = this.#dice;
    const looks = Array.from({ length: 1 + dice.below(3) }, () => this.#look(name));
    const members = ["n", ...looks].map((look, index) => `m${index} = ${look};`);
    const body = this.#asSets ? `{ ${members.join(" ")} }` : `[ n ${looks.join(" ")} ]`;
    writeFileSync(join(this.root, `${name}.nix`), `{ n ? 5 }: ${body}`);
    return `${name}: ${looks.join(" ")}`;
  }

  /** A set of packages beside the project: a function of data, whose values several programs share. */
  #writeSet(): string {
    const look = (): string => this.#lookAt(this.#dice.of(["./x", "./inner/y", "./dir"]));
    const members = [
      `one = ${look()};`,
      `two = ${look()};`,
      `three = [ v ${look()} ];`,
      `both = a: b: [ a v (if b == 0 then ${look()} else "none") ];`,
      `read = path: if builtins.pathExists path then builtins.readFileType path else "absent";`,
      `apply = f: f { inherit v; one = ${look()}; };`,
      `bad = if v == 1 then throw "bad" else ${look()};`,
      `said = builtins.trace "said" ${look()};`,
      `where = builtins.unsafeGetAttrPos "v" args;`,
      `inner = import ./inner { w = v; };`,
      `later = import ./inner;`,
    ];
    writeFileSync(
      join(this.root, "../set/default.nix"),
      `args@{ v ? 3, o ? { } }: rec { inherit o; ${members.join(" ")} }`,
    );
    const inner = `{ w ? 9 }: { own = [ w ${this.#lookAt("./y")} ]; up = ${this.#lookAt("../x")}; }`;
    writeFileSync(join(this.root, "../set/inner/default.nix"), inner);
    return members.join(" ");
  }

  #lookAt(path: string): string {
    return this.#dice.of([
      `(builtins.pathExists ${path})`,
      `(if builtins.pathExists ${path} then builtins.readFileType ${path} else "absent")`,
      `(if builtins.pathExists ${path} then "\${${path}}" else "absent")`,
      `(if builtins.pathExists ${path} && builtins.readFileType ${path} == "regular" then builtins.readFile ${path} else "other")`,
      `(builtins.getEnv "${this.#dice.of(VARIABLES)}")`,
    ]);
  }

  #lookAtSet(place: string): string {
    const set = this.#dice.of([
      "(import ../set { })",
      "(import ../set { v = n; })",
      "(import ../set { v = 1; o = { k = [ 2.5 ]; }; })",
    ]);
    return this.#dice.of([
      `${set}.one`,
      `${set}.two`,
      `${set}.three`,
      `${set}.o`,
      `(${set}.both n 0)`,
      `(map (${set}.both 1) [ 0 1 ])`,
      `(${set}.read ./${place})`,
      `(${set}.apply (own: [ own.one (builtins.pathExists ./${place}) ]))`,
      `(builtins.tryEval ${set}.bad).success`,
      `${set}.said`,
      `(if ${set}.where == null then "nowhere" else ${set}.where.line + ${set}.where.column)`,
      `${set}.inner.own`,
      `(${set}.later { w = n; }).up`,
      `(${set}.later { }).own`,
      `((import ../set/inner) { w = 2; }).own`,
    ]);
  }

  #look(name: string): string {
    const dice = this.#dice;
    const place = dice.of(PLACES);
    if (dice.below(3) === 0) return this.#lookAtSet(place);
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
