/**
 * Where an evaluation spends its time, by the functions that are being called: a tree of call stacks with samples.
 *
 * The clock is looked at when a function is called, and with `seesReturns` also when it returns; when a period has
 * passed, the stack of that moment gets a sample. What is being called is noted always, so profiling costs a little at
 * every call; without a profiler calls do not come by here at all.
 */

import { Attrs } from "./attrs.ts";
import type { LambdaCode } from "./code.ts";
import { EvalError } from "./eval-error.ts";
import { renderPlace } from "./place-text.ts";
import { force } from "./thunk.ts";
import { Lambda, PartialPrimOp, type Place, PrimOp, type Slot, type Value } from "./value.ts";

export interface CallProfilerOptions {
  /** Milliseconds, of any beginning. */
  readonly now: () => number;
  /** Between samples; 0 samples every call. */
  readonly periodMs: number;
  readonly seesReturns: boolean;
}

type Callee = LambdaCode | PrimOp | "functor" | "nothing";

/** One function that is being called, from one place. */
export interface ProfiledCall {
  readonly callee: Callee;
  readonly at: Place | undefined;
  /** The derivation that is being made. */
  readonly derivation: string | undefined;
}

/** A stack: its innermost call, and the stacks one call deeper. */
export class ProfileNode {
  readonly call: ProfiledCall | undefined;
  samples = 0;
  timeMs = 0;
  readonly #deeper = new Map<Callee, Map<Place | undefined, ProfileNode>>();

  constructor(call: ProfiledCall | undefined) {
    this.call = call;
  }

  below(call: ProfiledCall): ProfileNode {
    let byPlace = this.#deeper.get(call.callee);
    if (byPlace === undefined) this.#deeper.set(call.callee, (byPlace = new Map()));
    let node = byPlace.get(call.at);
    if (node === undefined) byPlace.set(call.at, (node = new ProfileNode(call)));
    return node;
  }

  *deeper(): Iterable<ProfileNode> {
    for (const byPlace of this.#deeper.values()) yield* byPlace.values();
  }
}

export class CallProfiler {
  readonly root: ProfileNode = new ProfileNode(undefined);
  readonly #options: CallProfilerOptions;
  readonly #stack: ProfiledCall[] = [];
  /** The nodes of the outermost calls, as far as a sample needed them since they were entered. */
  readonly #nodes: ProfileNode[] = [];
  #lastMs: number;

  constructor(options: CallProfilerOptions) {
    this.#options = options;
    this.#lastMs = options.now();
  }

  enter(fn: Value, args: readonly Slot[], at: Place | undefined): void {
    // What passed since the last sample was spent by the caller, unless only calls are seen.
    if (this.#options.seesReturns) this.#sample();
    const callee = calleeOf(fn);
    this.#stack.push({ callee, at, derivation: derivationOf(callee, args) });
    if (!this.#options.seesReturns) this.#sample();
  }

  leave(): void {
    if (this.#options.seesReturns) this.#sample();
    this.#stack.pop();
    if (this.#nodes.length > this.#stack.length) this.#nodes.length = this.#stack.length;
  }

  #sample(): void {
    const now = this.#options.now();
    const passed = now - this.#lastMs;
    if (passed < this.#options.periodMs) return;
    this.#lastMs = now;
    let node = this.#nodes.at(-1) ?? this.root;
    for (let i = this.#nodes.length; i < this.#stack.length; i++) {
      node = node.below(this.#stack[i]!);
      this.#nodes.push(node);
    }
    node.samples++;
    node.timeMs += passed;
  }
}

function calleeOf(fn: Value): Callee {
  if (fn instanceof Lambda) return fn.code;
  if (fn instanceof PrimOp) return fn;
  if (fn instanceof PartialPrimOp) return fn.primOp;
  return fn instanceof Attrs ? "functor" : "nothing";
}

/** The name of what `derivationStrict` is called to make; errors in it are told by `derivationStrict` itself. */
function derivationOf(callee: Callee, args: readonly Slot[]): string | undefined {
  if (!(callee instanceof PrimOp) || callee.name !== "derivationStrict") return undefined;
  try {
    const attrs = force(args[0]!);
    const name = attrs instanceof Attrs && attrs.has("name") ? force(attrs.get("name")!) : undefined;
    return typeof name === "string" ? name : undefined;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/** A call as Nix's own profiles name it: where it is made, and of what. */
export function describeCall({ callee, at, derivation }: ProfiledCall): string {
  const place = at === undefined ? "" : renderPlace(at);
  if (callee === "nothing") return place;
  if (callee === "functor") return `${place}:functor`;
  if (callee instanceof PrimOp) {
    const name = `primop ${callee.name}${derivation === undefined ? "" : `:${derivation}`}`;
    return place === "" ? name : `${place}:${name}`;
  }
  const shown = place === "" ? renderPlace(callee.place) : place;
  return callee.name === undefined ? shown : `${shown}:${callee.name}`;
}

/** The function that is called: its name, and where it is defined when it is written in Nix. */
export function describeCallee({ callee, derivation }: ProfiledCall): { name: string; place: Place | undefined } {
  if (typeof callee === "string")
    return { name: callee === "functor" ? "__functor" : "(no function)", place: undefined };
  if (callee instanceof PrimOp) {
    return { name: `${callee.name}${derivation === undefined ? "" : ` ${derivation}`}`, place: undefined };
  }
  return { name: callee.name ?? "(lambda)", place: callee.place };
}
