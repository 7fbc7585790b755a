/** An option of a host: what it is, why it has that value, and where all of that is written. */

import { relative } from "node:path";
import type { FoundOption, OptionAnswer, OptionDefinition, OptionPlace, OptionSummary } from "../../fleet/option.ts";
import { EvalDiagnostic } from "../../realise/evaluation-request.ts";
import { layOut, parsePrinted, type PrintedValue } from "./nix-value.ts";
import { safeText } from "../../base/safe-text.ts";
import type { Terminal } from "./terminal.ts";

export interface OptionView {
  readonly host: string;
  /** What places are shown relative to. */
  readonly baseDir: string;
  /** Where Pristine's own Nix code lies. */
  readonly nixDirectory: string;
  readonly terminal: Terminal;
}

export function renderOption(found: FoundOption, view: OptionView): string[] {
  return found.kind === "set" ? renderSet(found.below, view) : renderAnswer(found.answer, view);
}

function renderSet(options: readonly OptionSummary[], { terminal }: OptionView): string[] {
  const { bold, dim } = terminal.colors;
  return options.flatMap(({ name, type, description }) => {
    const [summary = ""] = description.trim().split("\n");
    return [`${bold(safeText(name))}  ${dim(safeText(type))}`, ...(summary === "" ? [] : [`  ${safeText(summary)}`])];
  });
}

/** The parts of what was printed: value, default, example, and the value of each definition. */
function partsOf(printed: string): {
  value?: PrintedValue;
  fallback?: PrintedValue;
  example?: PrintedValue;
  given: readonly PrintedValue[];
} {
  const whole = parsePrinted(`[ ${printed} ]`);
  const members = whole.kind === "list" ? whole.items.flatMap((part) => (part.kind === "list" ? part.items : [])) : [];
  const [value, fallback, example, ...given] = members;
  return { ...(value && { value }), ...(fallback && { fallback }), ...(example && { example }), given };
}

function renderAnswer({ facts, printed, definitions }: OptionAnswer, view: OptionView): string[] {
  const { bold, dim, red } = view.terminal.colors;
  const { value, fallback, example, given } = partsOf(printed);
  const lines = [`${bold(safeText(facts.name))} ${dim(`of ${view.host}`)}`, ""];
  const block = (label: string, text: readonly string[], style = (line: string): string => line): void => {
    const [first = "", ...rest] = text.map((line) => style(safeText(line)));
    lines.push(`${`${label}:`.padEnd(9)} ${first}`, ...rest.map((line) => `${" ".repeat(10)}${line}`));
  };
  const shown = (one: PrintedValue | undefined, described: string | null = null): string[] =>
    described?.trimEnd().split("\n") ?? (one === undefined ? [] : shownValue(one, 90));
  if (facts.hasValue && value !== undefined) block("value", shown(value), isError(value) ? red : undefined);
  // A default that needs the name that is left open has no value here.
  const isOpen = !facts.hasValue && fallback !== undefined && isError(fallback);
  if (facts.hasDefault && !(isOpen && facts.defaultText === null)) block("default", shown(fallback, facts.defaultText));
  block("type", [facts.readOnly ? `${facts.type}, read only` : facts.type]);
  if (facts.hasExample) block("example", shown(example, facts.exampleText));
  if (facts.description.trim() !== "") lines.push("", ...facts.description.trim().split("\n").map(safeText));
  lines.push("", "declared in", ...facts.declarations.map((place) => `  ${placeText(place, view)}`));
  if (!facts.hasValue) return lines;
  if (definitions instanceof EvalDiagnostic) {
    lines.push("defined in", ...definitions.message.split("\n").map((line) => `  ${red(safeText(line))}`));
  } else if (definitions.length === 0) lines.push("defined nowhere: it has its default");
  else {
    lines.push("defined in");
    for (const [index, definition] of definitions.entries()) {
      const note = noteOf(definition);
      lines.push(`  ${placeText(definition, view)}${note === "" ? "" : dim(`  ${note}`)}`);
      const one = given[index];
      if (one !== undefined) {
        const text = shownValue(one, 90).map((line) => `    ${safeText(line)}`);
        lines.push(...(definition.isUsed ? text : text.map((line) => dim(line))));
      }
    }
  }
  return lines;
}

/** A value on lines; an error as the sentence it is. */
function shownValue(value: PrintedValue, width: number): string[] {
  return isError(value) ? value.text.slice(1, -1).split("\n") : layOut(value, width);
}

function isError(value: PrintedValue): value is PrintedValue & { readonly kind: "atom" } {
  return value.kind === "atom" && value.text.startsWith("«error:");
}

const PRIORITIES: ReadonlyMap<number, string> = new Map([
  [10, "mkVMOverride"],
  [50, "mkForce"],
  [60, "mkImageMediaOverride"],
  [100, ""],
  [1000, "mkDefault"],
  [1500, "mkOptionDefault"],
]);

function noteOf({ priority, isUsed }: OptionDefinition): string {
  const name = PRIORITIES.get(priority) ?? `mkOverride ${priority}`;
  return [name, isUsed ? "" : "overridden"].filter((word) => word !== "").join(", ");
}

/** A path as one would open it, with its line; what is ours begins with `pristine:`. */
function placeText({ file, line, column }: OptionPlace, view: OptionView): string {
  const [, path = file, note = ""] = /^(.*?)( \(.*\))?$/.exec(file) ?? [];
  const at = line === null ? "" : `:${line}:${column ?? 1}`;
  const own = relative(view.nixDirectory, path);
  if (path.startsWith("/") && !own.startsWith("..")) return safeText(`pristine:nix/${own}${at}${note}`);
  const near = relative(view.baseDir, path);
  return safeText(`${path.startsWith("/") && !near.startsWith("..") ? near : path}${at}${note}`);
}

/** The same for programs. */
export function optionRecord(found: FoundOption, host: string): object {
  if (found.kind === "set") return { host, options: found.below };
  const { facts, printed, definitions, json } = found.answer;
  const { value, fallback, example, given } = partsOf(printed);
  const text = (one: PrintedValue | undefined): string | null =>
    one === undefined ? null : layOut(one, Infinity).join("\n");
  const { hasValue, hasDefault, hasExample, defaultText, exampleText, ...rest } = facts;
  const failure = (error: EvalDiagnostic): object => ({ code: error.code, message: safeText(error.message) });
  return {
    host,
    ...rest,
    value: hasValue && json !== undefined && "text" in json ? (JSON.parse(json.text) as unknown) : null,
    valueText: hasValue ? text(value) : null,
    ...(hasValue && json !== undefined && "error" in json ? { error: failure(json.error) } : {}),
    default: hasDefault ? (defaultText ?? text(fallback)) : null,
    example: hasExample ? (exampleText ?? text(example)) : null,
    definitions:
      definitions instanceof EvalDiagnostic
        ? { error: failure(definitions) }
        : definitions.map((definition, index) => ({ ...definition, valueText: text(given[index]) })),
  };
}
