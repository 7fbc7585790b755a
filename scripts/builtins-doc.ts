/**
 * Writes `docs/manual/builtins.md` from what is written about the builtins in `src/language/builtins/docs`:
 * `bin/node scripts/builtins-doc.ts`
 *
 * `test/docs.test.ts` checks that the page is current, and that no builtin is missing.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { type BuiltinDocumentation, BUILTIN_TOPICS } from "../src/language/builtins/documentation.ts";

/** The page that this script writes. */
export const BUILTINS_PAGE: string = join(import.meta.dirname, "../docs/manual/builtins.md");

const HEAD = `# Builtins

What every expression can use. Names are attributes of \`builtins\`; those marked with a star are in scope without it,
too. \`:doc\` in [\`pristine repl\`](language.md#interactively) shows the same texts. Written by \`scripts/builtins-doc.ts\`.
`;

/** Names in scope as they are. */
const IN_SCOPE = new Set(
  (
    "abort baseNameOf break builtins derivation derivationStrict dirOf false fetchGit fetchMercurial fetchTarball " +
    "fetchTree fromTOML import isNull map null placeholder removeAttrs scopedImport throw toString true"
  ).split(" "),
);

/** The page's text, as the sources say now. */
export async function builtinsPage(): Promise<string> {
  const sections = Object.entries(BUILTIN_TOPICS).map(
    ([title, entries]) => `## ${title}\n\n${entries.map(sectionOf).join("\n\n")}\n`,
  );
  return await format([HEAD, ...sections].join("\n"), { parser: "markdown", printWidth: 120, proseWrap: "always" });
}

function sectionOf({ name, args, text }: BuiltinDocumentation): string {
  const shown = args.map((argument) => ` _${argument}_`).join("");
  return `### ${name}\n\n\`${name}\`${shown}${IN_SCOPE.has(name) ? " ★" : ""}\n\n${text}`;
}

if (import.meta.main) writeFileSync(BUILTINS_PAGE, await builtinsPage());
