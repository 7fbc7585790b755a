/** A flake whose inputs are directories: what a flake gives when its own inputs cannot be downloaded, or should be others. */

import { nixString } from "./probe.ts";

/**
 * The text of a flake with the input `flake` at `directory`, some of whose inputs are replaced: `a` is its own,
 * `a/b` an input of that one.
 */
export function flakeWithInputs(directory: string, inputs: ReadonlyMap<string, string>): string {
  const urls = [...inputs].map(([name, replacement]) => {
    const path = name.split("/").map((part) => `.inputs.${nixString(part)}`);
    return `  inputs.flake${path.join("")}.url = ${nixString(`path:${replacement}`)};\n`;
  });
  return `{
  inputs.flake.url = ${nixString(`path:${directory}`)};
${urls.join("")}  outputs = inputs: { };
}
`;
}
