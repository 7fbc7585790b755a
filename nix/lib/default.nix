# The library: ordinary functions, and the module system. Names and meanings are those of nixpkgs' lib, so that modules and habits carry
# over; the text is our own.
let
  call = file: import file { inherit lib; };

  lib =
    trivial
    // lists
    // attrsets
    // removeAttrs strings [ "replicate" ]
    // versions
    // meta
    // options
    // removeAttrs moduleSystem [
      "collect"
      "defaultOrder"
      "defaultPriority"
      "evalOption"
      "kindOf"
      "mergeTree"
      "optionDefaultPriority"
      "unknownFile"
    ]
    // {
      inherit
        trivial
        lists
        attrsets
        strings
        versions
        meta
        options
        generators
        types
        moduleErrors
        ;
      modules = moduleSystem;
      inherit (debug) traceVal traceValFn traceSeq traceValSeq traceSeqN runTests;
      inherit debug;
      inherit (fixedPoints) fix extends composeExtensions composeManyExtensions makeExtensible;
      inherit fixedPoints;
      inherit (sources) cleanSource cleanSourceWith cleanSourceFilter sourceByRegex;
      inherit sources;
      inherit (types) mkOptionType isOptionType isType setType;
      inherit (generators) mkLuaInline;
      inherit (builtins)
        addErrorContext
        ceil
        dirOf
        div
        floor
        fromTOML
        getContext
        hasContext
        hashFile
        isPath
        match
        mul
        parseDrvName
        placeholder
        readDir
        split
        toFile
        toString
        toXML
        trace
        tryEval
        typeOf
        unsafeGetAttrPos
        ;
    };

  trivial = call ./trivial.nix;
  lists = call ./lists.nix;
  attrsets = call ./attrsets.nix;
  strings = call ./strings.nix;
  versions = call ./versions.nix;
  meta = call ./meta.nix;
  options = call ./options.nix;
  moduleSystem = call ./modules;
  moduleErrors = call ./modules/errors.nix;
  types = call ./types;
  generators = call ./generators.nix;
  debug = call ./debug.nix;
  fixedPoints = call ./fixed-points.nix;
  sources = call ./sources.nix;
in
lib
