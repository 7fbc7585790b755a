# Numbers, text, paths: values without parts.
{ lib }:
let
  inherit (builtins) concatStringsSep elem head isAttrs isBool isFloat isInt isPath isString length match substring;
  inherit (lib.options) mergeEqualOption mergeOneOption;
  inherit (lib.moduleErrors) showValue;
  inherit (lib.attrsets) isDerivation;
  inherit (lib.strings) isStorePath isStringLike;
  inherit (lib.types) addCheck defaultFunctor mkOptionType phrase scalar;

  between =
    least: most:
    if least > most then
      throw "ints.between: the lowest value must be less than or equal to the highest (${toString least} > ${toString most})."
    else
      addCheck lib.types.int (value: value >= least && value <= most)
      // {
        name = "intBetween";
        description = "integer between ${toString least} and ${toString most} (both inclusive)";
      };

  namedRange =
    name: bits: least: most:
    between least most
    // {
      inherit name;
      description = "${toString bits} bit ${
        if least < 0 then "signed" else "unsigned"
      } integer; between ${toString least} and ${toString most} (both inclusive)";
    };

  unsignedOf = bits: namedRange "unsignedInt${toString bits}" bits 0 (powerOfTwo bits - 1);
  signedOf = bits: namedRange "signedInt${toString bits}" bits (0 - powerOfTwo (bits - 1)) (powerOfTwo (bits - 1) - 1);
  powerOfTwo = exponent: if exponent == 0 then 1 else 2 * powerOfTwo (exponent - 1);

  ints = {
    inherit between;
    unsigned = addCheck lib.types.int (value: value >= 0) // {
      name = "unsignedInt";
      description = "unsigned integer, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck lib.types.int (value: value > 0) // {
      name = "positiveInt";
      description = "positive integer, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
    u8 = unsignedOf 8;
    u16 = unsignedOf 16;
    u32 = unsignedOf 32;
    s8 = signedOf 8;
    s16 = signedOf 16;
    s32 = signedOf 32;
  };

  numbers = {
    between =
      least: most:
      if least > most then
        throw "numbers.between: the lowest value must be less than or equal to the highest."
      else
        addCheck lib.types.number (value: value >= least && value <= most)
        // {
          name = "numberBetween";
          description = "integer or floating point number between ${toString least} and ${toString most} (both inclusive)";
        };
    nonnegative = addCheck lib.types.number (value: value >= 0) // {
      name = "numberNonnegative";
      description = "nonnegative integer or floating point number, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck lib.types.number (value: value > 0) // {
      name = "numberPositive";
      description = "positive integer or floating point number, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
  };

  separatedString =
    separator:
    mkOptionType {
      name = "separatedString";
      description =
        if separator == "" then "Concatenated string" else "strings concatenated with ${builtins.toJSON separator}";
      descriptionClass = "noun";
      check = isString;
      merge = _: definitions: concatStringsSep separator (map (definition: definition.value) definitions);
      functor = defaultFunctor "separatedString" // {
        type = payload: separatedString payload.separator;
        payload = {
          inherit separator;
        };
        binOp = left: right: if left.separator == right.separator then left else null;
      };
    };

  strMatching =
    pattern:
    mkOptionType {
      name = "strMatching ${lib.strings.escapeNixString pattern}";
      description = "string matching the pattern ${pattern}";
      descriptionClass = "noun";
      check = value: lib.types.str.check value && match pattern value != null;
      merge = mergeEqualOption;
      functor = defaultFunctor "strMatching" // {
        type = payload: strMatching payload.pattern;
        payload = {
          inherit pattern;
        };
        binOp = left: right: if left == right then left else null;
      };
    };

  enum =
    values:
    mkOptionType {
      name = "enum";
      description =
        if values == [ ] then
          "impossible (empty enum)"
        else if length values == 1 then
          "value ${showValue (head values)} (singular enum)"
        else
          "one of ${lib.concatMapStringsSep ", " showValue values}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = value: elem value values;
      merge = mergeEqualOption;
      functor = defaultFunctor "enum" // {
        type = payload: enum payload.values;
        payload = {
          inherit values;
        };
        binOp = left: right: { values = lib.unique (left.values ++ right.values); };
      };
    };

  pathWith =
    {
      inStore ? null,
      absolute ? null,
    }:
    if inStore != null && inStore && absolute != null && !absolute then
      throw "In pathWith, inStore means the path must be absolute"
    else
      mkOptionType {
        name = "path";
        description = "${if absolute == null then "" else if absolute then "absolute " else "relative "}path${
          if inStore == null then "" else if inStore then " in the Nix store" else " not in the Nix store"
        }";
        descriptionClass = "noun";
        check =
          value:
          let
            text = toString value;
            isInStore =
              isPath value || match "(/nix/store|${lib.strings.escapeRegex builtins.storeDir})/[^.].*" text != null;
          in
          isStringLike value
          && (absolute == null || (substring 0 1 text == "/") == absolute)
          && (inStore == null || isInStore == inStore);
        merge = mergeEqualOption;
        functor = defaultFunctor "path" // {
          type = pathWith;
          payload = {
            inherit inStore absolute;
          };
          binOp = left: right: if left == right then left else null;
        };
      };
in
{
  inherit
    ints
    numbers
    separatedString
    strMatching
    enum
    pathWith
    ;

  bool = scalar {
    name = "bool";
    description = "boolean";
    check = isBool;
  };

  # One `true` is enough.
  boolByOr = scalar {
    name = "boolByOr";
    description = "boolean (merged using or)";
    check = isBool;
    merge = _: builtins.any (definition: definition.value);
  };

  int = scalar {
    name = "int";
    description = "signed integer";
    check = isInt;
  };

  float = scalar {
    name = "float";
    description = "floating point number";
    check = isFloat;
  };

  number = lib.types.either lib.types.int lib.types.float;

  port = ints.u16;

  str = scalar {
    name = "str";
    description = "string";
    check = isString;
  };

  nonEmptyStr = scalar {
    name = "nonEmptyStr";
    description = "non-empty string";
    check = value: isString value && match "[ \t\n]*" value == null;
  };

  # A line end at the end is forgiven, and taken away.
  singleLineStr = mkOptionType {
    name = "singleLineStr";
    description = "(optionally newline-terminated) single-line string";
    descriptionClass = "noun";
    check = value: isString value && match "[^\n\r]*\n?" value != null;
    merge = loc: definitions: lib.removeSuffix "\n" (mergeEqualOption loc definitions);
  };

  passwdEntry =
    entryType:
    addCheck entryType (value: !(lib.hasInfix ":" value || lib.hasInfix "\n" value))
    // {
      name = "passwdEntry ${entryType.name}";
      description = "${phrase entryType}, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };

  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";

  path = pathWith { absolute = true; };
  pathInStore = pathWith { inStore = true; };
  externalPath = pathWith {
    absolute = true;
    inStore = false;
  };

  package = mkOptionType {
    name = "package";
    description = "package";
    descriptionClass = "noun";
    check = value: isDerivation value || isStorePath value;
    merge =
      loc: definitions:
      let
        value = mergeOneOption loc definitions;
      in
      if isPath value || (isString value && !builtins.hasContext value) then
        lib.attrsets.toDerivation value
      else
        value;
  };

  pkgs = addCheck lib.types.raw (value: isAttrs value && value ? pristine) // {
    name = "pkgs";
    description = "package set";
  };

}
