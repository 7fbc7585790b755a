# Values whose text depends on details that engines get wrong, for comparing them between engines.
let
  derivations = import ./derivations.nix;
in
{
  outPaths = builtins.mapAttrs (_: drv: drv.outPath) derivations;
  drvPaths = builtins.mapAttrs (_: drv: drv.drvPath) derivations;
  placeholderOfOutput = derivations.contentAddressed.x;
  context = builtins.getContext "${derivations.user} ${derivations.manyOutputs.dev}${derivations.manyOutputs} ${derivations.closure.drvPath} ${./src}";
  xml = builtins.toXML {
    a = 1;
    b = x: x;
    c =
      {
        a,
        b ? 1,
        ...
      }@z:
      1;
    d = derivations.plain;
    l = [
      1.5
      null
      true
      ./src
    ];
    s = "<&\"\n";
  };
  jsonNumbers = builtins.toJSON [
    1
    1.5
    1.0
    1.0e100
    1.0e-7
    123456789.123
    0.1
    (-0.0)
    1.7976931348623157e308
    100000000000000.0
    1000000000000000.0
    1.0e15
    1.0e16
    1.0e-4
    1.0e-5
    9223372036854775807
  ];
  jsonText = builtins.toJSON "\t\n\r\"\\/é€";
  fromJson = builtins.fromJSON ''{"a":[1,1.0,-5,1e2,"\u00e9\ud83d\ude00",null,true],"b":{},"a":2}'';
  floats = map toString [
    1.5
    0.1
    1.0e100
    1.0e-7
    123456789.123
    0.5
    2.5
    0.0078125
  ];
  hashes = map (type: builtins.hashString type "x") [
    "md5"
    "sha1"
    "sha256"
    "sha512"
  ];
  convertedHash = builtins.convertHash {
    hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    toHashFormat = "nix32";
  };
  versions = map (pair: builtins.compareVersions (builtins.elemAt pair 0) (builtins.elemAt pair 1)) [
    [
      "1.0"
      "2.3"
    ]
    [
      "2.3.1"
      "2.3a"
    ]
    [
      "2.3pre1"
      "2.3"
    ]
    [
      "2.3pre3"
      "2.3pre12"
    ]
    [
      "2.3pre1"
      "2.3q"
    ]
  ];
  names = map builtins.parseDrvName [
    "nix-0.12pre12876"
    "hello"
    "a-b-1-2"
    "x-"
    "-1"
    "a-1b"
  ];
  baseNames = map baseNameOf [
    "a/b/"
    "/"
    ""
    "/a"
  ];
  directories = map dirOf [
    "a/b/"
    "/"
    ""
    "/a"
    "a"
  ];
  replaced = builtins.replaceStrings [ "" "a" ] [ "X" "Y" ] "banana";
  parts = [
    (builtins.substring 1 (-1) "abc")
    (builtins.substring 5 2 "abc")
    (builtins.stringLength "é")
  ];
  arguments = builtins.functionArgs (
    {
      a,
      b ? 1,
    }:
    1
  );
  sorted = builtins.sort (a: b: a.key < b.key) [
    {
      key = 2;
      at = 1;
    }
    {
      key = 1;
      at = 2;
    }
    {
      key = 2;
      at = 3;
    }
    {
      key = 1;
      at = 4;
    }
  ];
  less = [
    (
      [
        1
        2
      ] < [
        1
        3
      ]
    )
    ([ 1 ] < [
      1
      2
    ])
    (/a < /b)
    ("a" < "b")
    (1 < 1.5)
  ];
  integers = [
    9223372036854775807
    (9223372036854775807 - 1)
    (builtins.bitAnd 9223372036854775807 255)
    (-9223372036854775807 - 1)
    (4611686018427387904 + 4611686018427387903)
    (7 / 2)
    (-7 / 2)
    (3037000499 * 3037000499)
    (builtins.ceil 1.2)
    (builtins.floor (-1.2))
  ];
  position = builtins.unsafeGetAttrPos "found" { found = 1; };
  groups = builtins.groupBy (x: if x > 2 then "big" else "small") [
    1
    2
    3
  ];
  interpolated = "${./src}/x" + ./src;
  path = ./src + "/a.txt";
  interpolatedPath = ./src/${"a"}.txt;
  equalFunctions = [
    ((x: x) == (x: x))
    (
      let
        f = x: x;
      in
      f == f
    )
    (
      let
        f = x: x;
      in
      [ f ] == [ f ]
    )
    ({ a = 1; } == { a = 1.0; })
  ];
  closure = builtins.genericClosure {
    startSet = [ { key = 5; } ];
    operator = item: [
      { key = if item.key / 2 * 2 == item.key then item.key / 2 else 3 * item.key + 1; }
    ];
  };
  matches = [
    (builtins.match "(a*)(b)?([[:alpha:]]+)" "aaac")
    (builtins.split "(,)|(;)" "a,b;c")
  ];
}
