# Calls of ordinary functions. nixpkgs' lib gives the same values: test/nix/lib.test.ts compares when it has one.
{ lib }:
let
  set = {
    a = 1;
    b = {
      c = 2;
      d.e = 3;
    };
  };
  inherit (lib) generators strings;
in
{
  trivial = {
    pipe = lib.pipe 2 [
      (x: x + 1)
      (x: x * 2)
    ];
    flip = lib.flip (a: b: a - b) 1 2;
    id = lib.id 1;
    const = lib.const 1 2;
    boolToString = map lib.boolToString [
      true
      false
    ];
    mod = lib.mod 7 3;
    xor = lib.xor true false;
    hex = map lib.toHexString [
      0
      255
      4096
    ];
    digits = lib.toBaseDigits 2 10;
    fromHex = lib.fromHexString "ff";
    min = lib.min 1 2;
    max = lib.max 1 2;
    compare = lib.compare 1 2;
    mapNullable = lib.mapNullable (x: x + 1) null;
    functionArgs = lib.functionArgs (lib.setFunctionArgs (x: x) { a = false; });
    isFunction = map lib.isFunction [
      (x: x)
      { __functor = _: x: x; }
      1
    ];
    defaultTo = lib.defaultTo 1 null;
  };

  lists = {
    range = lib.range 2 5;
    rangeEmpty = lib.range 5 2;
    flatten = lib.flatten [
      1
      [
        2
        [ 3 ]
      ]
      [ ]
    ];
    foldr = lib.foldr (x: acc: "${toString x}${acc}") "" [
      1
      2
      3
    ];
    foldl = lib.foldl (acc: x: "${acc}${toString x}") "" [
      1
      2
      3
    ];
    optional = lib.optional true 1 ++ lib.optionals false [ 2 ];
    unique = lib.unique [
      3
      1
      3
      "a"
      "a"
    ];
    uniqueStrings = lib.unique [
      "b"
      "a"
      "b"
    ];
    take = lib.take 2 [
      1
      2
      3
    ];
    takeMany = lib.take 9 [ 1 ];
    drop = lib.drop 2 [
      1
      2
      3
    ];
    sublist = lib.sublist 1 3 [
      1
      2
      3
    ];
    last = lib.last [
      1
      2
    ];
    init = lib.init [
      1
      2
    ];
    reverse = lib.reverseList [
      1
      2
      3
    ];
    zip = lib.zipListsWith (a: b: a + b) [ 1 2 ] [ 3 4 5 ];
    zipLists = lib.zipLists [ 1 ] [ "a" ];
    imap0 = lib.imap0 (i: x: "${toString i}${x}") [ "a" "b" ];
    imap1 = lib.imap1 (i: x: "${toString i}${x}") [ "a" "b" ];
    findFirst = lib.findFirst (x: x > 1) null [ 1 2 3 ];
    findFirstNone = lib.findFirst (x: x > 9) "none" [ 1 2 3 ];
    findSingle = lib.findSingle (x: x == 3) "none" "multiple" [ 1 3 3 ];
    remove = lib.remove 3 [ 1 3 4 3 ];
    count = lib.count (x: x == 3) [ 3 2 3 ];
    intersect = lib.intersectLists [ 1 2 3 ] [ 6 3 2 ];
    subtract = lib.subtractLists [ 3 2 ] [ 1 2 3 4 ];
    toList = map lib.toList [ [ 1 ] 2 ];
    replicate = lib.replicate 3 "a";
    groupBy = lib.groupBy (x: if x > 2 then "big" else "small") [ 1 2 3 4 ];
    groupBy' = lib.groupBy' builtins.add 0 (x: if x > 2 then "big" else "small") [ 1 2 3 4 ];
    sortOn = lib.sortOn builtins.stringLength [ "aaa" "b" "cc" ];
    naturalSort = lib.naturalSort [ "disk11" "disk8" "disk100" "disk9" ];
    compareLists = lib.compareLists lib.compare [ 1 2 ] [ 1 3 ];
    toposort = lib.toposort (a: b: a < b) [ 3 2 1 ];
    toposortCycle = (lib.toposort (a: b: true) [ 3 2 ]) ? cycle;
    crossLists = lib.crossLists (x: y: "${toString x}${toString y}") [ [ 1 2 ] [ 3 4 ] ];
    mutuallyExclusive = lib.mutuallyExclusive [ 1 2 ] [ 3 ];
    allUnique = lib.allUnique [ 1 2 1 ];
    ifilter0 = lib.ifilter0 (i: v: i == 0 || v > 2) [ 1 2 3 ];
    singleton = lib.singleton 1;
    partition = lib.partition (x: x > 2) [ 5 1 2 3 4 ];
  };

  attrsets = {
    attrByPath = lib.attrByPath [ "b" "d" "e" ] 9 set;
    attrByPathMissing = lib.attrByPath [ "b" "x" "e" ] 9 set;
    hasAttrByPath = map (path: lib.hasAttrByPath path set) [
      [ "b" "c" ]
      [ "b" "z" ]
      [ ]
    ];
    setAttrByPath = lib.setAttrByPath [ "x" "y" ] 1;
    getAttrFromPath = lib.getAttrFromPath [ "b" "c" ] set;
    filterAttrs = lib.filterAttrs (n: v: n == "a") set;
    filterAttrsRecursive = lib.filterAttrsRecursive (n: v: v != null) {
      a = null;
      b.c = null;
      b.d = 1;
    };
    mapAttrs' = lib.mapAttrs' (n: v: lib.nameValuePair "x-${n}" v) set;
    mapAttrsToList = lib.mapAttrsToList (n: v: n) set;
    mapAttrsRecursive = lib.mapAttrsRecursive (path: value: lib.concatStringsSep "-" (path ++ [ (toString value) ])) set;
    mapAttrsRecursiveCond = lib.mapAttrsRecursiveCond (as: !(as ? c)) (path: value: path) set;
    recursiveUpdate = lib.recursiveUpdate set {
      b.c = 9;
      b.d = 4;
      f = 1;
    };
    recursiveUpdateUntil = lib.recursiveUpdateUntil (path: l: r: path == [ "foo" ]) {
      foo.bar = 1;
      foo.quux = 2;
      bar.x = 1;
    } {
      foo.bar = 3;
      bar.y = 4;
    };
    genAttrs = lib.genAttrs [ "x" "y" ] (n: "${n}!");
    zipAttrs = lib.zipAttrs [
      { a = 1; }
      {
        a = 2;
        b = 3;
      }
    ];
    zipAttrsWith = lib.zipAttrsWith (name: values: "${name}${toString values}") [
      { a = 1; }
      {
        a = 2;
        b = 3;
      }
    ];
    foldAttrs = lib.foldAttrs (item: acc: [ item ] ++ acc) [ ] [
      { a = 2; }
      { a = 3; }
    ];
    foldlAttrs = lib.foldlAttrs (acc: n: v: acc + n) "" set;
    collect = lib.collect builtins.isInt set;
    cartesianProduct = lib.cartesianProduct {
      a = [ 1 2 ];
      b = [ 3 4 ];
    };
    concatMapAttrs = lib.concatMapAttrs (n: v: { "${n}1" = 1; "${n}2" = 2; }) { x = 0; };
    attrsToList = lib.attrsToList { a = 1; };
    attrVals = lib.attrVals [ "a" ] set;
    getAttrs = lib.getAttrs [ "a" ] set;
    optionalAttrs = lib.optionalAttrs false set;
    mergeAttrsList = lib.mergeAttrsList [ { a = 1; } { a = 2; } ];
    matchAttrs = map (pattern: lib.matchAttrs pattern set) [
      { b.c = 2; }
      { b.c = 3; }
    ];
    overrideExisting = lib.overrideExisting { a = 1; b = 2; } { a = 3; c = 4; };
    showAttrPath = lib.showAttrPath [ "foo" "10" "bar" ];
    updateManyAttrsByPath = lib.updateManyAttrsByPath [
      {
        path = [ "b" "c" ];
        update = old: old + 1;
      }
    ] set;
    longestValidPathPrefix = lib.attrsets.longestValidPathPrefix [ "b" "x" "e" ] set;
    isDerivation = map lib.isDerivation [ { type = "derivation"; } { } 1 ];
  };

  strings = {
    concatMapStrings = lib.concatMapStrings (x: x + "!") [ "a" "b" ];
    concatMapStringsSep = lib.concatMapStringsSep ", " (x: x + "!") [ "a" "b" ];
    concatImapStringsSep = lib.concatImapStringsSep "-" (i: x: x + toString i) [ "a" "b" ];
    concatMapAttrsStringSep = lib.concatMapAttrsStringSep "," (n: v: "${n}${toString v}") { a = 1; b = 2; };
    concatLines = lib.concatLines [ "a" "b" ];
    intersperse = lib.intersperse "/" [ "a" "b" "c" ];
    optionalString = lib.optionalString true "x" + lib.optionalString false "y";
    prefix = [
      (lib.hasPrefix "foo" "foobar")
      (lib.hasSuffix "foo" "foobar")
      (lib.hasInfix "ob" "foobar")
      (lib.hasInfix "." "foobar")
      (lib.hasInfix "x\ny" "ax\nyb")
      (lib.removePrefix "foo." "foo.bar")
      (lib.removeSuffix "bar" "foobar")
    ];
    splitString = map (lib.splitString ".") [
      "foo.bar.baz"
      ""
      "."
    ];
    stringToCharacters = lib.stringToCharacters "abc";
    escape = lib.escape [ "(" ")" ] "(foo)";
    escapeRegex = lib.escapeRegex "[^a-z]*";
    escapeShellArg = map lib.escapeShellArg [
      "esc'ape\nme"
      "plain-1.0"
      ""
      "a b"
    ];
    escapeShellArgs = lib.escapeShellArgs [ "one" "two three" "four'five" ];
    escapeNixString = strings.escapeNixString "hello\${}\n\"";
    escapeNixIdentifier = map strings.escapeNixIdentifier [
      "hello"
      "0abc"
      "a-b"
      "if"
      "x y"
    ];
    escapeXML = lib.escapeXML ''"test" 'test' < & >'';
    escapeURL = lib.escapeURL "foo/bar baz?";
    toLower = lib.toLower "ABC-x";
    toUpper = lib.toUpper "abc-X";
    toSentenceCase = lib.toSentenceCase "home";
    toCamelCase = lib.toCamelCase "foo-bar baz";
    toInt = map lib.toInt [ "1337" "-4" " 123 " "0" ];
    toIntBase10 = lib.toIntBase10 "00024";
    fixedWidthString = lib.fixedWidthString 5 "0" "15";
    fixedWidthNumber = lib.fixedWidthNumber 5 15;
    trim = map lib.trim [ "  hello\n " "" "   " "a  b" ];
    trimWith = lib.trimWith { start = true; } "  hello  ";
    trimEnd = lib.trimWith { end = true; } "  hello  ";
    versions = [
      (lib.versionOlder "1.1" "1.2")
      (lib.versionAtLeast "1.1" "1.1")
      (lib.versions.major "1.2.3")
      (lib.versions.majorMinor "1.2.3")
    ];
    getName = lib.getName "youtube-dl-2016.01.01";
    getVersion = lib.getVersion { name = "youtube-dl-2016.01.01"; };
    makeBinPath = lib.makeBinPath [ "/a" "/b" ];
    makeSearchPath = lib.makeSearchPath "x" [ "/a" "/b" ];
    toShellVars = lib.toShellVars {
      a = 1;
      b = [ "x y" ];
      c.d = "e";
    };
    nameFromURL = lib.nameFromURL "https://x.org/a/b-1.0.tar.gz" "-";
    sanitize = map strings.sanitizeDerivationName [
      "../hello.bar # foo"
      ""
      "..a"
    ];
    normalizePath = strings.normalizePath "/a//b///c/";
    commonPrefixLength = strings.commonPrefixLength "foobar" "foobaz";
    levenshtein = map (pair: lib.strings.levenshtein (builtins.elemAt pair 0) (builtins.elemAt pair 1)) [
      [ "foo" "foo" ]
      [ "book" "hook" ]
      [ "hello" "Heyo" ]
      [ "" "abc" ]
      [ "kitten" "sitting" ]
    ];
    replicate = lib.strings.replicate 3 "ab";
    isStringLike = map lib.isStringLike [ "a" { outPath = "x"; } 1 ];
    isConvertible = map strings.isConvertibleWithToString [ 1 null [ 1 "a" ] { } (x: x) ];
    isStorePath = map strings.isStorePath [
      "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-python-2.7.11/bin/python"
      "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-python-2.7.11"
      [ ]
      42
      "/nix/store"
    ];
    splitStringBy = lib.strings.splitStringBy (prev: curr: curr == ".") false "a.b.c";
    fileContents = builtins.isString (lib.fileContents ./function-cases.nix);
  };

  generators = {
    keyValue = generators.toKeyValue { } {
      a = 1;
      b = "x";
      c = true;
    };
    keyValueList = generators.toKeyValue { listsAsDuplicateKeys = true; } { a = [ 1 2 ]; };
    ini = generators.toINI { } {
      foo = {
        hi = "x";
        ciao = 42;
      };
      "a[b" = {
        "x=y" = null;
      };
    };
    iniGlobal = generators.toINIWithGlobalSection { } {
      globalSection.someKey = 7;
      sections.foo.hi = "x";
    };
    gitIni = generators.toGitINI {
      user.name = "A B";
      url."ssh://git@x/".insteadOf = "https://x";
      core.bare = false;
    };
    json = generators.toJSON { } { a = [ 1 null ]; };
    pretty = generators.toPretty { } {
      a = 1;
      b = [ "x" { } [ ] ];
      c = "two\nlines\n";
      "d e" = x: x;
      f = { a, b ? 1 }: a;
      n = null;
      t = true;
    };
    prettyFlat = generators.toPretty { multiline = false; } {
      a = [ 1 ];
      b.c = "x";
    };
  };

  fixedPoints = {
    fix = (lib.fix (self: { a = 1; b = self.a + 1; })).b;
    extends = (lib.fix (lib.extends (final: prev: { a = prev.a + 10; }) (self: { a = 1; b = self.a; }))).b;
    compose = (lib.composeManyExtensions [ (f: p: { a = p.a + 1; }) (f: p: { a = p.a * 2; }) ] { } { a = 1; }).a;
    extensible = ((lib.makeExtensible (self: { a = 1; b = self.a; })).extend (f: p: { a = 5; })).b;
  };

  options = {
    showOption = map lib.showOption [
      [ "foo" "bar" "baz" ]
      [ "foo" "bar.baz" "tux" ]
      [ "windowManager" "2bwm" "enable" ]
      [ "a" "<name>" "b" ]
      [ "a" "*" "b" ]
    ];
  };
}
