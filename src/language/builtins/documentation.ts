/** What is written about the builtins, by name. */

import { CONTROL_DOCS } from "./docs/control.ts";
import { DATA_DOCS } from "./docs/data.ts";
import { ENVIRONMENT_DOCS } from "./docs/environment.ts";
import { FILE_DOCS } from "./docs/files.ts";
import { LIST_DOCS } from "./docs/lists.ts";
import { NUMBER_DOCS } from "./docs/numbers.ts";
import { SET_DOCS } from "./docs/sets.ts";
import { STORE_DOCS } from "./docs/store.ts";
import { TEXT_DOCS } from "./docs/text.ts";

export interface BuiltinDocumentation {
  readonly name: string;
  /** The names of the arguments; none for a value that is no function. */
  readonly args: readonly string[];
  /** Markdown. */
  readonly text: string;
}

/** All of it, by topic. */
export const BUILTIN_TOPICS: Readonly<Record<string, readonly BuiltinDocumentation[]>> = {
  Lists: entriesOf(LIST_DOCS),
  "Attribute sets": entriesOf(SET_DOCS),
  Strings: entriesOf(TEXT_DOCS),
  Numbers: entriesOf(NUMBER_DOCS),
  Evaluation: entriesOf(CONTROL_DOCS),
  "Files and fetching": entriesOf(FILE_DOCS),
  "Notations and hashes": entriesOf(DATA_DOCS),
  "Derivations and the store": entriesOf(STORE_DOCS),
  "The world outside": entriesOf(ENVIRONMENT_DOCS),
};

function entriesOf(docs: Readonly<Record<string, string>>): BuiltinDocumentation[] {
  return Object.entries(docs).map(([synopsis, text]) => {
    const [name = "", ...args] = synopsis.split(" ");
    return { name, args, text };
  });
}

let byName: ReadonlyMap<string, BuiltinDocumentation> | undefined;

export function documentationOfBuiltin(name: string): BuiltinDocumentation | undefined {
  byName ??= new Map(
    Object.values(BUILTIN_TOPICS)
      .flat()
      .map((entry) => [entry.name, entry]),
  );
  return byName.get(name);
}
