/**
 * Puts definitions into attribute sets while parsing.
 *
 * As in Nix, `a.b = 1; a.c = 2;` and `a = { b = 1; }; a.c = 2;` define one set `a`; only two definitions of the same
 * attribute are an error, unless both are sets, which are merged. When they are, a `rec` on the later one is lost.
 */
import { renderIdentifier } from "../print/identifier.ts";
import { AttrDef, AttrName, Attrs, DefKind, DynamicDef, type Expr, InheritSource, Kind, Select } from "./ast.ts";
import type { Lexer } from "./lexer.ts";
import { renderPosition } from "./parse-error.ts";
import { orderOfNames } from "./symbols.ts";

/** Up to this many definitions a set is searched without an index. */
const LINEAR_SEARCH_MAX = 12;

/** Up to this many definitions are sorted in place. */
const INSERTION_SORT_MAX = 24;

export class AttrsBuilder {
  readonly #lexer: Lexer;
  /** Every set made, so that all can be sorted at the end. */
  readonly #sets: Attrs[] = [];
  readonly #indices = new Map<Attrs, Map<string, AttrDef>>();

  constructor(lexer: Lexer) {
    this.#lexer = lexer;
  }

  make(start: number): Attrs {
    const attrs = new Attrs(start, start, this.#lexer.source, false);
    this.#sets.push(attrs);
    return attrs;
  }

  /** Sorts every set's definitions; call it once, when parsing is done. */
  finish(): void {
    const sets = this.#sets;
    for (let i = 0; i < sets.length; i++) {
      const attrs = sets[i]!;
      if (attrs.defs.length > INSERTION_SORT_MAX) attrs.defs = sortedByName(attrs.defs);
      else sortByName(attrs.defs);
    }
  }

  /** `path = value;` */
  define(set: Attrs, path: readonly AttrName[], value: Expr, end: number): void {
    const { start } = path[0] as AttrName;
    let attrs = set;
    const last = path.length - 1;
    for (let i = 0; i < last; i++) {
      const { name, expr } = path[i] as AttrName;
      let nested: Attrs;
      if (name === null) {
        nested = this.make(start);
        nested.end = end;
        attrs.dynamicDefs.push(new DynamicDef(start, end, expr as Expr, nested));
      } else {
        const existing = this.#find(attrs, name);
        if (existing === undefined) {
          nested = this.make(start);
          nested.end = end;
          this.#insert(attrs, new AttrDef(start, end, name, nested, DefKind.Plain));
        } else if (existing.value.kind === Kind.Attrs) {
          nested = existing.value;
        } else {
          this.#failDuplicate(renderAttrPath(path.slice(0, i + 1)), start, existing);
        }
      }
      attrs = nested;
    }
    const { name, expr } = path[last] as AttrName;
    if (name === null) attrs.dynamicDefs.push(new DynamicDef(start, end, expr as Expr, value));
    else this.#defineName(attrs, path, new AttrDef(start, end, name, value, DefKind.Plain));
  }

  /** `name = value;`, as most definitions are. */
  defineOne(attrs: Attrs, start: number, end: number, name: string, value: Expr): void {
    const def = new AttrDef(start, end, name, value, DefKind.Plain);
    if (this.#find(attrs, name) === undefined) {
      this.#insert(attrs, def);
      setFunctionName(value, name);
    } else this.#defineName(attrs, [new AttrName(start, start + name.length, name, null)], def);
  }

  /** One name of an `inherit`. */
  inherit(attrs: Attrs, def: AttrDef): void {
    const existing = this.#find(attrs, def.name);
    if (existing !== undefined) this.#failDuplicate(renderIdentifier(def.name), def.start, existing);
    this.#insert(attrs, def);
  }

  /** Inserts or merges; `path` ends in the definition's name and is for messages. */
  #defineName(attrs: Attrs, path: readonly AttrName[], def: AttrDef): void {
    const existing = this.#find(attrs, def.name);
    if (existing === undefined) {
      this.#insert(attrs, def);
      setFunctionName(def.value, def.name);
      return;
    }
    const into = existing.value;
    const from = def.value;
    if (into.kind !== Kind.Attrs || from.kind !== Kind.Attrs) {
      this.#failDuplicate(renderAttrPath(path), def.start, existing);
    }
    const sourceOffset = into.inheritFrom.length;
    // Nix's order decides which of several repetitions the message is about.
    for (const at of orderOfNames(from.defs.map(({ name }) => name))) {
      const inner = from.defs[at]!;
      const moved = inner.how === DefKind.InheritedFrom ? withSourceOffset(inner, sourceOffset) : inner;
      const innerName: AttrName = { start: inner.start, end: inner.end, name: inner.name, expr: null };
      this.#defineName(into, [...path, innerName], moved);
    }
    into.dynamicDefs.push(...from.dynamicDefs);
    into.inheritFrom.push(...from.inheritFrom);
    from.defs = [];
    from.dynamicDefs = [];
    from.inheritFrom = [];
  }

  #find(attrs: Attrs, name: string): AttrDef | undefined {
    const { defs } = attrs;
    if (defs.length <= LINEAR_SEARCH_MAX) {
      for (let i = 0; i < defs.length; i++) if (defs[i]!.name === name) return defs[i];
      return undefined;
    }
    let index = this.#indices.get(attrs);
    if (index === undefined) {
      index = new Map();
      for (const def of defs) index.set(def.name, def);
      this.#indices.set(attrs, index);
    }
    return index.get(name);
  }

  #insert(attrs: Attrs, def: AttrDef): void {
    attrs.defs.push(def);
    if (attrs.defs.length > LINEAR_SEARCH_MAX) this.#indices.get(attrs)?.set(def.name, def);
  }

  #failDuplicate(what: string, start: number, existing: AttrDef): never {
    const lexer: Lexer = this.#lexer;
    const where = renderPosition(lexer.source, existing.start);
    lexer.fail(`attribute '${what}' already defined at ${where}`, start, start);
  }
}

/** Sorting names alone calls nothing of ours, which is several times as quick. */
function sortedByName(defs: readonly AttrDef[]): AttrDef[] {
  const byName = new Map<string, AttrDef>();
  for (let i = 0; i < defs.length; i++) byName.set(defs[i]!.name, defs[i]!);
  const names = [...byName.keys()].sort();
  const sorted: AttrDef[] = [];
  for (let i = 0; i < names.length; i++) sorted.push(byName.get(names[i]!)!);
  return sorted;
}

function sortByName(defs: AttrDef[]): void {
  for (let i = 1; i < defs.length; i++) {
    const def = defs[i]!;
    const { name } = def;
    let at = i;
    for (; at > 0 && defs[at - 1]!.name > name; at--) defs[at] = defs[at - 1]!;
    defs[at] = def;
  }
}

/** The definition with its `InheritSource` counted from `offset`. */
function withSourceOffset(def: AttrDef, offset: number): AttrDef {
  if (offset === 0 || def.value.kind !== Kind.Select) return def;
  const select = def.value;
  if (select.subject.kind !== Kind.InheritSource) return def;
  const { start, end, index } = select.subject;
  const subject = new InheritSource(start, end, index + offset);
  const value = new Select(select.start, select.end, subject, select.path, select.orDefault);
  return new AttrDef(def.start, def.end, def.name, value, def.how);
}

/** Names a function after what it is bound to, and the functions it returns. */
function setFunctionName(expr: Expr, name: string): void {
  let current = expr;
  while (current.kind === Kind.Lambda) {
    current.name = name;
    current = current.body;
  }
}

/** An attribute path for messages; only static components can be in the ones shown. */
function renderAttrPath(path: readonly AttrName[]): string {
  return path.map(({ name }) => (name === null ? '"${…}"' : renderIdentifier(name))).join(".");
}
