# Functions about nothing in particular.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    bitAnd
    functionArgs
    isAttrs
    isFunction
    lessThan
    match
    pathExists
    readFile
    ;

  warn = builtins.warn or (message: value: builtins.trace "evaluation warning: ${message}" value);
in
{
  inherit (builtins)
    pathExists
    readFile
    isBool
    isInt
    isFloat
    add
    sub
    lessThan
    seq
    deepSeq
    genericClosure
    bitAnd
    bitOr
    bitXor
    ;
  inherit warn;

  id = value: value;
  const = value: _: value;
  pipe = builtins.foldl' (value: function: function value);
  concat = left: right: left ++ right;
  or = left: right: left || right;
  and = left: right: left && right;
  xor = left: right: (!left) != (!right);
  bitNot = builtins.sub (-1);
  boolToString = value: if value then "true" else "false";
  boolToYesNo = value: if value then "yes" else "no";
  mergeAttrs = left: right: left // right;
  flip =
    function: left: right:
    function right left;
  defaultTo = default: value: if value == null then default else value;
  mapNullable = function: value: if value == null then value else function value;

  min = left: right: if left < right then left else right;
  max = left: right: if left > right then left else right;
  mod = base: int: base - (int * (base / int));
  compare =
    left: right:
    if left < right then
      -1
    else if left > right then
      1
    else
      0;
  splitByAndCompare =
    predicate: yes: no: left: right:
    if predicate left then
      if predicate right then yes left right else -1
    else if predicate right then
      1
    else
      no left right;

  importJSON = path: builtins.fromJSON (readFile path);
  importTOML = path: builtins.fromTOML (readFile path);

  warnIf = condition: message: if condition then warn message else value: value;
  warnIfNot = condition: message: if condition then value: value else warn message;
  throwIf = condition: message: if condition then throw message else value: value;
  throwIfNot = condition: message: if condition then value: value else throw message;
  assertMsg = condition: message: if condition then true else throw message;
  assertOneOf =
    name: value: allowed:
    if builtins.elem value allowed then
      true
    else
      throw "${name} must be one of ${lib.generators.toPretty { } allowed}, but is ${lib.generators.toPretty { } value}";
  checkListOfEnum =
    message: valid: given: value:
    let
      unexpected = lib.lists.subtractLists valid given;
    in
    if unexpected == [ ] then
      value
    else
      throw "${message}: ${builtins.concatStringsSep ", " (map toString unexpected)} unexpected; valid ones: ${
        builtins.concatStringsSep ", " (map toString valid)
      }";

  info = message: builtins.trace "INFO: ${message}";

  isFunction = value: isFunction value || (value ? __functor && isFunction (value.__functor value));
  functionArgs =
    function:
    if function ? __functor then
      function.__functionArgs or (lib.functionArgs (function.__functor function))
    else
      functionArgs function;
  setFunctionArgs = function: args: {
    __functor = _: function;
    __functionArgs = args;
  };
  toFunction = value: if lib.isFunction value then value else _: value;

  fromHexString =
    text:
    let
      digits = builtins.listToAttrs (
        lib.imap0 (value: name: { inherit name value; }) (lib.stringToCharacters "0123456789abcdef")
      );
      plain = lib.removePrefix "0x" (lib.toLower text);
    in
    builtins.foldl' (
      number: digit: number * 16 + (digits.${digit} or (throw "fromHexString: '${text}' is not a hexadecimal number."))
    ) 0 (lib.stringToCharacters plain);
  toHexString =
    number:
    let
      digits = {
        "10" = "A";
        "11" = "B";
        "12" = "C";
        "13" = "D";
        "14" = "E";
        "15" = "F";
      };
    in
    builtins.concatStringsSep "" (map (digit: digits.${toString digit} or (toString digit)) (lib.toBaseDigits 16 number));
  toBaseDigits =
    base: number:
    let
      go = rest: if rest < base then [ rest ] else go (rest / base) ++ [ (lib.mod rest base) ];
    in
    go number;

  version = "1";
  inPureEvalMode = !(builtins ? currentSystem);
}
