# What packages say about themselves.
{ lib }:
let
  getExe' =
    package: name:
    if builtins.match ".*/.*" name != null then
      throw "lib.getExe': the second argument must be a program's name, not a path: ${name}"
    else
      "${lib.getBin package}/bin/${name}";
in
{
  inherit getExe';
  getExe = package: getExe' package (package.meta.mainProgram or (lib.getName package));
  addMetaAttrs = attributes: package: package // { meta = package.meta or { } // attributes; };
  setName = name: package: package // { inherit name; };
  lowPrio = package: package // { meta = package.meta or { } // { priority = 10; }; };
  hiPrio = package: package // { meta = package.meta or { } // { priority = -10; }; };
}
