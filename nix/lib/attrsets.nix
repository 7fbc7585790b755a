# Attribute sets.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    head
    intersectAttrs
    isAttrs
    isList
    length
    listToAttrs
    mapAttrs
    removeAttrs
    tail
    ;
  inherit (lib.lists) drop last take;

  nameValuePair = name: value: { inherit name value; };

  genAttrs = names: function: listToAttrs (map (name: nameValuePair name (function name)) names);

  zipAttrsWithNames =
    names: function: sets:
    listToAttrs (map (name: nameValuePair name (function name (catAttrs name sets))) names);

  zipAttrsWith =
    builtins.zipAttrsWith or (
      function: sets: zipAttrsWithNames (attrNames (foldl' (all: set: all // set) { } sets)) function sets
    );

  filterAttrs =
    predicate: set:
    removeAttrs set (filter (name: !predicate name set.${name}) (attrNames set));

  attrByPath =
    path: default: set:
    let
      size = length path;
      go =
        index: here:
        if index == size then
          here
        else if here ? ${elemAt path index} then
          go (index + 1) here.${elemAt path index}
        else
          default;
    in
    go 0 set;

  hasAttrByPath =
    path: set:
    let
      size = length path;
      go = index: here: index == size || (here ? ${elemAt path index} && go (index + 1) here.${elemAt path index});
    in
    go 0 set;

  setAttrByPath =
    path: value:
    let
      size = length path;
      go = index: if index == size then value else { ${elemAt path index} = go (index + 1); };
    in
    go 0;

  recursiveUpdateUntil =
    predicate: left: right:
    let
      go =
        path:
        zipAttrsWith (
          name: values:
          let
            here = path ++ [ name ];
          in
          if tail values == [ ] || predicate here (elemAt values 1) (head values) then
            head values
          else
            go here values
        );
    in
    go [ ] [
      right
      left
    ];

  mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);

  isDerivation = value: isAttrs value && value.type or null == "derivation";

  mapAttrsRecursiveCond =
    condition: function: set:
    let
      go =
        path:
        mapAttrs (
          name: value:
          if isAttrs value && condition value then go (path ++ [ name ]) value else function (path ++ [ name ]) value
        );
    in
    go [ ] set;

  collect =
    predicate: set:
    if predicate set then
      [ set ]
    else if isAttrs set then
      concatMap (collect predicate) (attrValues set)
    else
      [ ];

  cartesianProduct =
    sets: foldl' (all: name: concatMap (set: map (value: set // { ${name} = value; }) sets.${name}) all) [ { } ] (attrNames sets);

  getOutput =
    output: package:
    if !package ? outputSpecified || !package.outputSpecified then package.${output} or package.out or package else package;
in
{
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    ;
  inherit
    nameValuePair
    genAttrs
    zipAttrsWithNames
    zipAttrsWith
    filterAttrs
    attrByPath
    hasAttrByPath
    setAttrByPath
    recursiveUpdateUntil
    mapAttrsToList
    isDerivation
    mapAttrsRecursiveCond
    collect
    cartesianProduct
    getOutput
    ;

  getAttrs = names: set: genAttrs names (name: set.${name});
  attrVals = names: set: map (name: set.${name}) names;
  getAttrFromPath =
    path: attrByPath path (throw "cannot find attribute '${concatStringsSep "." path}'");
  longestValidPathPrefix =
    path: set:
    let
      size = length path;
      go =
        index: here:
        if index == size || !(here ? ${elemAt path index}) then take index path else go (index + 1) here.${elemAt path index};
    in
    go 0 set;
  optionalAttrs = condition: set: if condition then set else { };
  recursiveUpdate = recursiveUpdateUntil (_: left: right: !(isAttrs left && isAttrs right));
  mapAttrs' = function: set: listToAttrs (mapAttrsToList function set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = function: set: foldl' (all: new: all // new) { } (mapAttrsToList function set);
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsToListRecursive = lib.mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond =
    condition: function: set:
    let
      go =
        path: value:
        if isAttrs value && condition path value then
          concatMap (name: go (path ++ [ name ]) value.${name}) (attrNames value)
        else
          [ (function path value) ];
    in
    go [ ] set;
  filterAttrsRecursive =
    predicate: set:
    listToAttrs (
      concatMap (
        name:
        let
          value = set.${name};
        in
        if predicate name value then
          [ (nameValuePair name (if isAttrs value then lib.filterAttrsRecursive predicate value else value)) ]
        else
          [ ]
      ) (attrNames set)
    );
  foldlAttrs =
    function: init: set:
    foldl' (all: name: function all name set.${name}) init (attrNames set);
  foldAttrs =
    operator: nul: sets:
    mapAttrs (_: lib.foldr operator nul) (zipAttrsWith (_: values: values) sets);
  zipAttrs = zipAttrsWith (_: values: values);
  mergeAttrsList = foldl' (all: set: all // set) { };
  updateManyAttrsByPath =
    updates: set:
    foldl' (
      all: update:
      lib.recursiveUpdateUntil (path: _: _: path == update.path) all (
        setAttrByPath update.path (update.update (lib.getAttrFromPath update.path all))
      )
    ) set updates;
  genAttrs' = list: function: listToAttrs (map function list);
  matchAttrs =
    pattern: set:
    builtins.all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} then
          isAttrs set.${name} && lib.matchAttrs pattern.${name} set.${name}
        else
          set.${name} == pattern.${name}
      )
    ) (attrNames pattern);
  overrideExisting = old: new: mapAttrs (name: value: new.${name} or value) old;
  cartesianProductOfSets = cartesianProduct;
  mapCartesianProduct = function: sets: map function (cartesianProduct sets);
  unionOfDisjoint =
    left: right:
    let
      shared = attrNames (intersectAttrs left right);
    in
    (left // right)
    // genAttrs shared (name: throw "unionOfDisjoint: collision on ${name}; complete list: ${concatStringsSep " " shared}");
  showAttrPath = path: if path == [ ] then "<root attribute path>" else lib.concatMapStringsSep "." lib.escapeNixIdentifier path;
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };

  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";

  # A store path that something else made, in the shape of a package.
  toDerivation =
    path:
    let
      stored = builtins.storePath path;
      plain = builtins.unsafeDiscardStringContext (toString stored);
      result = {
        type = "derivation";
        name = builtins.substring (builtins.stringLength builtins.storeDir + 34) (-1) plain;
        outPath = stored;
        outputs = [ "out" ];
        out = result;
        outputName = "out";
      };
    in
    result;
}
