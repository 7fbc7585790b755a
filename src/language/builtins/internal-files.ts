/** The Nix code that comes with the language: `derivation`, `<nix/fetchurl.nix>` and what `import` makes of a `.drv`. */

import { DERIVATION_SOURCE_PATH } from "../eval/compile-select.ts";
import { INTERNAL_FILES_DIR } from "../eval/internal-paths.ts";
import type { InternalFile } from "../eval/program.ts";

export const DERIVATION_FILE: string = `${INTERNAL_FILES_DIR}/derivation.nix`;
export const IMPORTED_DERIVATION_FILE: string = `${INTERNAL_FILES_DIR}/imported-derivation.nix`;
export const CALL_FLAKE_FILE: string = `${INTERNAL_FILES_DIR}/call-flake.nix`;
const FETCHURL_FILE = `${INTERNAL_FILES_DIR}/fetchurl.nix`;

const DERIVATION = `
# The function \`derivation\`: a lazy call of \`derivationStrict\`, and a set for every output.
#
# Programs can ask where an attribute is defined (\`builtins.unsafeGetAttrPos\`), and traces name lines of this file.
# So that both are as in Nix, definitions stand on the lines and in the columns that they have there:
#
#     line  column
#       31       3  the argument \`outputs\`
#       37      12  the call of \`derivationStrict\`
#       43       7  \`all\`
#       44      15  \`drvAttrs\`
#       49       5  the attribute of an output
#       50       7  \`outPath\`; 17 the call that looks the output up
#       51       7  \`drvPath\`
#       52       7  \`type\`
#       53      15  \`outputName\`
#
# A derivation is the attributes it was made from, and besides:
#
#   - one attribute per output, each a derivation like this one that stands for the output;
#   - \`all\`, the outputs in the order they were asked for;
#   - \`drvAttrs\`, the attributes it was made from, once more;
#   - \`drvPath\` and \`outPath\`, whose context makes them exist where they are used;
#   - \`outputName\`, and \`type\`, by which derivations are told from other sets.
#
# Nothing is instantiated before one of the paths is looked at: the names follow from \`outputs\`, and the rest from
# the argument alone.
#

drvAttrs@{
  outputs ? [ "out" ],
  ...
}:

let
  # All the paths at once.
  result = derivationStrict drvAttrs;

  shared =
    drvAttrs
    // builtins.listToAttrs perOutput
    // {
      all = map (output: output.value) perOutput;
      inherit drvAttrs;
    };

  entry = outputName: {
    name = outputName;
    value = shared // {
      outPath = builtins.getAttr outputName result;
      drvPath = result.drvPath;
      type = "derivation";
      inherit outputName;
    };
  };

  perOutput = map entry outputs;
in
(builtins.head perOutput).value
`;

const IMPORTED_DERIVATION = `
# What a derivation that was written to the store looks like to the expression that imports it.
drv@{ drvPath, outputs, name, ... }:
let
  perOutput = map (name: { inherit name; value = setOf name; }) outputs;
  common = builtins.listToAttrs perOutput // {
    inherit drvPath name;
    all = map (output: output.value) perOutput;
    type = "derivation";
  };
  setOf = outputName: common // { inherit outputName; outPath = drv.\${outputName}; };
in
(builtins.head perOutput).value
`;

const FETCHURL = `
# A fixed-output derivation that the builder itself downloads. Attributes and their order of precedence are Nix's, so
# that store paths agree.
{
  system ? "",
  url,
  hash ? "",
  md5 ? "",
  sha1 ? "",
  sha256 ? "",
  sha512 ? "",
  outputHash ?
    if hash != "" then hash
    else if sha512 != "" then sha512
    else if sha1 != "" then sha1
    else if md5 != "" then md5
    else sha256,
  outputHashAlgo ?
    if hash != "" then ""
    else if sha512 != "" then "sha512"
    else if sha1 != "" then "sha1"
    else if md5 != "" then "md5"
    else "sha256",
  executable ? false,
  unpack ? false,
  name ? baseNameOf (toString url),
  impure ? false,
}:
derivation (
  {
    inherit name url executable unpack;
    builder = "builtin:fetchurl";
    system = "builtin";
    outputHashMode = if unpack || executable then "recursive" else "flat";
    preferLocalBuild = true;
    impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
    urls = [ url ];
  }
  // (if impure then { __impure = true; } else { inherit outputHashAlgo outputHash; })
)
`;

const CALL_FLAKE = `
# Makes the value of a flake. Takes its lock file as JSON, what is known already of some of the lock's nodes (where
# their trees are), and how the tree of any other node is fetched.
lockText: known: fetchTree:
let
  inherit (builtins) foldl' isFunction isList mapAttrs substring;

  lock = builtins.fromJSON lockText;

  # The node that an input is: named as such, or by the path that it follows from the root on.
  nodeOf = input: if isList input then foldl' (name: step: nodeOf lock.nodes.\${name}.inputs.\${step}) lock.root input else input;

  made = mapAttrs (
    name: node:
    let
      isKnown = known ? \${name};
      isRelative = node.locked.type or null == "path" && substring 0 1 node.locked.path != "/";
      parent = made.\${nodeOf node.parent};
      below = base: path: if path == "" then base else base + "/" + path;

      sourceInfo =
        if isKnown then known.\${name}.sourceInfo
        else if isRelative then parent.sourceInfo
        else fetchTree (node.info or { } // removeAttrs node.locked [ "dir" ]);

      outPath =
        if !isKnown && isRelative then below parent.outPath node.locked.path
        else below sourceInfo.outPath (known.\${name}.dir or node.locked.dir or "");

      flake = import (outPath + "/flake.nix");
      inputs = mapAttrs (_: input: made.\${nodeOf input}.result) (node.inputs or { });
      outputs = flake.outputs (inputs // { self = value; });
      value = outputs // sourceInfo // {
        inherit outPath inputs outputs sourceInfo;
        _type = "flake";
      };
    in
    {
      inherit outPath sourceInfo;
      result =
        if node.flake or true then assert isFunction flake.outputs; value
        else sourceInfo // { inherit sourceInfo outPath; };
    }
  ) lock.nodes;
in
made.\${lock.root}.result
`;

export const INTERNAL_FILES: ReadonlyMap<string, InternalFile> = new Map([
  [DERIVATION_FILE, { shownAs: DERIVATION_SOURCE_PATH, text: DERIVATION }],
  [IMPORTED_DERIVATION_FILE, { shownAs: DERIVATION_SOURCE_PATH, text: IMPORTED_DERIVATION }],
  [CALL_FLAKE_FILE, { shownAs: "«flakes-internal»/call-flake.nix", text: CALL_FLAKE }],
  [FETCHURL_FILE, { shownAs: "<nix/fetchurl.nix>", text: FETCHURL }],
]);
