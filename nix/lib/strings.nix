# Strings.
{ lib }:
let
  inherit (builtins)
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    fromJSON
    genList
    head
    isAttrs
    isInt
    isList
    isPath
    isString
    length
    match
    replaceStrings
    split
    stringLength
    substring
    tail
    toJSON
    typeOf
    unsafeDiscardStringContext
    ;
  inherit (lib.attrsets) mapAttrsToList;
  inherit (lib.lists) imap0 imap1;

  stringToCharacters = text: genList (index: substring index 1 text) (stringLength text);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      size = stringLength text;
      suffixSize = stringLength suffix;
    in
    size >= suffixSize && substring (size - suffixSize) suffixSize text == suffix;
  hasInfix = infix: text: match ".*${escapeRegex infix}.*" (replaceStrings [ "\n" ] [ " " ] (toString text)) != null || hasInfixExactly infix text;
  # A line end matches no regular expression's dot.
  hasInfixExactly = infix: text: infix != "" && replaceStrings [ infix ] [ "" ] (toString text) != toString text;
  removePrefix =
    prefix: text:
    if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;

  escape = characters: replaceStrings characters (map (character: "\\${character}") characters);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text == null then
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'"
    else
      text;
  escapeShellArgs = lib.concatMapStringsSep " " escapeShellArg;

  isIdentifier = text: match "[a-zA-Z_][a-zA-Z0-9_'-]*" text != null;
  keywords = [
    "assert"
    "else"
    "if"
    "in"
    "inherit"
    "let"
    "or"
    "rec"
    "then"
    "with"
  ];
  escapeNixString = text: replaceStrings [ "$" ] [ "\\$" ] (toJSON text);
  escapeNixIdentifier =
    text: if isIdentifier text && !(elem text keywords) then text else escapeNixString text;

  lower = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upper = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;

  splitString =
    separator: text:
    map (part: addContextFrom text part) (
      filter isString (split (escapeRegex (toString separator)) (unsafeDiscardStringContext (toString text)))
    );
  addContextFrom = source: target: substring 0 0 source + target;

  isStringLike = value: isString value || isPath value || value ? outPath || value ? __toString;
  isConvertibleWithToString =
    value:
    let
      kind = typeOf value;
    in
    isStringLike value
    || elem kind [
      "null"
      "int"
      "float"
      "bool"
    ]
    || (kind == "list" && builtins.all isConvertibleWithToString value);

  isStorePath =
    value:
    if isStringLike value then
      let
        text = toString value;
      in
      substring 0 1 text == "/"
      && (
        dirOf text == builtins.storeDir
        || match "/[0-9a-z]{52}" text != null
      )
    else
      false;

  trimWith =
    {
      start ? false,
      end ? false,
    }:
    text:
    let
      blank = "[ \t\r\n]*";
      found = match "${if start then blank else ""}(.*[^ \t\r\n]|)${if end then blank else ""}" text;
      onlyStart = match "${blank}(.*)" text;
    in
    if start && end then
      (if found == null then "" else head found)
    else if start then
      head onlyStart
    else if end then
      (if found == null then "" else head found)
    else
      text;

  toInt =
    text:
    let
      found = match "[ \t]*(-?)(0*)([0-9]+)[ \t]*" text;
      sign = elemAt found 0;
      zeros = elemAt found 1;
      digits = elemAt found 2;
    in
    if found == null then
      throw "toInt: Could not convert ${escapeNixString text} to int."
    else if zeros != "" then
      throw "toInt: Ambiguity in interpretation of ${escapeNixString text} between octal and zero padded integer."
    else
      fromJSON "${sign}${digits}";

  toIntBase10 =
    text:
    let
      found = match "[ \t]*(-?)0*([0-9]+)[ \t]*" text;
    in
    if found == null then
      throw "toIntBase10: Could not convert ${escapeNixString text} to int."
    else
      fromJSON "${head found}${elemAt found 1}";

  fixedWidthString =
    width: filler: text:
    let
      size = stringLength text;
      fillerSize = stringLength filler;
      missing = width - size;
    in
    if missing < 0 then
      throw "fixedWidthString: requested string length (${toString width}) must not be shorter than actual length (${toString size})"
    else if missing == 0 then
      text
    else
      substring 0 missing (concatStringsSep "" (genList (_: filler) (missing / (if fillerSize == 0 then 1 else fillerSize) + 1))) + text;

  versionOlder = left: right: builtins.compareVersions right left == 1;

  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar =
    name: value:
    if !isValidPosixName name then
      throw "toShellVar: ${name} is not a valid shell variable name"
    else if isAttrs value && !isStringLike value then
      "declare -A ${name}=(${
        concatStringsSep " " (mapAttrsToList (key: item: "[${escapeShellArg key}]=${escapeShellArg item}") value)
      })"
    else if isList value then
      "declare -a ${name}=(${escapeShellArgs value})"
    else
      "${name}=${escapeShellArg value}";
in
{
  inherit (builtins)
    concatStringsSep
    stringLength
    substring
    isString
    replaceStrings
    compareVersions
    hashString
    toJSON
    fromJSON
    unsafeDiscardStringContext
    baseNameOf
    ;
  inherit
    stringToCharacters
    hasPrefix
    hasSuffix
    hasInfix
    removePrefix
    removeSuffix
    escape
    escapeRegex
    escapeShellArg
    escapeShellArgs
    escapeNixString
    escapeNixIdentifier
    toLower
    toUpper
    splitString
    addContextFrom
    isStringLike
    isConvertibleWithToString
    isStorePath
    toInt
    toIntBase10
    fixedWidthString
    versionOlder
    isValidPosixName
    toShellVar
    ;

  versionAtLeast = left: right: !versionOlder left right;
  isCoercibleToString = lib.strings.isConvertibleWithToString;
  concatStrings = concatStringsSep "";
  concatMapStrings = function: list: concatStringsSep "" (map function list);
  concatImapStrings = function: list: concatStringsSep "" (imap1 function list);
  concatMapStringsSep =
    separator: function: list:
    concatStringsSep separator (map function list);
  concatImapStringsSep =
    separator: function: list:
    concatStringsSep separator (imap1 function list);
  concatMapAttrsStringSep =
    separator: function: set:
    concatStringsSep separator (mapAttrsToList function set);
  concatLines = lib.concatMapStrings (line: line + "\n");
  intersperse =
    separator: list:
    if list == [ ] || length list == 1 then
      list
    else
      tail (
        concatMap (item: [
          separator
          item
        ]) list
      );
  replicate = count: text: lib.concatStrings (genList (_: text) count);
  replaceString = from: to: replaceStrings [ from ] [ to ];
  optionalString = condition: text: if condition then text else "";
  trim = trimWith {
    start = true;
    end = true;
  };
  inherit trimWith;
  splitStringBy =
    predicate: keep: text:
    let
      result =
        foldl'
          (
            state: character:
            if predicate state.previous character then
              {
                previous = character;
                done = state.done ++ [ state.word ];
                word = if keep then character else "";
              }
            else
              {
                previous = character;
                inherit (state) done;
                word = state.word + character;
              }
          )
          {
            previous = "";
            done = [ ];
            word = "";
          }
          (stringToCharacters text);
    in
    result.done ++ [ result.word ];
  makeSearchPath =
    subdirectory: paths:
    concatStringsSep ":" (map (path: "${path}/${subdirectory}") (filter (path: path != null) paths));
  makeSearchPathOutput =
    output: subdirectory: packages:
    lib.makeSearchPath subdirectory (map (lib.getOutput output) packages);
  makeLibraryPath = lib.makeSearchPathOutput "lib" "lib";
  makeIncludePath = lib.makeSearchPathOutput "dev" "include";
  makeBinPath = lib.makeSearchPathOutput "bin" "bin";
  normalizePath =
    text:
    lib.foldl' (done: character: if character == "/" && hasSuffix "/" done then done else done + character) "" (stringToCharacters text);

  escapeC = characters: replaceStrings characters (map (character: "\\x${toLower (lib.toHexString (lib.strings.charToInt character))}") characters);
  # A byte's number. Nix has no way to write the bytes above 127 one by one: they are cut out of characters that JSON can name.
  charToInt =
    let
      printable = stringToCharacters " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
      hex = number: fixedWidthString 4 "0" (lib.toHexString number);
      byteOf = index: escape: substring index 1 (fromJSON "\"${escape}\"");
      entry = value: name: { inherit name value; };
      numbers = first: count: genList (index: first + index) count;
      table = builtins.listToAttrs (
        imap0 (index: entry (index + 32)) printable
        ++ map (number: entry number (byteOf 0 "\\u${hex number}")) (numbers 1 31 ++ [ 127 ])
        ++ map (number: entry number (byteOf 1 "\\u${hex number}")) (numbers 128 64)
        ++ map (number: entry number (byteOf 0 "\\u${hex ((number - 192) * 64)}")) (numbers 194 30)
        ++ map (number: entry number (byteOf 0 "\\u${hex (if number == 224 then 2048 else (number - 224) * 4096)}")) (numbers 224 16)
        ++ imap0 (index: pair: entry (240 + index) (byteOf 0 pair)) [
          "\\uD800\\uDC00"
          "\\uD8C0\\uDC00"
          "\\uD9C0\\uDC00"
          "\\uDAC0\\uDC00"
          "\\uDBC0\\uDC00"
        ]
      );
    in
    character: table.${character};
  escapeURL =
    text:
    lib.concatMapStrings (
      character:
      if match "[A-Za-z0-9_.~-]" character != null then
        character
      else
        "%${fixedWidthString 2 "0" (lib.toHexString (lib.strings.charToInt character))}"
    ) (stringToCharacters text);
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  toSentenceCase =
    text:
    toUpper (substring 0 1 text) + toLower (substring 1 (-1) text);
  toCamelCase =
    text:
    let
      words = filter (word: isString word && word != "") (split "[ _-]+" text);
    in
    lib.concatStrings (imap0 (index: word: if index == 0 then toLower word else lib.strings.toSentenceCase word) words);
  toShellVars = set: concatStringsSep "\n" (mapAttrsToList toShellVar set);
  nameFromURL = url: separator: head (splitString separator (lib.last (splitString "/" url)));
  getName =
    package:
    if isString package then (builtins.parseDrvName package).name else package.pname or (builtins.parseDrvName package.name).name;
  getVersion =
    package:
    if isString package then (builtins.parseDrvName package).version else package.version or (builtins.parseDrvName package.name).version;
  floatToString = value: toString value;
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);
  commonPrefixLength =
    left: right:
    let
      most = if stringLength left < stringLength right then stringLength left else stringLength right;
      go = index: if index < most && substring index 1 left == substring index 1 right then go (index + 1) else index;
    in
    go 0;
  levenshtein = lib.moduleErrors.editDistance;
  readPathsFromFile = root: file: map (line: root + "/${line}") (filter (line: line != "" && !hasPrefix "#" line) (splitString "\n" (builtins.readFile file)));
  sanitizeDerivationName =
    text:
    let
      plain = unsafeDiscardStringContext (toString text);
      withoutDots = head (match "\\.*(.*)" plain);
      parts = split "[^[:alnum:]+._?=-]+" withoutDots;
      joined = lib.concatMapStrings (part: if isString part then part else "-") parts;
      size = stringLength joined;
      short = if size > 207 then substring (size - 207) (-1) joined else joined;
    in
    if short == "" then "unknown" else short;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
}
