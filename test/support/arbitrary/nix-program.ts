/** Makes Nix programs by chance: mostly well-typed, so that most evaluate, with a wrong type here and there. */

import { Random, type Rope } from "./rope.ts";
import { FORMS, LEAVES, TEMPLATES, type Type, WORDS } from "./nix-templates.ts";

const TYPES = Object.keys(LEAVES).filter((type) => type !== "any") as Type[];
const NAMES = ["a", "b", "c", "x", "y", "z", "foo", "a'", "x-y", "_u", "or'"];
const WRONG_TYPE_PERCENT = 2;
const DEPTH_MAX = 4;

interface Variable {
  readonly name: string;
  readonly type: Type;
}

/** The program with this number among those of a seed. */
export function programOf(seed: number, index: number): Rope {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  return new Maker(random).expression(random.pick(TYPES), 1 + random.below(DEPTH_MAX), []);
}

class Maker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  expression(wanted: Type, depth: number, scope: readonly Variable[]): Rope {
    const random = this.#random;
    const type = wanted === "any" || random.chance(WRONG_TYPE_PERCENT) ? random.pick(TYPES) : wanted;
    const known = scope.filter((variable) => variable.type === type || random.chance(3));
    if (known.length > 0 && random.chance(35)) return { pieces: [random.pick(known).name] };
    if (depth <= 0 || random.chance(12)) return { pieces: [random.pick(LEAVES[type])] };
    const roll = random.below(100);
    if (roll < 12) return this.#binder(type, depth, scope);
    if (roll < 24 || TEMPLATES[type].length === 0) return this.#fill(random.pick(FORMS), type, depth, scope);
    return this.#fill(random.pick(TEMPLATES[type]), type, depth, scope);
  }

  /** A form that binds names, which the body may use. */
  #binder(type: Type, depth: number, scope: readonly Variable[]): Rope {
    const random = this.#random;
    const bound = Array.from({ length: 1 + random.below(3) }, (): Variable => ({
      name: random.pick(NAMES),
      type: random.pick(TYPES),
    })).filter((one, index, all) => random.chance(2) || all.findIndex(({ name }) => name === one.name) === index);
    const inner = [...bound, ...scope.filter(({ name }) => !bound.some((one) => one.name === name))];
    const kind = random.pick(["let", "let", "with", "rec", "lambda", "formals", "pattern"] as const);
    const within = kind === "let" || kind === "rec" ? (random.chance(30) ? inner : scope) : scope;
    const values = bound.map((one) => this.#operand(one.type, depth - 1, within));
    const definitions = bound.flatMap((one, index): Rope[] => [`${one.name} = `, values[index]!, "; "]);
    const body = this.#operand(type, depth - 1, inner);
    switch (kind) {
      case "let":
        return { pieces: ["let ", ...definitions, "in ", body] };
      case "with":
        return { pieces: ["with { ", ...definitions, "}; ", body] };
      case "rec":
        return { pieces: ["rec { ", ...definitions, "result = ", body, "; }.result"] };
      case "lambda":
        return {
          pieces: [
            "(",
            ...bound.map(({ name }) => `${name}: `),
            body,
            ") ",
            ...values.flatMap((value) => [value, " "]),
          ],
        };
      case "formals": {
        const formals = bound.map(({ name }, index): Rope[] => {
          return random.chance(30) ? [name, " ? ", values[index]!] : [name];
        });
        const list = formals.flatMap((formal, index) => (index === 0 ? formal : [", ", ...formal]));
        return {
          pieces: ["({ ", ...list, random.chance(20) ? ", ..." : "", " }: ", body, ") { ", ...definitions, "}"],
        };
      }
      case "pattern":
        return {
          pieces: [
            "({ ",
            bound.map(({ name }) => name).join(", "),
            ", ... }@all: ",
            body,
            ") { extra = 1; ",
            ...definitions,
            "}",
          ],
        };
    }
  }

  #fill(template: string, type: Type, depth: number, scope: readonly Variable[]): Rope {
    const pieces = template.split(/@(\w+!?)@/).map((piece, index): Rope => {
      if (index % 2 === 0) return piece;
      const words = WORDS[piece];
      if (words !== undefined) return this.#random.pick(words);
      const hole = (piece.startsWith("T") ? type : piece.replace("!", "")) as Type;
      if (piece.endsWith("!")) return this.expression(hole, depth - 1, scope);
      return this.#operand(hole, depth - 1, scope);
    });
    return { pieces };
  }

  /** An expression that stands for itself wherever an operand may stand. */
  #operand(type: Type, depth: number, scope: readonly Variable[]): Rope {
    return { pieces: ["(", this.expression(type, depth, scope), ")"] };
  }
}
