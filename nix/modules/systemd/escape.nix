# Names and words as systemd writes them.
{ lib }:
let
  inherit (builtins) elem genList hashString isString match replaceStrings stringLength substring;
  inherit (lib) concatStrings concatMapStrings stringToCharacters;

  escapeCharacter =
    character:
    if match "[a-zA-Z0-9:_.]" character != null then
      character
    else if character == "/" then
      "-"
    else
      "\\x${lib.toLower (lib.fixedWidthString 2 "0" (lib.toHexString (lib.strings.charToInt character)))}";
in
rec {
  # A path as the name of its mount unit: /var/lib/my-app is var-lib-my\x2dapp.
  escapeSystemdPath =
    path:
    let
      parts = builtins.filter (part: isString part && part != "") (builtins.split "/+" (toString path));
      joined = builtins.concatStringsSep "/" parts;
      characters = stringToCharacters joined;
      first = builtins.head characters;
    in
    if parts == [ ] then
      "-"
    else if elem "." parts || elem ".." parts then
      throw "The path '${toString path}' cannot name a mount unit: it has a '.' or '..' in it."
    else if first == "." then
      "\\x2e" + concatMapStrings escapeCharacter (builtins.tail characters)
    else
      concatMapStrings escapeCharacter characters;

  # One word of an ExecStart= line that means itself.
  escapeSystemdExecArg =
    argument:
    let
      text = toString argument;
    in
    replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON text);
  escapeSystemdExecArgs = arguments: lib.concatMapStringsSep " " escapeSystemdExecArg arguments;

  # A shell as /etc/passwd has it: of a package, its program in /usr/bin.
  toShellPath =
    shell: if lib.isDerivation shell then "/usr/bin/${shell.meta.mainProgram or shell.pname}" else toString shell;
}
