/**
 * The syntax tree of the Nix language.
 *
 * A node is an instance of one class per `kind`, so that every field of a kind sits at a fixed place. `start` and `end`
 * are byte offsets into the `Source` of the parsed file; `start` is also the position Nix reports for the node, except
 * where a `position` field says otherwise (operators: the operator itself).
 *
 * Desugaring done by the parser, as in Nix: attribute paths and repeated sets are merged, `let { … }` is a selection of
 * `body` from a recursive set, indented strings are stripped, URIs are strings, paths are absolute, calls are flat
 * (`f a b` is one `Call`), and `|>` and `<|` are calls.
 *
 * ## Environments (filled in by `resolve/resolve.ts`)
 *
 * An environment is a frame with slots, and a parent. Exactly these nodes make a frame:
 *
 * | node | slots |
 * |---|---|
 * | `Lambda` | slot 0 is the argument if `param` is given; then one slot per formal, in the order of `formals`. Defaults and body see the frame. |
 * | `Let` | one slot per definition of `attrs`, in the order of `attrs.defs`. Definitions and body see the frame. |
 * | `Attrs` with `recursive` | one slot per definition, in the order of `defs`. Definitions, dynamic names and dynamic values see the frame. |
 * | `With` | slot 0 is the set. Only the body sees the frame. |
 * | `Attrs` with `inheritFrom` | no frame: see `AttrDef`. |
 *
 * A definition of kind `Inherited` (`inherit x;`) is a `Var` that is resolved **outside** a recursive or `let` frame:
 * its depth counts from the frame around the set.
 *
 * A `Var` is one of:
 * - `depth >= 0`, `fromWith === null`: slot `slot` of the frame `depth` parents up (0 is the innermost frame);
 * - `depth === GLOBAL`: the builtin scope's value called `name` (no frame stands for it);
 * - `fromWith !== null`: the nearest `with` frame is `depth` parents up. When its set lacks the name, continue with
 *   `fromWith.outerWith`, whose frame is `fromWith.outerWithDepth` parents above **that `with`'s frame**, and so on;
 *   with no outer one left, the error is "undefined variable".
 */
import { canonicalPath } from "./literals.ts";
import type { Source } from "./source.ts";

/** Tags of the node classes. */
export const Kind = {
  Int: 0,
  Float: 1,
  Str: 2,
  Interpolation: 3,
  Path: 4,
  PathInterpolation: 5,
  SearchPath: 6,
  Var: 7,
  Select: 8,
  HasAttr: 9,
  Lambda: 10,
  Call: 11,
  Let: 12,
  Attrs: 13,
  List: 14,
  With: 15,
  Assert: 16,
  If: 17,
  Unary: 18,
  Binary: 19,
  CurPos: 20,
  InheritSource: 21,
} as const;

export type Expr =
  | Int
  | Float
  | Str
  | Interpolation
  | Path
  | PathInterpolation
  | SearchPath
  | Var
  | Select
  | HasAttr
  | Lambda
  | Call
  | Let
  | Attrs
  | List
  | With
  | Assert
  | If
  | Unary
  | Binary
  | CurPos
  | InheritSource;

/** What parsing a file gives. */
export interface ParsedFile {
  readonly source: Source;
  readonly root: Expr;
  /** Warnings as Nix words them, without the leading `warning: `. */
  readonly warnings: readonly string[];
}

/** `Var.depth` of a name that the builtin scope defines. */
export const GLOBAL: number = -1;
/** `Var.depth` before resolution. */
export const UNRESOLVED: number = -2;

export class Int {
  readonly kind: typeof Kind.Int = Kind.Int;
  readonly start: number;
  readonly end: number;
  /** A number while it is safe, a `bigint` beyond; always within 64 bits. */
  readonly value: number | bigint;
  constructor(start: number, end: number, value: number | bigint) {
    this.start = start;
    this.end = end;
    this.value = value;
  }
}

export class Float {
  readonly kind: typeof Kind.Float = Kind.Float;
  readonly start: number;
  readonly end: number;
  readonly value: number;
  constructor(start: number, end: number, value: number) {
    this.start = start;
    this.end = end;
    this.value = value;
  }
}

/** A string without interpolation (plain, indented or a URI). */
export class Str {
  readonly kind: typeof Kind.Str = Kind.Str;
  readonly start: number;
  readonly end: number;
  /** A byte string, escapes already undone. */
  readonly value: string;
  constructor(start: number, end: number, value: string) {
    this.start = start;
    this.end = end;
    this.value = value;
  }
}

/** A string with interpolation; the literal pieces are `Str` nodes. The result is a string even for one part. */
export class Interpolation {
  readonly kind: typeof Kind.Interpolation = Kind.Interpolation;
  readonly start: number;
  readonly end: number;
  readonly parts: readonly Expr[];
  /** Where Nix says part `i` is: the `${` for an interpolated one. */
  readonly partStarts: readonly number[];
  constructor(start: number, end: number, parts: readonly Expr[], partStarts: readonly number[]) {
    this.start = start;
    this.end = end;
    this.parts = parts;
    this.partStarts = partStarts;
  }
}

/** A path literal. */
export class Path {
  readonly kind: typeof Kind.Path = Kind.Path;
  readonly start: number;
  readonly end: number;
  /** As written, but for the `~` of a home directory. */
  readonly literal: string;
  /** What a relative literal is relative to; `null` for one in a home directory, which is left as it is. */
  readonly baseDir: string | null;
  constructor(start: number, end: number, literal: string, baseDir: string | null) {
    this.start = start;
    this.end = end;
    this.literal = literal;
    this.baseDir = baseDir;
  }

  /**
   * Absolute and canonical; the first piece of a `PathInterpolation` keeps a trailing slash. Made when it is asked for:
   * a package set names thousands of paths, of which a program looks at a few.
   */
  get value(): string {
    const { literal, baseDir } = this;
    if (baseDir === null) return literal;
    const path = canonicalPath(literal.startsWith("/") ? literal : `${baseDir}/${literal}`);
    return literal.length > 1 && literal.endsWith("/") ? `${path}/` : path;
  }
}

/** `./a/${b}/c`: the first part is a `Path`, literal pieces after it are `Str`. Concatenates like `+`, to a path. */
export class PathInterpolation {
  readonly kind: typeof Kind.PathInterpolation = Kind.PathInterpolation;
  readonly start: number;
  readonly end: number;
  readonly parts: readonly Expr[];
  readonly partStarts: readonly number[];
  constructor(start: number, end: number, parts: readonly Expr[], partStarts: readonly number[]) {
    this.start = start;
    this.end = end;
    this.parts = parts;
    this.partStarts = partStarts;
  }
}

/**
 * `<name>`, which means `__findFile __nixPath "name"`; both names may be rebound by the user.
 * `findFile` and `nixPath` are variables resolved at this place (`depth === GLOBAL` when not rebound).
 */
export class SearchPath {
  readonly kind: typeof Kind.SearchPath = Kind.SearchPath;
  readonly start: number;
  readonly end: number;
  /** What stands between the angle brackets. */
  readonly path: string;
  readonly findFile: Var;
  readonly nixPath: Var;
  constructor(start: number, end: number, path: string, findFile: Var, nixPath: Var) {
    this.start = start;
    this.end = end;
    this.path = path;
    this.findFile = findFile;
    this.nixPath = nixPath;
  }
}

export class Var {
  readonly kind: typeof Kind.Var = Kind.Var;
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** See the table of environments above. */
  depth: number = UNRESOLVED;
  slot: number = 0;
  fromWith: With | null = null;
  constructor(start: number, end: number, name: string) {
    this.start = start;
    this.end = end;
    this.name = name;
  }
}

/** One component of an attribute path: `name` is given for a static one, `expr` for a dynamic one. */
export class AttrName {
  readonly start: number;
  readonly end: number;
  readonly name: string | null;
  readonly expr: Expr | null;
  constructor(start: number, end: number, name: string | null, expr: Expr | null) {
    this.start = start;
    this.end = end;
    this.name = name;
    this.expr = expr;
  }
}

/** `subject.a.b or orDefault`. */
export class Select {
  readonly kind: typeof Kind.Select = Kind.Select;
  readonly start: number;
  readonly end: number;
  readonly subject: Expr;
  readonly path: readonly AttrName[];
  readonly orDefault: Expr | null;
  constructor(start: number, end: number, subject: Expr, path: readonly AttrName[], orDefault: Expr | null) {
    this.start = start;
    this.end = end;
    this.subject = subject;
    this.path = path;
    this.orDefault = orDefault;
  }
}

/** `subject ? a.b`. */
export class HasAttr {
  readonly kind: typeof Kind.HasAttr = Kind.HasAttr;
  readonly start: number;
  readonly end: number;
  readonly subject: Expr;
  readonly path: readonly AttrName[];
  constructor(start: number, end: number, subject: Expr, path: readonly AttrName[]) {
    this.start = start;
    this.end = end;
    this.subject = subject;
    this.path = path;
  }
}

export class Formal {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly defaultValue: Expr | null;
  constructor(start: number, end: number, name: string, defaultValue: Expr | null) {
    this.start = start;
    this.end = end;
    this.name = name;
    this.defaultValue = defaultValue;
  }
}

/** `x: body`, `{ a, b ? 1, ... }: body` or `{ … } @ x: body`. */
export class Lambda {
  readonly kind: typeof Kind.Lambda = Kind.Lambda;
  readonly start: number;
  readonly end: number;
  /** Kept here because functions outlive the walk over their file. */
  readonly source: Source;
  /** The name of the whole argument: the plain parameter or the `@` pattern. */
  readonly param: string | null;
  /** `null` for a plain parameter; in the order in which their names were first met. */
  readonly formals: readonly Formal[] | null;
  readonly ellipsis: boolean;
  readonly body: Expr;
  /** The attribute or variable the function is bound to, for messages. Also given to curried inner functions. */
  name: string | null = null;
  constructor(
    start: number,
    end: number,
    source: Source,
    param: string | null,
    formals: readonly Formal[] | null,
    ellipsis: boolean,
    body: Expr,
  ) {
    this.start = start;
    this.end = end;
    this.source = source;
    this.param = param;
    this.formals = formals;
    this.ellipsis = ellipsis;
    this.body = body;
  }
}

/** A function and all arguments written after it. */
export class Call {
  readonly kind: typeof Kind.Call = Kind.Call;
  readonly start: number;
  end: number;
  /** The function's start, or the pipe operator. */
  readonly position: number;
  readonly fn: Expr;
  readonly args: Expr[];
  constructor(start: number, end: number, position: number, fn: Expr, args: Expr[]) {
    this.start = start;
    this.end = end;
    this.position = position;
    this.fn = fn;
    this.args = args;
  }
}

/** `attrs` is not `recursive`, but its definitions see the frame, see above. It has no dynamic definitions. */
export class Let {
  readonly kind: typeof Kind.Let = Kind.Let;
  readonly start: number;
  readonly end: number;
  readonly attrs: Attrs;
  readonly body: Expr;
  constructor(start: number, end: number, attrs: Attrs, body: Expr) {
    this.start = start;
    this.end = end;
    this.attrs = attrs;
    this.body = body;
  }
}

/** How an attribute was defined. */
export const DefKind = {
  /** `name = value;` */
  Plain: 0,
  /** `inherit name;` */
  Inherited: 1,
  /** `inherit (from) name;` */
  InheritedFrom: 2,
} as const;
export type DefKind = (typeof DefKind)[keyof typeof DefKind];

/**
 * A static attribute. `start` is what `unsafeGetAttrPos` reports.
 *
 * For `Inherited` the value is a `Var`. For `InheritedFrom` it is a `Select` whose subject is an `InheritSource`: the
 * evaluator makes one thunk per entry of `Attrs.inheritFrom` (evaluated in the environment in which plain definitions
 * of this set are), shared by all definitions that name it.
 */
export class AttrDef {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly value: Expr;
  readonly how: DefKind;
  constructor(start: number, end: number, name: string, value: Expr, how: DefKind) {
    this.start = start;
    this.end = end;
    this.name = name;
    this.value = value;
    this.how = how;
  }
}

/** `${name} = value;`. */
export class DynamicDef {
  readonly start: number;
  readonly end: number;
  readonly nameExpr: Expr;
  readonly value: Expr;
  constructor(start: number, end: number, nameExpr: Expr, value: Expr) {
    this.start = start;
    this.end = end;
    this.nameExpr = nameExpr;
    this.value = value;
  }
}

/** `{ … }`, `rec { … }`, and the definitions of a `let`. */
export class Attrs {
  readonly kind: typeof Kind.Attrs = Kind.Attrs;
  start: number;
  end: number;
  readonly source: Source;
  recursive: boolean;
  /** Sorted by name in byte order, without repetition. */
  defs: AttrDef[] = [];
  /** In source order. */
  dynamicDefs: DynamicDef[] = [];
  /** The expressions of `inherit (…)`, in source order. */
  inheritFrom: Expr[] = [];
  constructor(start: number, end: number, source: Source, recursive: boolean) {
    this.start = start;
    this.end = end;
    this.source = source;
    this.recursive = recursive;
  }
}

/** Stands for entry `index` of the `inheritFrom` of the set whose definition it is in. */
export class InheritSource {
  readonly kind: typeof Kind.InheritSource = Kind.InheritSource;
  readonly start: number;
  readonly end: number;
  index: number;
  constructor(start: number, end: number, index: number) {
    this.start = start;
    this.end = end;
    this.index = index;
  }
}

export class List {
  readonly kind: typeof Kind.List = Kind.List;
  readonly start: number;
  readonly end: number;
  readonly items: readonly Expr[];
  constructor(start: number, end: number, items: readonly Expr[]) {
    this.start = start;
    this.end = end;
    this.items = items;
  }
}

export class With {
  readonly kind: typeof Kind.With = Kind.With;
  readonly start: number;
  readonly end: number;
  readonly attrs: Expr;
  readonly body: Expr;
  /** The next enclosing `with`, and how many parents above this `with`'s frame its frame is (0 when there is none). */
  outerWith: With | null = null;
  outerWithDepth: number = 0;
  constructor(start: number, end: number, attrs: Expr, body: Expr) {
    this.start = start;
    this.end = end;
    this.attrs = attrs;
    this.body = body;
  }
}

export class Assert {
  readonly kind: typeof Kind.Assert = Kind.Assert;
  readonly start: number;
  readonly end: number;
  readonly condition: Expr;
  readonly body: Expr;
  constructor(start: number, end: number, condition: Expr, body: Expr) {
    this.start = start;
    this.end = end;
    this.condition = condition;
    this.body = body;
  }
}

export class If {
  readonly kind: typeof Kind.If = Kind.If;
  readonly start: number;
  readonly end: number;
  readonly condition: Expr;
  readonly thenBranch: Expr;
  readonly elseBranch: Expr;
  constructor(start: number, end: number, condition: Expr, thenBranch: Expr, elseBranch: Expr) {
    this.start = start;
    this.end = end;
    this.condition = condition;
    this.thenBranch = thenBranch;
    this.elseBranch = elseBranch;
  }
}

export const UnaryOp = { Not: 0, Negate: 1 } as const;
export type UnaryOp = (typeof UnaryOp)[keyof typeof UnaryOp];

/**
 * `!x`, `-x`. Negation means `__sub 0 x`; `primop` is the variable `__sub` when the user has rebound that name in an
 * enclosing scope, else `null`.
 */
export class Unary {
  readonly kind: typeof Kind.Unary = Kind.Unary;
  readonly start: number;
  readonly end: number;
  readonly op: UnaryOp;
  readonly operand: Expr;
  primop: Var | null = null;
  constructor(start: number, end: number, op: UnaryOp, operand: Expr) {
    this.start = start;
    this.end = end;
    this.op = op;
    this.operand = operand;
  }
}

export const BinaryOp = {
  Add: 0,
  Sub: 1,
  Mul: 2,
  Div: 3,
  Less: 4,
  LessEq: 5,
  Greater: 6,
  GreaterEq: 7,
  Eq: 8,
  NotEq: 9,
  And: 10,
  Or: 11,
  Impl: 12,
  Update: 13,
  Concat: 14,
} as const;
export type BinaryOp = (typeof BinaryOp)[keyof typeof BinaryOp];

/**
 * `left op right`.
 *
 * `Sub`, `Mul`, `Div` and the four comparisons mean calls of `__sub`, `__mul`, `__div` and `__lessThan`; `primop` is
 * that variable when the user has rebound the name in an enclosing scope, else `null` (so: use the operation itself).
 * `a <= b` is `!(b < a)`, `a > b` is `b < a`, `a >= b` is `!(a < b)`.
 */
export class Binary {
  readonly kind: typeof Kind.Binary = Kind.Binary;
  readonly start: number;
  readonly end: number;
  /** The operator. */
  readonly position: number;
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  /** Where the right operand begins, parentheses included; the left one begins at `start`. */
  readonly rightStart: number;
  primop: Var | null = null;
  constructor(start: number, end: number, position: number, op: BinaryOp, left: Expr, right: Expr, rightStart: number) {
    this.start = start;
    this.end = end;
    this.position = position;
    this.op = op;
    this.left = left;
    this.right = right;
    this.rightStart = rightStart;
  }
}

/** `__curPos`. */
export class CurPos {
  readonly kind: typeof Kind.CurPos = Kind.CurPos;
  readonly start: number;
  readonly end: number;
  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}
