/** Calling functions, and everything else that can be called. */

import { Attrs } from "./attrs.ts";
import { blankArray } from "./blank.ts";
import { type LambdaCode, runOf } from "./code.ts";
import { EvalError, outOfMemoryOf, typeError, withFrame } from "./eval-error.ts";
import { expectAttrs } from "./expect.ts";
import { showValue } from "./print-value.ts";
import { codeFor, FileFunction } from "./sharing.ts";
import type { EvalState } from "./state.ts";
import { suggestionsFor } from "./suggestions.ts";
import { inSymbolOrder } from "./symbol-order.ts";
import { force, NativeCode, Thunk } from "./thunk.ts";
import { describeType } from "./type-name.ts";
import { type Env, Lambda, PartialPrimOp, type Place, PrimOp, type Slot, type Value } from "./value.ts";

const ANONYMOUS = "anonymous lambda";

/** Calls a function with one argument. */
export function callOne(state: EvalState, fn: Value, arg: Slot, at: Place | undefined): Value {
  state.enterCall(at);
  let result: Value;
  if (fn instanceof Lambda && !state.showsTrace) {
    const { code } = fn;
    if (code.owner !== state) {
      result = callForeign(state, fn, arg, at);
      state.callDepth--;
      return result;
    }
    const env: Env = code.formals === undefined ? [fn.env, arg] : matchFormals(code, fn.env, arg, at);
    result = (code.body.run ?? runOf(code.body))(env);
  } else result = state.showsTrace ? watchedCall(state, fn, [arg], at) : apply(state, fn, arg, at);
  state.callDepth--;
  return result;
}

/** Calls a function with two arguments: most calls with several have two. */
export function callTwo(state: EvalState, fn: Value, first: Slot, second: Slot, at: Place | undefined): Value {
  const inner = fn instanceof Lambda && !state.showsTrace ? fn.code.inner : undefined;
  if (inner === undefined) return call(state, fn, [first, second], at);
  state.enterCall(at);
  // A function whose body is a function needs no value in between.
  const { code, env: closure } = fn as Lambda;
  const outer: Env = code.formals === undefined ? [closure, first] : matchFormals(code, closure, first, at);
  const env: Env = inner.formals === undefined ? [outer, second] : matchFormals(inner, outer, second, at);
  const result = (inner.body.run ?? runOf(inner.body))(env);
  state.callDepth--;
  return result;
}

/** Calls a function with arguments one after the other. */
export function call(state: EvalState, fn: Value, args: readonly Slot[], at: Place | undefined): Value {
  state.enterCall(at);
  if (state.showsTrace) {
    const result = watchedCall(state, fn, args, at);
    state.callDepth--;
    return result;
  }
  const count = args.length;
  let current = fn;
  let index = 0;
  while (index < count) {
    if (current instanceof Lambda) {
      let { code } = current;
      if (code.owner !== state) {
        current = callForeign(state, current, args[index++]!, at);
        continue;
      }
      let env: Env = current.env;
      env = code.formals === undefined ? [env, args[index]!] : matchFormals(code, env, args[index]!, at);
      index++;
      // A function whose body is a function needs no value in between.
      while (index < count && code.inner !== undefined) {
        code = code.inner;
        env = code.formals === undefined ? [env, args[index]!] : matchFormals(code, env, args[index]!, at);
        index++;
      }
      current = (code.body.run ?? runOf(code.body))(env);
    } else if (current instanceof PrimOp && current.arity > 1 && current.arity <= count - index) {
      // All arguments are at hand: no partial application needs to be made.
      const { arity } = current;
      current = runPrimOp(state, current, index === 0 && arity === count ? args : args.slice(index, index + arity), at);
      index += arity;
    } else {
      current = apply(state, current, args[index]!, at);
      index++;
    }
  }
  state.callDepth--;
  return current;
}

/** A call that a profiler is told of, or whose functions are recorded on the way of an error. */
function watchedCall(state: EvalState, fn: Value, args: readonly Slot[], at: Place | undefined): Value {
  const { profiler } = state;
  profiler?.enter(fn, args, at);
  try {
    let current = fn;
    let index = 0;
    while (index < args.length) {
      const arity = current instanceof PrimOp ? current.arity : 1;
      if (arity > 1 && index + arity <= args.length) {
        current = runPrimOp(state, current as PrimOp, args.slice(index, index + arity), at);
        index += arity;
      } else current = apply(state, current, args[index++]!, at);
    }
    return current;
  } finally {
    profiler?.leave();
  }
}

/** A call that is made when its result is needed. */
export function suspendCall(state: EvalState, fn: Slot, arg: Slot): Thunk {
  state.suspendedCallOne ??= new NativeCode((env, at) => callOne(state, force(env[0] as Slot, at), env[1] as Slot, at));
  return new Thunk(state.suspendedCallOne, [fn, arg]);
}

/** Like `suspendCall`, with two arguments. */
export function suspendCallTwo(state: EvalState, fn: Slot, first: Slot, second: Slot): Thunk {
  state.suspendedCallTwo ??= new NativeCode((env, at) =>
    callTwo(state, force(env[0] as Slot, at), env[1] as Slot, env[2] as Slot, at),
  );
  return new Thunk(state.suspendedCallTwo, [fn, first, second]);
}

function apply(state: EvalState, fn: Value, arg: Slot, at: Place | undefined): Value {
  if (fn instanceof Lambda) return callLambda(state, fn, arg, at);
  if (fn instanceof PrimOp) {
    return fn.arity === 1 ? runPrimOp(state, fn, [arg], at) : new PartialPrimOp(fn, [arg]);
  }
  if (fn instanceof PartialPrimOp) {
    const args = [...fn.args, arg];
    return args.length === fn.primOp.arity ? runPrimOp(state, fn.primOp, args, at) : new PartialPrimOp(fn.primOp, args);
  }
  if (fn instanceof Attrs) {
    const functor = fn.get("__functor");
    if (functor !== undefined) {
      try {
        const place = fn.placeOf("__functor");
        return call(state, force(functor, place), [fn, arg], place);
      } catch (error) {
        throw withFrame(error, "while calling a functor (an attribute set with a '__functor' attribute)", at);
      }
    }
  }
  throw typeError(`attempt to call something which is not a function but ${describeType(fn)}: ${showValue(fn)}`, at);
}

function runPrimOp(state: EvalState, primOp: PrimOp, args: readonly Slot[], at: Place | undefined): Value {
  try {
    return primOp.run(state, args);
  } catch (error) {
    const shown = outOfMemoryOf(error, at);
    throw primOp.isTraced ? withFrame(shown, `while calling the '${primOp.name}' builtin`, at) : shown;
  }
}

/** Calls a function of another state: once for all if it can be, or as code of this state. */
function callForeign(state: EvalState, fn: Lambda, arg: Slot, at: Place | undefined): Value {
  let { code } = fn;
  if (code.owner instanceof FileFunction) {
    const shared = state.sharing?.call(code.owner.path, arg);
    if (shared !== undefined) return shared;
    code = code.owner.code;
  }
  return callLambda(state, new Lambda(codeFor(state, code), fn.env), arg, at);
}

function callLambda(state: EvalState, fn: Lambda, arg: Slot, at: Place | undefined): Value {
  const { code } = fn;
  if (code.owner !== state) return callForeign(state, fn, arg, at);
  const env: Env = code.formals === undefined ? [fn.env, arg] : matchFormals(code, fn.env, arg, at);
  try {
    return runOf(code.body)(env);
  } catch (error) {
    if (state.recordsCalls && error instanceof EvalError) {
      error.addFrame(`while calling ${code.name === undefined ? ANONYMOUS : `'${code.name}'`}`, code.place);
      if (at !== undefined) error.addFrame("from call site", at);
    }
    throw error;
  }
}

function matchFormals(code: LambdaCode, outer: Env, arg: Slot, at: Place | undefined): Env {
  const formals = code.formals!;
  let attrs: Attrs;
  if (arg instanceof Attrs) attrs = arg;
  else {
    try {
      attrs = expectAttrs(arg, code.place, "while evaluating the value passed for the lambda argument");
    } catch (error) {
      throw at === undefined ? error : withFrame(error, "from call site", at);
    }
  }
  const first = code.param !== undefined ? 2 : 1;
  const size = formals.length;
  // A default may be a plain variable of a later formal, whose slot must not yet be taken for absent.
  const env: Env = blankArray(first + size);
  env[0] = outer;
  if (first === 2) env[1] = attrs;
  let used = 0;
  for (let i = 0; i < size; i++) {
    const formal = formals[i]!;
    const given = attrs.get(formal.name);
    if (given !== undefined) {
      used++;
      env[first + i] = given;
    } else if (formal.makeDefault === undefined) {
      throw missingArgument(code, formal.name, at);
    }
  }
  if (used < size) {
    for (let i = 0; i < size; i++) if (env[first + i] === undefined) env[first + i] = formals[i]!.makeDefault!(env);
  }
  if (!code.isOpen && used !== attrs.size) throw unexpectedArgument(code, attrs, at);
  return env;
}

function missingArgument(code: LambdaCode, name: string, at: Place | undefined): unknown {
  const error = new EvalError({ kind: "argument-missing", lambda: code.name ?? ANONYMOUS, name }, code.place);
  return withFrame(error, "from call site", at);
}

function unexpectedArgument(code: LambdaCode, attrs: Attrs, at: Place | undefined): unknown {
  const names = new Set(code.formals!.map(({ name }) => name));
  const name = inSymbolOrder(attrs)
    .map((index) => attrs.keys[index]!)
    .find((key) => !names.has(key))!;
  const error = new EvalError(
    {
      kind: "argument-unexpected",
      lambda: code.name ?? ANONYMOUS,
      name,
      suggestions: suggestionsFor(name, names),
    },
    code.place,
  );
  return withFrame(error, "from call site", at);
}
