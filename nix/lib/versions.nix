# Versions.
{ lib }:
let
  inherit (builtins) compareVersions concatStringsSep elemAt splitVersion;
  older = left: right: compareVersions right left == 1;
in
rec {
  versionOlder = older;
  versionAtLeast = left: right: !older left right;
  inherit splitVersion;
  major = version: elemAt (splitVersion version) 0;
  minor = version: elemAt (splitVersion version) 1;
  patch = version: elemAt (splitVersion version) 2;
  majorMinor = version: concatStringsSep "." (lib.take 2 (splitVersion version));
}
