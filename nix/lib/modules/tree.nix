# Declarations and definitions of many modules, merged name by name down to the options.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    filter
    foldl'
    head
    isAttrs
    mapAttrs
    partition
    removeAttrs
    tail
    typeOf
    unsafeGetAttrPos
    ;
  inherit (lib.attrsets) zipAttrsWith;
  inherit (lib.options) isOption mkOption showOption;
  inherit (lib.moduleErrors) showFiles showValue;
  inherit (lib.modules) evalOption kindOf mkIf mkOrder mkOverride unknownFile;
  inherit (lib) types;

  # A definition that covers several options at once, split into plain attribute sets. Conditions and priorities are handed down to each
  # attribute by `wrap` instead of being looked at, so which names exist never depends on a condition.
  pushDown =
    definition:
    let
      go =
        wrap: value:
        let
          kind = kindOf value;
        in
        if kind == null then
          [
            {
              inherit (definition) file;
              inherit wrap value;
            }
          ]
        else if kind == "merge" then
          concatMap (go wrap) value.contents
        else if kind == "if" then
          go (inner: wrap (mkIf value.condition inner)) value.content
        else if kind == "override" then
          go (inner: wrap (mkOverride value.priority inner)) value.content
        else if kind == "order" then
          go (inner: wrap (mkOrder value.priority inner)) value.content
        else
          [
            {
              inherit (definition) file;
              inherit wrap value;
            }
          ];
    in
    go (value: value) definition.value;

  definitionsByName =
    loc: definitions:
    zipAttrsWith (_: values: values) (
      map (
        { file, wrap, value }:
        if !isAttrs value then
          throw (
            if loc == [ ] then
              "The configuration in ${file} is a value of type ${typeOf value} instead of an attribute set."
            else
              "`${showOption loc}' is a set of options, not an option: it takes an attribute set, but ${file} gives it a value of type ${typeOf value}: ${showValue value}"
          )
        else
          mapAttrs (name: inner: {
            inherit file;
            value = wrap inner;
            pos = unsafeGetAttrPos name value;
          }) value
      ) (concatMap pushDown definitions)
    );

  mergeTree =
    loc: declarations: definitions:
    let
      declared = zipAttrsWith (_: values: values) (
        map (
          declaration:
          if isAttrs declaration.options then
            mapAttrs (name: options: {
              inherit (declaration) file;
              inherit options;
              pos = unsafeGetAttrPos name declaration.options;
            }) declaration.options
          else
            throw "The option tree `${showOption loc}' in ${declaration.file} is a value of type ${typeOf declaration.options}; option trees are made of attribute sets and mkOption."
        ) declarations
      );
      defined = definitionsByName loc definitions;
      nodes = mapAttrs (name: list: mergeNode (loc ++ [ name ]) list (defined.${name} or [ ])) declared;
    in
    {
      inherit declared defined;
      options = mapAttrs (_: node: node.options) nodes;
      config = mapAttrs (_: node: node.config) nodes;
      # Definitions without a declaration: for the freeform type, or an error.
      unmatched =
        map (name: {
          inherit loc name;
          definitions = defined.${name};
          siblings = attrNames declared;
        }) (attrNames (removeAttrs defined (attrNames declared)))
        ++ concatMap (node: node.unmatched) (attrValues nodes);
    };

  mergeNode =
    loc: declarations: definitions:
    # By far the most options are declared once.
    if tail declarations == [ ] && isOption (head declarations).options then
      asOption (evalOption loc (mergeDeclarations loc declarations) definitions)
    else
      mergeShared loc declarations definitions;

  asOption = declared: {
    options = declared;
    config = declared.value;
    unmatched = [ ];
  };

  mergeShared =
    loc: declarations: definitions:
    let
      split = partition (declaration: isOption declaration.options) declarations;
      notSubmodule = filter (declaration: !(acceptsSubOptions declaration.options)) split.right;
      acceptsSubOptions = option: (option.type or types.unspecified).name or null == "submodule";
    in
    if split.right == [ ] then
      let
        bad = filter (declaration: !isAttrs declaration.options) declarations;
      in
      if bad != [ ] then
        throw "The option `${showOption loc}' is declared in ${(head bad).file} by a value of type ${typeOf (head bad).options}; declare options with mkOption."
      else if (head declarations).options ? _type then
        throw "The option `${showOption loc}' is declared in ${(head declarations).file} by a value of type \"${toString (head declarations).options._type}\"; declare options with mkOption."
      else
        mergeTree loc declarations definitions
    else if split.wrong == [ ] then
      asOption (evalOption loc (mergeDeclarations loc declarations) definitions)
    else if notSubmodule == [ ] then
      # Options declared below an option whose type is a submodule become part of that submodule.
      asOption (
        evalOption loc (mergeDeclarations loc (
          map (
            declaration:
            if isOption declaration.options then
              declaration
            else
              declaration
              // {
                options = mkOption {
                  type = types.submoduleWith {
                    modules = [
                      {
                        _file = declaration.file;
                        inherit (declaration) options;
                      }
                    ];
                    shorthandOnlyDefinesConfig = null;
                  };
                };
              }
          ) declarations
        )) definitions
      )
    else
      throw "The option `${showOption loc}' in ${(head notSubmodule).file} would be a parent of options declared in ${
        showFiles (map (declaration: declaration.file) split.wrong)
      }, but its type `${
        (head notSubmodule).options.type.description or "unspecified value"
      }' has no options inside. Give it a submodule type, or rename one of them.";

  # The same option declared more than once: everything it says may be said only once, except the type, which is merged where it can be.
  mergeDeclarations =
    loc: declarations:
    if tail declarations == [ ] then
      let
        only = head declarations;
      in
      removeAttrs only.options [ "_type" ]
      // {
        inherit loc;
        declarations = [ (declarationFile only) ];
        declarationPositions = [ (declarationPosition only) ];
      }
    else
      foldl' (
        merged: declaration:
        let
          new = declaration.options;
          both = name: merged ? ${name} && new ? ${name};
          clash = filter both [
            "default"
            "defaultText"
            "example"
            "description"
            "apply"
          ];
          mergedType = merged.type.typeMerge new.type.functor;
        in
        if clash != [ ] || (both "type" && mergedType == null) then
          throw "The option `${showOption loc}' in ${declarationFile declaration} is already declared in ${showFiles merged.declarations}${
            if clash != [ ] then
              ": both give its ${head clash}."
            else
              ": the types `${merged.type.description}' and `${new.type.description}' cannot be merged."
          }"
        else
          merged
          // removeAttrs new [ "_type" ]
          // {
            declarations = merged.declarations ++ [ (declarationFile declaration) ];
            declarationPositions = merged.declarationPositions ++ [ (declarationPosition declaration) ];
          }
          // (if both "type" then { type = mergedType; } else { })
      ) {
        inherit loc;
        declarations = [ ];
        declarationPositions = [ ];
      } declarations;

  # Modules inside types are written in a file that loading them does not know; the position of the attribute does.
  declarationFile =
    declaration:
    if declaration.file == unknownFile && declaration.pos or null != null then
      declaration.pos.file
    else
      declaration.file;

  declarationPosition =
    declaration:
    if declaration.pos or null != null then
      { inherit (declaration.pos) file line column; }
    else
      {
        inherit (declaration) file;
        line = null;
        column = null;
      };
in
{
  inherit
    mergeTree
    ;
}
