/** What `nix-instantiate --parse -` says about a text, for golden tests. */
import { textOfByteString } from "../../src/base/byte-string.ts";
import { renderExpression } from "../../src/language/print/expression.ts";
import { resolve } from "../../src/language/resolve/resolve.ts";
import { renderExcerpt } from "../../src/language/syntax/excerpt.ts";
import { parse, type ParseOptions } from "../../src/language/syntax/parse.ts";
import type { ParseError } from "../../src/language/syntax/parse-error.ts";
import { Source } from "../../src/language/syntax/source.ts";

/** A few of the builtin scope's names: those that parser tests use. */
const GLOBALS: ReadonlySet<string> = new Set(
  (
    "true false null import map toString throw abort builtins derivation removeAttrs isNull baseNameOf dirOf " +
    "fromTOML fetchGit placeholder fetchurl fetchTarball scopedImport __add __sub __mul __div __lessThan __findFile __nixPath __getEnv __toPath"
  ).split(" "),
);

/** The printed tree, or the error as Nix shows it. `text` is a byte string. */
export function renderSyntaxOutcome(text: string, options: Partial<ParseOptions> = {}): string {
  const source = new Source("\xc2\xabstdin\xc2\xbb", text, { isFile: false });
  const parsed = parse(source, { baseDir: "/pwd/lang", homeDir: "/home/user", ...options });
  if (!parsed.ok) return textOfByteString(renderError(parsed.error));
  const error = resolve(parsed.value, { globals: GLOBALS });
  if (error !== undefined) return textOfByteString(renderError(error));
  return textOfByteString(renderExpression(parsed.value.root));
}

function renderError(error: ParseError): string {
  return `error: ${error.message}\n${renderExcerpt(error.span.source, error.span.start, "       ")}`;
}
