# Configurations and what they evaluate to. nixpkgs' lib gives the same values: test/nix/lib.test.ts compares when it has one.
{ lib }:
let
  inherit (lib)
    mkAfter
    mkBefore
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOption
    mkOrder
    mkOverride
    types
    ;
  eval = modules: (lib.evalModules { inherit modules; }).config;
  evalFull = modules: lib.evalModules { inherit modules; };
  # One option of a type, and what several definitions make of it.
  merged =
    type: definitions:
    (eval (
      [ { options.x = mkOption { inherit type; }; } ] ++ map (value: { x = value; }) definitions
    )).x;
  fails = value: !(builtins.tryEval (builtins.deepSeq value value)).success;
in
{
  order = {
    lists = merged (types.listOf types.int) [ [ 1 ] [ 2 ] [ 3 ] ];
    before = merged (types.listOf types.int) [ [ 1 ] (mkBefore [ 2 ]) (mkAfter [ 3 ]) [ 4 ] ];
    orders = merged (types.listOf types.int) [ (mkOrder 10 [ 1 ]) (mkOrder 5 [ 2 ]) (mkOrder 10 [ 3 ]) ];
    lines = merged types.lines [ "a" "b" (mkBefore "c") ];
    imports = eval [
      { options.x = mkOption { type = types.listOf types.str; }; }
      {
        imports = [
          { x = [ "imported 1" ]; }
          {
            imports = [ { x = [ "deep" ]; } ];
            x = [ "imported 2" ];
          }
        ];
        x = [ "importer" ];
      }
      { x = [ "last" ]; }
    ];
    inside = merged (types.listOf types.int) [
      (mkMerge [ [ 1 ] (mkAfter [ 2 ]) [ 3 ] ])
      [ (mkIf false 4) (mkIf true 5) ]
    ];
  };

  priorities = {
    default = merged types.int [ (mkDefault 1) 2 ];
    force = merged types.int [ 1 (mkForce 2) (mkDefault 3) ];
    override = merged types.int [ (mkOverride 40 1) (mkForce 2) ];
    vm = merged types.int [ (lib.mkVMOverride 1) (mkForce 2) ];
    optionDefault = (eval [
      {
        options.x = mkOption {
          type = types.int;
          default = 1;
        };
      }
      { x = lib.mkOptionDefault 1; }
    ]).x;
    equal = merged types.int [ 1 1 ];
    conflict = fails (merged types.int [ 1 2 ]);
    insideAttrs = merged (types.attrsOf types.int) [
      { a = mkDefault 1; b = 1; }
      { a = 2; }
    ];
    wholeAttrs = merged (types.attrsOf types.int) [
      (mkDefault { a = 1; })
      { b = 2; }
    ];
    outerStaysOutside = merged (types.attrsOf types.int) [
      (mkDefault { a = mkOverride 500 1; })
      (mkDefault { a = 2; })
    ];
    outerOrderStaysOutside = merged (types.attrsOf (types.listOf types.int)) [
      (mkBefore { a = [ 1 ]; })
      { a = mkOrder 700 [ 2 ]; }
      { a = [ 3 ]; }
      (mkAfter { a = [ 4 ]; })
    ];
    insideDefault = (eval [
      {
        options.x = mkOption {
          type = types.attrsOf types.int;
          default = {
            a = mkDefault 1;
          };
        };
      }
    ]).x;
    insideForcedList = merged (types.listOf (types.attrsOf types.int)) [ (mkForce [ { a = mkDefault 1; } ]) ];
    highestPrio = (evalFull [
      { options.x = mkOption { type = types.int; }; }
      { x = mkForce 1; }
    ]).options.x.highestPrio;
    forcedGroup = eval [
      {
        options.g.a = mkOption { type = types.int; };
        options.g.b = mkOption { type = types.int; };
      }
      {
        g = mkForce {
          a = 1;
          b = 2;
        };
      }
      { g.a = 5; }
    ];
  };

  conditions = {
    mkIf = eval [
      {
        options.a = mkOption {
          type = types.bool;
          default = true;
        };
        options.b = mkOption {
          type = types.int;
          default = 0;
        };
        options.c = mkOption {
          type = types.int;
          default = 0;
        };
      }
      ({ config, ... }: {
        config = mkMerge [
          (mkIf config.a { b = 1; })
          (mkIf (!config.a) { c = 1; })
        ];
      })
    ];
    nested = merged (types.listOf types.int) [
      (mkIf true (mkMerge [ (mkIf false [ 1 ]) (mkIf true [ 2 ]) ]))
    ];
    self = (eval [
      ({ config, ... }: {
        options.x.a = mkOption { type = types.bool; };
        options.x.b = mkOption { type = types.int; default = 0; };
        config.x = mkMerge [
          { a = true; }
          (mkIf config.x.a { b = 3; })
        ];
      })
    ]).x.b;
    unknownUnderFalse = fails (eval [ { config = mkIf false { nope = 1; }; } ]);
  };

  types = {
    int = [
      (merged types.int [ 1 ])
      (fails (merged types.int [ "1" ]))
      (fails (merged types.int [ 1.5 ]))
    ];
    between = [
      (merged (types.ints.between 1 3) [ 3 ])
      (fails (merged (types.ints.between 1 3) [ 4 ]))
    ];
    bounds = map fails [
      (merged types.ints.u8 [ 256 ])
      (merged types.ints.u16 [ 65535 ])
      (merged types.ints.s8 [ (-129) ])
      (merged types.ints.u32 [ 4294967296 ])
      (merged types.ints.positive [ 0 ])
      (merged types.ints.unsigned [ 0 ])
      (merged types.port [ 70000 ])
    ];
    numbers = [
      (merged types.float [ 1.5 ])
      (merged types.number [ 1 ])
      (fails (merged types.numbers.positive [ 0 ]))
      (merged (types.numbers.between 0 1) [ 0.5 ])
    ];
    bool = [
      (merged types.bool [ true true ])
      (fails (merged types.bool [ true false ]))
      (merged types.boolByOr [ true false ])
    ];
    str = [
      (merged types.str [ "a" "a" ])
      (fails (merged types.str [ "a" "b" ]))
      (fails (merged types.nonEmptyStr [ " " ]))
      (merged types.singleLineStr [ "a\n" ])
      (fails (merged types.singleLineStr [ "a\nb" ]))
      (merged (types.strMatching "[a-z]+") [ "abc" ])
      (fails (merged (types.strMatching "[a-z]+") [ "ABC" ]))
      (merged types.lines [ "a" "b" ])
      (merged types.commas [ "a" "b" ])
      (merged types.envVar [ "a" "b" ])
      (merged (types.separatedString "-") [ "a" "b" ])
      (fails (merged (types.passwdEntry types.str) [ "a:b" ]))
    ];
    path = [
      (merged types.path [ "/a" ])
      (fails (merged types.path [ "a" ]))
      (fails (merged types.path [ 1 ]))
      (fails (merged types.pathInStore [ "/a" ]))
    ];
    enum = [
      (merged (types.enum [ "a" 1 null ]) [ 1 ])
      (fails (merged (types.enum [ "a" ]) [ "b" ]))
    ];
    nullOr = [
      (merged (types.nullOr types.int) [ null ])
      (merged (types.nullOr types.int) [ 1 1 ])
      (fails (merged (types.nullOr types.int) [ 1 null ]))
      (merged (types.nullOr (types.listOf types.int)) [ [ 1 ] [ 2 ] ])
    ];
    listOf = [
      (merged (types.listOf (types.listOf types.int)) [ [ [ 1 ] [ ] ] [ [ 2 3 ] ] ])
      (fails (merged (types.listOf types.int) [ [ "a" ] ]))
      (fails (merged (types.nonEmptyListOf types.int) [ [ ] ]))
    ];
    attrsOf = [
      (merged (types.attrsOf types.int) [ { a = 1; } { b = 2; } ])
      (merged (types.attrsOf types.int) [ { a = mkIf false 1; } ])
      (merged (types.attrsOf (types.listOf types.int)) [ { a = [ 1 ]; } { a = [ 2 ]; } ])
      (fails (merged (types.attrsOf types.int) [ { a = "x"; } ]))
      (merged (types.attrsOf (types.attrsOf types.int)) [ { a.b = 1; } { a.c = 2; } ])
    ];
    lazyAttrsOf = [
      (merged (types.lazyAttrsOf types.int) [ { a = 1; } { b = 2; } ])
      (builtins.attrNames (merged (types.lazyAttrsOf types.int) [ { a = mkIf false 1; } ]))
      (merged (types.lazyAttrsOf (types.listOf types.int)) [ { a = mkIf false [ 1 ]; } ])
    ];
    either = [
      (merged (types.either types.int types.str) [ 1 ])
      (merged (types.either types.int types.str) [ "a" ])
      (fails (merged (types.either types.int types.str) [ 1 "a" ]))
      (fails (merged (types.either types.int types.str) [ true ]))
      (merged (types.either (types.listOf types.int) types.str) [ [ 1 ] [ 2 ] ])
      (merged (types.oneOf [ types.int types.bool types.str ]) [ true ])
    ];
    coercedTo = [
      (merged (types.coercedTo types.int toString types.str) [ 1 ])
      (merged (types.coercedTo types.int toString types.str) [ "1" 1 ])
      (merged (types.coercedTo types.str lib.singleton (types.listOf types.str)) [ "a" [ "b" ] ])
      (fails (merged (types.coercedTo types.int toString types.str) [ true ]))
    ];
    functionTo = [
      ((merged (types.functionTo (types.listOf types.int)) [ (x: [ x ]) (x: [ (x + 1) ]) ]) 1)
      ((merged (types.functionTo types.str) [ ({ a, ... }: a) ]) { a = "x"; })
    ];
    anything = [
      (merged types.anything [ { a.b = 1; } { a.c = [ 1 ]; } ])
      (merged types.anything [ [ 1 ] ])
      (fails (merged types.anything [ [ 1 ] [ 2 ] ]))
      (merged types.anything [ 1 1 ])
      (fails (merged types.anything [ 1 2 ]))
      ((merged types.anything [ (x: { a = x; }) (x: { b = x; }) ]) 1)
      (fails (merged types.anything [ 1 "a" ]))
      (merged types.anything [ { a = mkDefault 1; } { a = 2; } ])
    ];
    raw = [
      (merged types.raw [ { a = 1; } ])
      (fails (merged types.raw [ 1 1 ]))
    ];
    unspecified = [
      (merged types.unspecified [ [ 1 ] [ 2 ] ])
      (merged types.unspecified [ { a = 1; } { b = 2; } ])
      (merged types.unspecified [ "a" "b" ])
    ];
    attrs = merged types.attrs [ { a.b = 1; } { a.c = 2; } ];
    uniq = fails (merged (types.uniq types.int) [ 1 1 ]);
    unique = merged (types.unique { message = "m"; } (types.listOf types.int)) [ [ 1 ] ];
    addCheck = [
      (merged (types.addCheck types.int (x: x > 3)) [ 4 ])
      (fails (merged (types.addCheck types.int (x: x > 3)) [ 3 ]))
    ];
    deferred = (eval [
      (merged types.deferredModule [
        { options.a = mkOption { default = 1; }; }
        ({ config, ... }: { options.b = mkOption { default = config.a + 1; }; })
      ])
    ]);
    optionType = (merged types.optionType [ types.int ]).name;
    descriptions = map (type: type.description) [
      types.int
      types.str
      types.bool
      (types.listOf types.int)
      (types.listOf (types.listOf types.str))
      (types.nullOr types.int)
      (types.either types.int types.str)
      (types.attrsOf (types.nullOr types.str))
      (types.enum [ "a" "b" ])
      types.port
      types.path
      types.lines
      (types.submodule { })
      (types.nullOr (types.submodule { }))
    ];
  };

  submodules = {
    basic = merged (types.submodule {
      options.a = mkOption { type = types.int; };
      options.b = mkOption {
        type = types.int;
        default = 7;
      };
    }) [ { a = 1; } ];
    split = merged (types.submodule { options.a = mkOption { type = types.listOf types.int; }; }) [
      { a = [ 1 ]; }
      { a = mkBefore [ 2 ]; }
    ];
    name = merged (types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options.n = mkOption { default = name; };
          options.m = mkOption { type = types.str; };
          config.m = mkDefault "${config.n}!";
        }
      )
    )) [ { x = { }; } { y.m = "z"; } ];
    functions = merged (types.submodule { options.a = mkOption { type = types.int; }; options.b = mkOption { default = 1; }; }) [
      ({ config, ... }: { a = config.b + 1; })
    ];
    inList = merged (types.listOf (types.submodule { options.a = mkOption { type = types.int; default = 0; }; })) [
      [ { a = 1; } { } ]
      [ { a = 3; } ]
    ];
    unknown = fails (merged (types.submodule { }) [ { nope = 1; } ]);
    freeform = merged (types.submodule {
      freeformType = types.attrsOf types.int;
      options.a = mkOption {
        type = types.str;
        default = "s";
      };
    }) [ { b = 1; } { c = 2; } ];
    freeformNested = merged (types.submodule {
      freeformType = types.attrsOf (types.attrsOf types.int);
      options.a.b = mkOption {
        type = types.str;
        default = "s";
      };
    }) [ { a.c = 1; d.e = 2; } ];
    freeformWrong = fails (merged (types.submodule { freeformType = types.attrsOf types.int; }) [ { b = "x"; } ]);
    special = merged (types.submoduleWith {
      modules = [ ({ extra, ... }: { options.a = mkOption { default = extra; }; }) ];
      specialArgs.extra = 5;
    }) [ { } ];
    nested = merged (types.attrsOf (types.submodule {
      options.inner = mkOption {
        default = { };
        type = types.attrsOf (types.submodule ({ name, ... }: { options.n = mkOption { default = name; }; }));
      };
    })) [ { a.inner.b = { }; } { a.inner.c.n = "x"; } ];
    declaredTwice = eval [
      {
        options.x = mkOption {
          type = types.submodule { options.a = mkOption { default = 1; }; };
          default = { };
        };
      }
      { options.x = mkOption { type = types.submodule { options.b = mkOption { default = 2; }; }; }; }
    ];
    bare = eval [
      {
        options.x = mkOption {
          type = types.submodule { options.a = mkOption { default = 1; }; };
          default = { };
        };
      }
      { options.x.b = mkOption { default = 2; }; }
    ];
  };

  declarations = {
    mergedEnum = (eval [
      { options.x = mkOption { type = types.enum [ "a" ]; }; }
      { options.x = mkOption { type = types.enum [ "b" ]; }; }
      { x = "b"; }
    ]).x;
    mergedList = (eval [
      { options.x = mkOption { type = types.listOf (types.enum [ 1 ]); }; }
      { options.x = mkOption { type = types.listOf (types.enum [ 2 ]); }; }
      { x = [ 1 2 ]; }
    ]).x;
    typeLater = (eval [
      { options.x = mkOption { description = "d"; }; }
      { options.x = mkOption { type = types.int; }; }
      { x = 1; }
    ]).x;
    conflictingTypes = fails (eval [
      { options.x = mkOption { type = types.int; }; }
      { options.x = mkOption { type = types.str; }; }
      { x = 1; }
    ]).x;
    twoDefaults = fails (eval [
      { options.x = mkOption { default = 1; }; }
      { options.x = mkOption { default = 1; }; }
    ]).x;
    apply = (eval [
      { options.x = mkOption { type = types.int; apply = x: x * 2; }; }
      { x = 4; }
    ]).x;
    readOnly = [
      (eval [ { options.x = mkOption { readOnly = true; default = 1; }; } ]).x
      (fails (eval [ { options.x = mkOption { readOnly = true; default = 1; }; } { x = 2; } ]).x)
      (eval [ { options.x = mkOption { readOnly = true; }; } { x = 2; } ]).x
    ];
    enableOption = (eval [ { options.a = lib.mkEnableOption "a"; } ]).a;
    packageOption = (eval [
      { options.p = lib.mkPackageOption { a.b = { type = "derivation"; name = "n"; }; } [ "a" "b" ] { }; }
    ]).p.name;
    undefined = fails (eval [ { options.x = mkOption { type = types.int; }; } ]).x;
    definedInfo =
      let
        option = (evalFull [
          { options.x = mkOption { type = types.int; default = 1; }; }
          { options.y = mkOption { type = types.int; }; }
          { _file = "f.nix"; x = 2; }
        ]).options;
      in
      {
        x = {
          inherit (option.x) isDefined files definitions value;
        };
        y = option.y.isDefined;
        text = "${option.x}";
      };
  };

  modules = {
    long = (eval [ { options.x = mkOption { }; config.x = 1; } ]).x;
    functions = (eval [
      { options.x = mkOption { }; }
      ({ lib, config, options, ... }: { x = builtins.isAttrs lib && options ? x; })
    ]).x;
    args = (eval [
      { options.x = mkOption { }; config._module.args.foo = 3; }
      ({ foo, ... }: { x = foo; })
    ]).x;
    specialArgs = (lib.evalModules {
      modules = [ ({ foo, ... }: { options.x = mkOption { default = foo; }; }) ];
      specialArgs.foo = 4;
    }).config.x;
    defaultArg = (eval [
      ({ foo, ... }: { options.x = mkOption { default = foo; }; })
      { _module.args.foo = mkDefault 1; }
      { _module.args.foo = 2; }
    ]).x;
    keys =
      let
        one = {
          key = "one";
          x = [ 1 ];
        };
      in
      (eval [ { options.x = mkOption { type = types.listOf types.int; }; } one { imports = [ one ]; } ]).x;
    disabled = (eval [
      { options.x = mkOption { type = types.listOf types.int; default = [ ]; }; }
      {
        key = "bad";
        x = [ 1 ];
      }
      { disabledModules = [ { key = "bad"; } ]; }
    ]).x;
    optionsBesideConfig = fails (eval [ { options.x = mkOption { }; config = { }; x = 1; } ]);
    unknown = fails (eval [ { nope = 1; } ]);
    unchecked = eval [ { _module.check = false; nope = 1; } ];
    freeformTop = eval [
      {
        freeformType = types.attrsOf types.int;
        config.a = 1;
        options.b = mkOption { default = 2; };
      }
    ];
    extend = ((evalFull [ { options.x = mkOption { type = types.listOf types.int; default = [ ]; }; } ]).extendModules {
      modules = [ { x = [ 9 ]; } ];
    }).config.x;
    asType = merged (evalFull [ { options.a = mkOption { default = 1; }; } ]).type [ { } ];
    mkIfModule = (eval [ { options.x = mkOption { default = 0; }; } (mkIf true { x = 1; }) ]).x;
    import = (eval [ { options.x = mkOption { }; } { imports = [ ./imported-module.nix ]; } ./imported-module.nix ]).x;
    classes = [
      (fails (lib.evalModules { class = "a"; modules = [ { _class = "b"; } ]; }).config)
      (lib.evalModules { class = "a"; modules = [ { _class = "a"; } ]; }).config
    ];
    lazyCross = eval [
      ({ config, ... }: {
        options.a = mkOption { type = types.attrsOf types.int; };
        options.b = mkOption { type = types.lazyAttrsOf types.int; };
        config.a.x = config.b.y + 1;
        config.b.y = config.b.z;
        config.b.z = 2;
      })
    ];
  };

  renames =
    let
      base = {
        options.new.name = mkOption {
          type = types.listOf types.int;
          default = [ ];
        };
        options.warnings = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
        options.assertions = mkOption {
          type = types.listOf types.anything;
          default = [ ];
        };
      };
    in
    {
      renamed = (eval [ base (lib.mkRenamedOptionModule [ "old" "name" ] [ "new" "name" ]) { old.name = [ 1 ]; } { new.name = [ 2 ]; } ]).new.name;
      warned = builtins.length (eval [ base (lib.mkRenamedOptionModule [ "old" ] [ "new" "name" ]) { old = [ 1 ]; } ]).warnings;
      unused = builtins.length (eval [ base (lib.mkRenamedOptionModule [ "old" ] [ "new" "name" ]) ]).warnings;
      alias = (eval [ base (lib.mkAliasOptionModule [ "old" ] [ "new" "name" ]) { new.name = [ 3 ]; } ]).old;
      aliasForce = (eval [ base (lib.mkAliasOptionModule [ "old" ] [ "new" "name" ]) { new.name = [ 3 ]; old = mkForce [ 4 ]; } ]).new.name;
      removed = map (assertion: assertion.assertion) (eval [ base (lib.mkRemovedOptionModule [ "old" ] "Use new.") { old = 1; } ]).assertions;
      notRemoved = map (assertion: assertion.assertion) (eval [ base (lib.mkRemovedOptionModule [ "old" ] "Use new.") ]).assertions;
      changed = (eval [ base (lib.mkChangedOptionModule [ "old" ] [ "new" "name" ] (config: [ config.old ])) { old = 6; } ]).new.name;
      merged = (eval [ base (lib.mkMergedOptionModule [ [ "o1" ] [ "o2" ] ] [ "new" "name" ] (config: [ config.o1 config.o2 ])) { o1 = 6; o2 = 7; } ]).new.name;
    };
}
