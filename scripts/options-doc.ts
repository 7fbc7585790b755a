/**
 * Writes `docs/manual/options.md` from the option declarations in `nix/modules`: `bin/node scripts/options-doc.ts`
 *
 * The declarations are read by our own evaluator. `test/docs.test.ts` checks that the page is current.
 */

import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { evaluate } from "../src/realise/evaluate.ts";

const root = join(import.meta.dirname, "..");

/** The page that this script writes. */
export const OPTIONS_PAGE: string = join(root, "docs/manual/options.md");

interface Option {
  readonly name: string;
  readonly loc: readonly string[];
  readonly type: string;
  readonly description: string | { readonly text: string } | null;
  readonly default?: { readonly text: string };
  readonly example?: { readonly text: string };
  readonly declarations: readonly string[];
  readonly readOnly: boolean;
}

/** A host without anything of its own; packages are only names, so no lock is needed. */
const EXPRESSION = `
  let
    pristine = import ./nix { };
    inherit (pristine) lib;
    host = pristine.evalHost {
      name = "host";
      meta = { name = "fleet"; base = "debian"; };
      modules = [ ];
      packagesFor = architecture: import ./nix/debian { stub = { }; inherit architecture; };
    };
    shown = builtins.filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList host.options);
    textOf = value: { text = value.text; };
  in
  map (
    option:
    { inherit (option) name loc type description readOnly; declarations = map toString option.declarations; }
    // lib.optionalAttrs (option ? default) { default = textOf option.default; }
    // lib.optionalAttrs (option ? example) { example = textOf option.example; }
  ) shown
`;

/** The page's text, as the declarations say now. */
export async function optionsPage(signal: AbortSignal): Promise<string> {
  const { text } = await evaluate({ expression: EXPRESSION, baseDir: root, output: "json", strict: true }, signal);
  const options = JSON.parse(text) as Option[];
  const sections = new Map<string, Option[]>();
  for (const option of options) {
    const [first = "", second] = option.loc;
    const title = first === "services" || first === "security" ? `${first}.${second ?? ""}` : first;
    const section = sections.get(title) ?? [];
    section.push(option);
    sections.set(title, section);
  }
  const titles = [...sections.keys()].sort();
  return [
    "# Options",
    "",
    "<!-- Written by scripts/options-doc.ts from the declarations in nix/modules. Do not edit. -->",
    "",
    `Every option that a host's modules can set, ${options.length} of them. \`<name>\` stands for a name you choose, \`*\` for an element of a`,
    "list. `pristine option HOST OPTION` shows the value an option has on a host, and why. Names and meanings are NixOS's where NixOS has",
    "the option; `deployment`, `persistence` and `system` are Pristine's own.",
    "",
    titles.map((title) => `[\`${title}\`](#${anchor(title)})`).join(" · "),
    "",
    ...titles.flatMap((title) => [`## ${title}`, "", ...(sections.get(title) ?? []).flatMap(renderOption)]),
  ].join("\n");
}

function renderOption(option: Option): string[] {
  const description = typeof option.description === "string" ? option.description : (option.description?.text ?? "");
  const facts = [`Type: ${code(option.type)}.`];
  if (option.readOnly) facts.push("Read only.");
  const blocks: string[] = [];
  for (const [label, value] of [
    ["Default", option.default],
    ["Example", option.example],
  ] as const) {
    if (value === undefined) continue;
    if (value.text.includes("\n")) blocks.push(`${label}:`, "", "```nix", value.text.trimEnd(), "```", "");
    else facts.push(`${label}: ${code(value.text)}.`);
  }
  const declared = option.declarations.map((path) => {
    const inside = relative(root, path);
    return `[${inside.replace(/^nix\/(modules\/)?/, "")}](../../${inside})`;
  });
  if (declared.length > 0) facts.push(`Declared in ${declared.join(", ")}.`);
  return [`### \`${option.name}\``, "", description.trim(), "", facts.join(" "), "", ...blocks];
}

/** Inline code; a value that has backticks gets more of them around it. */
function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** The anchor that a heading gets. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
}

if (import.meta.main) writeFileSync(OPTIONS_PAGE, await optionsPage(AbortSignal.timeout(60_000)));
