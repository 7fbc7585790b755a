/**
 * Elements of string contexts. As text they are a store path, `=DRV` for a derivation with its closure, or
 * `!OUTPUT!DRV` for an output; `!OUTPUT!OUTER!DRV` is an output of the derivation that is an output of another one.
 */

/** A context element taken apart. */
export type ContextElement =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "closure"; readonly drvPath: string }
  | { readonly kind: "output"; readonly drvPath: string; readonly output: string }
  /** From the first output to the last; each but the last is a derivation. */
  | { readonly kind: "dynamic"; readonly drvPath: string; readonly outputs: readonly string[] };

export function parseContextElement(element: string): ContextElement {
  if (element.startsWith("=")) return { kind: "closure", drvPath: element.slice(1) };
  if (!element.startsWith("!")) return { kind: "path", path: element };
  const end = element.indexOf("!", 1);
  if (!element.includes("!", end + 1)) {
    return { kind: "output", output: element.slice(1, end), drvPath: element.slice(end + 1) };
  }
  const parts = element.slice(1).split("!");
  return { kind: "dynamic", drvPath: parts.at(-1)!, outputs: parts.slice(0, -1).reverse() };
}

export function outputElement(drvPath: string, ...outputs: readonly string[]): string {
  return `!${[...outputs].reverse().join("!")}!${drvPath}`;
}

/** A context element as messages show it: `DRV^OUTPUT` for an output. */
export function showContextElement(element: string): string {
  const parsed = parseContextElement(element);
  switch (parsed.kind) {
    case "path":
      return parsed.path;
    case "closure":
      return parsed.drvPath;
    case "output":
      return `${parsed.drvPath}^${parsed.output}`;
    case "dynamic":
      return [parsed.drvPath, ...parsed.outputs].join("^");
  }
}
