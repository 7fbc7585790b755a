# Sources: local files and directories without what does not belong to them.
{ lib }:
let
  inherit (builtins) baseNameOf filterSource match;

  unwanted =
    path: kind:
    let
      name = baseNameOf (toString path);
    in
    (name == ".git" && (kind == "directory" || kind == "regular"))
    || name == ".svn"
    || name == "CVS"
    || name == ".hg"
    || lib.hasSuffix "~" name
    || match "\\.sw[a-z]|\\..*\\.sw[a-z]" name != null
    || match ".*\\.o" name != null
    || match ".*\\.so" name != null
    || (kind == "symlink" && (name == "result" || lib.hasPrefix "result-" name))
    || kind == "unknown";
  cleanSourceFilter = path: kind: !unwanted path kind;
  cleanSourceWith =
    {
      src,
      filter ? (_: _: true),
      name ? "source",
    }:
    builtins.path {
      path = src;
      inherit filter name;
    };
in
{
  inherit cleanSourceFilter cleanSourceWith;
  cleanSource =
    src:
    cleanSourceWith {
      inherit src;
      filter = cleanSourceFilter;
    };
  sourceByRegex =
    src: patterns:
    cleanSourceWith {
      inherit src;
      filter =
        path: _:
        let
          relative = lib.removePrefix (toString src + "/") (toString path);
        in
        lib.any (pattern: match pattern relative != null) patterns;
    };
}
