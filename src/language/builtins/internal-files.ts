/** The Nix code that comes with the language: `derivation`, `<nix/fetchurl.nix>` and what `import` makes of a `.drv`. */

import { DERIVATION_SOURCE_PATH } from "../eval/compile-select.ts";
import type { InternalFile } from "../eval/program.ts";
import { INTERNAL_FILES_DIR } from "./lookup-path.ts";

export const DERIVATION_FILE: string = `${INTERNAL_FILES_DIR}/derivation.nix`;
export const IMPORTED_DERIVATION_FILE: string = `${INTERNAL_FILES_DIR}/imported-derivation.nix`;
const FETCHURL_FILE = `${INTERNAL_FILES_DIR}/fetchurl.nix`;

const DERIVATION = `
# Calls derivationStrict lazily, and gives every output a set of its own.
drvAttrs@{ outputs ? [ "out" ], ... }:
let
  made = derivationStrict drvAttrs;
  perOutput = map (name: { inherit name; value = setOf name; }) outputs;
  common = drvAttrs // builtins.listToAttrs perOutput // {
    inherit drvAttrs;
    all = map (output: output.value) perOutput;
  };
  setOf = outputName: common // {
    inherit outputName;
    inherit (made) drvPath;
    outPath = made.\${outputName};
    type = "derivation";
  };
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

export const INTERNAL_FILES: ReadonlyMap<string, InternalFile> = new Map([
  [DERIVATION_FILE, { shownAs: DERIVATION_SOURCE_PATH, text: DERIVATION }],
  [IMPORTED_DERIVATION_FILE, { shownAs: DERIVATION_SOURCE_PATH, text: IMPORTED_DERIVATION }],
  [FETCHURL_FILE, { shownAs: "<nix/fetchurl.nix>", text: FETCHURL }],
]);
