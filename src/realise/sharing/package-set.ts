/**
 * The result of calling a package set's function with data, computed once for several evaluations.
 *
 * It has an evaluator of its own, whose host knows everything that was ever read for any part of the value: an
 * evaluation that uses the value depends on all of that.
 */

import { closedData, type ClosedData } from "../../language/eval/closed-data.ts";
import { callOne } from "../../language/eval/call.ts";
import { FileFunction } from "../../language/eval/sharing.ts";
import type { EvalState } from "../../language/eval/state.ts";
import { NativeCode, Thunk } from "../../language/eval/thunk.ts";
import { Lambda, type Slot, type Value } from "../../language/eval/value.ts";
import type { EvaluationHost } from "../evaluation-host.ts";

/** Somebody who uses package sets: an evaluation, or another package set. */
export class Uses {
  readonly sets: Set<PackageSet> = new Set();

  /** All sets that are used, those that the sets themselves use included. */
  *all(): Generator<PackageSet> {
    const found = new Set(this.sets);
    for (const set of found) {
      yield set;
      for (const inner of set.uses.sets) found.add(inner);
    }
  }

  *hosts(): Generator<EvaluationHost> {
    for (const set of this.all()) yield set.host;
  }
}

export class PackageSet {
  readonly state: EvalState;
  readonly host: EvaluationHost;
  readonly uses: Uses;
  /** Whether it said something, which each evaluation is to hear. */
  hasSpoken = false;
  readonly #value: Thunk;

  constructor(
    state: EvalState,
    host: EvaluationHost,
    uses: Uses,
    call: { readonly file: string; readonly arg: Value },
  ) {
    this.state = state;
    this.host = host;
    this.uses = uses;
    this.#value = new Thunk(new NativeCode(() => callFile(state, call.file, call.arg)), []);
  }

  /** Whether the value is just being computed: the set's own files import it. */
  get isRunning(): boolean {
    return this.#value.isRunning;
  }

  force(): Value {
    return this.#value.force();
  }

  /** Why it cannot be used by another evaluation. */
  get isSpent(): boolean {
    return this.hasSpoken || this.host.volatile !== undefined;
  }
}

function callFile(state: EvalState, file: string, arg: Value): Value {
  const fn = state.program!.importFile(file);
  const isMarked = fn instanceof Lambda && fn.code.owner instanceof FileFunction;
  return callOne(state, isMarked ? new Lambda((fn.code.owner as FileFunction).code, fn.env) : fn, arg, undefined);
}

/** Which files are functions of package sets, for an evaluation of what lies in some directories. */
export class PackageFiles {
  readonly #project: readonly string[];

  /** `project`: the directories of files that change from evaluation to evaluation. */
  constructor(project: readonly string[]) {
    this.#project = project;
  }

  includes(path: string): boolean {
    return path.endsWith("/default.nix") && this.isOutside(path);
  }

  isOutside(path: string): boolean {
    return !this.#project.some((directory) => path === directory || path.startsWith(`${directory}/`));
  }

  /** A call's argument, if it means the same to every evaluation. */
  argument(arg: Slot): ClosedData | undefined {
    return closedData(arg, (path) => this.isOutside(path));
  }
}
