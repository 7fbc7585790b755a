# Values that are defined by means of themselves, and layers over them.
{ lib }:
rec {
  fix =
    function:
    let
      value = function value;
    in
    value;

  extends =
    overlay: function: final:
    let
      previous = function final;
    in
    previous // overlay final previous;

  composeExtensions =
    first: second: final: previous:
    let
      one = first final previous;
    in
    one // second final (previous // one);

  composeManyExtensions = lib.foldr composeExtensions (_: _: { });

  makeExtensible =
    function:
    fix (
      self:
      function self
      // {
        extend = overlay: makeExtensible (extends overlay function);
      }
    );
}
