/** What the word before the cursor of an interactive session may become. */

import { Attrs } from "../../language/eval/attrs.ts";
import { EvalError } from "../../language/eval/eval-error.ts";
import { renderAttrName } from "../../language/eval/print-value.ts";
import { type Host, HostError } from "../../language/host.ts";
import { IncompleteInput, type ReplScope } from "./repl-scope.ts";

export const REPL_COMMANDS: readonly string[] = [
  ":?",
  ":a",
  ":add",
  ":b",
  ":bl",
  ":doc",
  ":e",
  ":edit",
  ":help",
  ":l",
  ":last-loaded",
  ":lf",
  ":ll",
  ":load",
  ":load-flake",
  ":log",
  ":p",
  ":print",
  ":q",
  ":quit",
  ":r",
  ":reload",
  ":t",
  ":te",
  ":trace-enable",
];

/** Commands whose argument is a file. */
const TAKES_FILE = /^:(l|load)\s+$/;

export interface Completions {
  /** The end of the text that the candidates take the place of. */
  readonly word: string;
  readonly candidates: readonly string[];
}

/** Finds candidates; byte strings. Evaluates the set whose attributes are asked for. */
export function completionsOf(
  text: string,
  scope: ReplScope,
  files: { readonly host: Host; readonly baseDir: string; readonly homeDir: string | undefined },
): Completions {
  if (/^:[^\s]*$/.test(text)) return startingWith(text, REPL_COMMANDS);
  const word = /[^\s(){}[\];,=!+"]*$/.exec(text)![0];
  const before = text.slice(0, text.length - word.length);
  if (word.includes("/") || TAKES_FILE.test(before)) return completePath(word, files);
  const dot = word.lastIndexOf(".");
  // The names that builtins have besides their own are offered to those who begin one.
  const isOffered = (name: string): boolean => word.startsWith("_") || !name.startsWith("__");
  if (dot < 0) return startingWith(word, [...scope.names()].filter(isOffered).sort());
  return completeAttribute(word, dot, scope);
}

function startingWith(word: string, names: readonly string[]): Completions {
  return { word, candidates: names.filter((name) => name.startsWith(word)) };
}

function completeAttribute(word: string, dot: number, scope: ReplScope): Completions {
  const expression = word.slice(0, dot);
  const start = word.slice(dot + 1);
  try {
    const set = scope.evaluate(scope.parse(expression));
    if (!(set instanceof Attrs)) return { word, candidates: [] };
    const names = set.keys.filter((name) => name.startsWith(start));
    return { word, candidates: names.map((name) => `${expression}.${renderAttrName(name)}`) };
  } catch (error) {
    // What cannot be evaluated has nothing to offer; the error is shown when the line is entered.
    if (error instanceof EvalError || error instanceof IncompleteInput) return { word, candidates: [] };
    throw error;
  }
}

function completePath(
  word: string,
  { host, baseDir, homeDir }: { readonly host: Host; readonly baseDir: string; readonly homeDir: string | undefined },
): Completions {
  const slash = word.lastIndexOf("/");
  const [shown, start] = [word.slice(0, slash + 1), word.slice(slash + 1)];
  const expanded = shown.startsWith("~/") && homeDir !== undefined ? homeDir + shown.slice(1) : shown;
  const directory = expanded.startsWith("/") ? expanded : `${baseDir}/${expanded}`;
  try {
    const entries = host.readDirectory(directory.replace(/(?<=.)\/+$/, ""));
    const fitting = entries.filter(({ name }) => name.startsWith(start) && (start !== "" || !name.startsWith(".")));
    return {
      word,
      candidates: fitting.map(({ name, kind }) => `${shown}${name}${kind === "directory" ? "/" : ""}`),
    };
  } catch (error) {
    // A directory that cannot be read has nothing to offer.
    if (error instanceof HostError) return { word, candidates: [] };
    throw error;
  }
}
