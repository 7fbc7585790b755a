# What a type is made of, and how two types become one.
{ lib }:
let
  inherit (builtins) isAttrs elem;
  inherit (lib.options) mergeDefaultOption mergeEqualOption;

  # Two types of one family are one type if their parameters can be joined.
  defaultTypeMerge =
    functor: other:
    let
      wrapped = functor.wrapped.typeMerge (other.wrapped.functor);
      joined = functor.binOp functor.payload other.payload;
    in
    if functor.name != other.name then
      null
    else if functor.wrapped or null != null && other.wrapped or null != null then
      (if wrapped == null then null else functor.type wrapped)
    else if functor.payload or null != null then
      if other.payload or null == null || joined == null then null else functor.type joined
    else if other.payload or null != null then
      null
    else
      functor.type;

  defaultFunctor = name: {
    inherit name;
    type = lib.types.${name} or null;
    wrapped = null;
    payload = null;
    binOp = _: _: null;
  };

  # A family whose only parameter is the type of what is inside.
  elementFunctor = name: elemType: build: {
    inherit name;
    type = payload: build payload.elemType;
    wrapped = null;
    payload = { inherit elemType; };
    binOp =
      left: right:
      let
        joined = left.elemType.typeMerge right.elemType.functor;
      in
      if joined == null then null else { elemType = joined; };
  };

  mkOptionType =
    {
      name,
      description ? name,
      descriptionClass ? null,
      deprecationMessage ? null,
      check ? (_: true),
      merge ? mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? (_: { }),
      getSubModules ? null,
      substSubModules ? (_: null),
      typeMerge ? null,
      functor ? null,
      nestedTypes ? { },
    }:
    let
      self = {
        _type = "option-type";
        inherit
          name
          description
          descriptionClass
          deprecationMessage
          check
          merge
          emptyValue
          getSubOptions
          getSubModules
          substSubModules
          nestedTypes
          ;
        functor = if functor != null then functor else defaultFunctor name // (if lib.types ? ${name} then { } else { type = self; });
        typeMerge = if typeMerge != null then typeMerge else defaultTypeMerge self.functor;
      };
    in
    self;

  # Descriptions are put together as phrases: nouns stand bare, conjunctions and the rest get parentheses.
  phrase =
    type:
    if
      elem (type.descriptionClass or null) [
        "noun"
        "nonRestrictiveClause"
        "composite"
      ]
    then
      type.description
    else
      "(${type.description})";

  scalar =
    {
      name,
      description,
      check,
      merge ? mergeEqualOption,
      descriptionClass ? "noun",
    }:
    mkOptionType {
      inherit
        name
        description
        descriptionClass
        check
        merge
        ;
    };

  addCheck = type: check: type // { check = value: type.check value && check value; };
in
{
  inherit
    mkOptionType
    defaultTypeMerge
    defaultFunctor
    elementFunctor
    phrase
    scalar
    addCheck
    ;

  isOptionType = value: isAttrs value && value._type or null == "option-type";
  isType = kind: value: isAttrs value && value._type or null == kind;
  setType = kind: value: value // { _type = kind; };
}
