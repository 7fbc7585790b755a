# Looking at values while they are computed.
{ lib }:
let
  inherit (builtins) deepSeq isAttrs isList mapAttrs trace;
in
{
  traceVal = value: trace value value;
  traceValFn = function: value: trace (function value) value;
  traceSeq = shown: value: trace (deepSeq shown shown) value;
  traceValSeq = value: trace (deepSeq value value) value;
  traceSeqN =
    depth: shown: value:
    let
      cut =
        level: part:
        if level == 0 && (isAttrs part || isList part) then
          "…"
        else if isList part then
          map (cut (level - 1)) part
        else if isAttrs part then
          mapAttrs (_: cut (level - 1)) part
        else
          part;
    in
    trace (lib.generators.toPretty { allowPrettyValues = true; } (cut depth shown)) value;

  # Tests as data: { testX = { expr; expected; }; } gives the list of those that fail.
  runTests =
    tests:
    lib.concatLists (
      lib.mapAttrsToList (
        name: test:
        if lib.hasPrefix "test" name && test.expr != test.expected then
          [
            {
              inherit name;
              inherit (test) expected;
              result = test.expr;
            }
          ]
        else
          [ ]
      ) tests
    );
}
