# Derivations of every kind, for comparing their store paths between engines.
let
  base = {
    system = "x86_64-linux";
    builder = "/bin/sh";
  };
  make = attrs: derivation (base // attrs);
  empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  emptySri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
in
rec {
  plain = make {
    name = "plain";
    args = [
      "-c"
      "echo"
      ./src/a.txt
    ];
    int = 1;
    float = 1.5;
    true = true;
    false = false;
    null = null;
    list = [
      1
      "two"
      [
        3
        ./src/a.txt
      ]
      [ ]
      "x"
    ];
    text = "q\"uo\\te\n\ttab\r";
    _ = "x";
    "a\"b" = "c";
  };

  fixedFlat = make {
    name = "fixed";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = empty;
    url = "http://example.org/${plain}";
  };
  fixedRecursive = make {
    name = "fixed-recursive";
    outputHashMode = "recursive";
    outputHash = emptySri;
  };
  fixedMd5 = make {
    name = "md5";
    outputHashAlgo = "md5";
    outputHash = "d41d8cd98f00b204e9800998ecf8427e";
  };
  fixedSha1 = make {
    name = "sha1";
    outputHashAlgo = "sha1";
    outputHashMode = "recursive";
    outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
  };
  fixedSha512 = make {
    name = "sha512";
    outputHash = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
  };

  manyOutputs = make {
    name = "many";
    outputs = [
      "out"
      "dev"
      "lib"
    ];
    here = placeholder "out";
    there = placeholder "dev";
  };
  outputsWithoutOut = make {
    name = "no-out";
    outputs = [
      "bin"
      "a"
    ];
  };

  user = make {
    name = "user";
    inherit plain;
    many = manyOutputs;
    dev = manyOutputs.dev;
    lib = "${manyOutputs.lib}/lib";
    fixed = [
      fixedFlat
      fixedRecursive
      fixedMd5
      fixedSha1
      fixedSha512
    ];
    src = ./src;
    drvFile = builtins.unsafeDiscardOutputDependency manyOutputs.drvPath;
  };
  closure = make {
    name = "closure";
    drv = user.drvPath;
  };
  allOutputs = make {
    name = "all-outputs";
    all = manyOutputs.all;
    out = "overwritten";
  };

  structured = make {
    name = "structured";
    __structuredAttrs = true;
    outputs = [
      "out"
      "bin"
    ];
    attr = {
      b = 1;
      a = [
        1.0
        1.5
        1.0e30
        true
        null
        "st\nr"
        user
      ];
      z.y.x = ./src;
    };
    "üñí" = "€";
    exportReferencesGraph.g = [ plain ];
  };
  withoutNulls = make {
    name = "without-nulls";
    __ignoreNulls = true;
    gone = null;
    kept = 1;
  };

  contexts = make {
    name = "contexts";
    part = "${builtins.substring 0 5 "${plain}"}";
    none = builtins.unsafeDiscardStringContext "${manyOutputs}";
    file = builtins.toFile "file" "contents ${./src/a.txt} ${builtins.toFile "other" "x"}";
  };
  filtered = make {
    name = "filtered";
    source = builtins.filterSource (path: type: baseNameOf path != ".hidden" && type != "symlink") ./src;
    named = builtins.path {
      path = ./src;
      name = "named";
      filter = path: type: type == "directory" || builtins.match ".*txt" path != null;
    };
    flat = builtins.path {
      path = ./src/a.txt;
      recursive = false;
    };
    executable = builtins.path { path = ./src/sub/b.txt; };
    hashed = builtins.path {
      path = ./src/a.txt;
      sha256 = builtins.hashFile "sha256" ./src/a.txt;
      recursive = false;
    };
  };

  contentAddressed = make {
    name = "ca";
    __contentAddressed = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputs = [
      "out"
      "x"
    ];
  };
  onContentAddressed = make {
    name = "on-ca";
    ca = contentAddressed;
    caX = contentAddressed.x;
  };
  onOnContentAddressed = make {
    name = "on-on-ca";
    ca = onContentAddressed;
  };

  fetched = import <nix/fetchurl.nix> {
    url = "http://example.org/foo-1.0.tar.gz";
    sha256 = empty;
  };
  fetchedExecutable = import <nix/fetchurl.nix> {
    url = "http://example.org/foo-1.0.tar.gz";
    hash = emptySri;
    executable = true;
  };
}
