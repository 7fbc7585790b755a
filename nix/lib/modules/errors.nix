# What the module system says when something is wrong: where it was written, what was found, and what was perhaps meant.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    map
    replaceStrings
    stringLength
    substring
    tryEval
    typeOf
    unsafeGetAttrPos
    ;
  inherit (lib.options) showOption;

  # Values are shown short and never deep: an error message must not become an error itself, nor a page.
  depthMax = 3;
  itemCountMax = 6;
  textLengthMax = 160;

  showValue = render 0;

  render =
    depth: value:
    let
      tried = tryEval (renderForced depth value);
    in
    if tried.success then tried.value else "<error>";

  renderForced =
    depth: value:
    if isString value then
      renderText value
    else if isBool value then
      (if value then "true" else "false")
    else if value == null then
      "null"
    else if isInt value || isFloat value || isPath value then
      toString value
    else if isFunction value then
      "<function>"
    else if isList value then
      if value == [ ] then
        "[ ]"
      else if depth >= depthMax then
        "[ … ]"
      else
        "[ ${concatStringsSep " " (shorten value (render (depth + 1)))} ]"
    else if isAttrs value then
      if value ? _type && value._type == "option" && value ? loc then
        "<option ${showOption value.loc}>"
      else if value ? type && value.type == "derivation" then
        "<derivation ${value.name or "?"}>"
      else if value == { } then
        "{ }"
      else if depth >= depthMax then
        "{ … }"
      else
        "{ ${
          concatStringsSep " " (
            shorten (attrNames value) (
              name: "${lib.strings.escapeNixIdentifier name} = ${render (depth + 1) value.${name}};"
            )
          )
        } }"
    else
      "<${typeOf value}>";

  renderText =
    text:
    let
      plain = builtins.unsafeDiscardStringContext text;
      short =
        if stringLength plain > textLengthMax then "${substring 0 textLengthMax plain}…" else plain;
    in
    "\"${replaceStrings [ "\\" "\"" "\n" "\${" ] [ "\\\\" "\\\"" "\\n" "\\\${" ] short}\"";

  shorten =
    list: show:
    if length list > itemCountMax then
      genList (index: show (elemAt list index)) itemCountMax ++ [ "…" ]
    else
      map show list;

  place =
    definition:
    let
      pos = definition.pos or null;
    in
    if pos == null then
      "`${toString definition.file}'"
    else if
      elem (toString definition.file) [
        pos.file
        "<unknown-file>"
      ]
    then
      "`${pos.file}:${toString pos.line}'"
    else
      "`${toString definition.file}' (${pos.file}:${toString pos.line})";

  # Where an attribute of a set was written; `where` when that is not known.
  placeIn =
    where: name: set:
    let
      pos = unsafeGetAttrPos name set;
    in
    if pos == null then where else "${pos.file}:${toString pos.line}";

  plainValue =
    value:
    let
      kind = value._type or null;
    in
    if
      elem kind [
        "if"
        "override"
        "order"
      ]
    then
      plainValue value.content
    else
      value;

  showDefinition = definition: "\n- In ${place definition}: ${showValue (plainValue definition.value)}";
  showDefinitions = definitions: lib.concatMapStrings showDefinition definitions;
  showFiles = files: lib.concatMapStringsSep " and " (file: "`${toString file}'") files;

  # How many single-letter changes (replace, insert, delete, swap of neighbours) make one word of the other.
  editDistance =
    left: right:
    let
      chars = text: genList (index: substring index 1 text) (stringLength text);
      lefts = chars left;
      rights = chars right;
      columnCount = length rights;
      min = a: b: if a < b then a else b;
      # Each row of the table is made from the two before it.
      final =
        foldl'
          (
            state: letter:
            let
              rowIndex = state.rowIndex + 1;
              row =
                foldl'
                  (
                    acc: column:
                    let
                      other = elemAt rights column;
                      replaced = elemAt state.row column + (if letter == other then 0 else 1);
                      deleted = elemAt state.row (column + 1) + 1;
                      inserted = acc.last + 1;
                      swapped =
                        if
                          rowIndex > 1
                          && column > 0
                          && letter == elemAt rights (column - 1)
                          && state.letter == other
                        then
                          elemAt state.before (column - 1) + 1
                        else
                          replaced;
                      cell = min (min replaced swapped) (min deleted inserted);
                    in
                    {
                      last = cell;
                      cells = acc.cells ++ [ cell ];
                    }
                  )
                  {
                    last = rowIndex;
                    cells = [ rowIndex ];
                  }
                  (genList (index: index) columnCount);
            in
            {
              inherit rowIndex letter;
              before = state.row;
              row = row.cells;
            }
          )
          {
            rowIndex = 0;
            letter = "";
            before = [ ];
            row = genList (index: index) (columnCount + 1);
          }
          lefts;
    in
    elemAt final.row columnCount;

  # The candidates nearest to a misspelt word.
  near =
    word: candidates:
    let
      wordLength = stringLength word;
      allowed = if wordLength <= 3 then 1 else if wordLength <= 7 then 2 else 3;
      gap = candidate: let d = stringLength candidate - wordLength; in if d < 0 then -d else d;
      lower = lib.strings.toLower;
      isPart = candidate: wordLength >= 3 && (lib.hasPrefix (lower word) (lower candidate) || lib.hasSuffix (lower word) (lower candidate));
      scored = concatMap (
        candidate:
        let
          distance = if gap candidate > allowed then 99 else editDistance (lower word) (lower candidate);
        in
        if distance <= allowed then
          [ { inherit candidate distance; } ]
        else if isPart candidate then
          [
            {
              inherit candidate;
              distance = 50;
            }
          ]
        else
          [ ]
      ) (filter (candidate: candidate != word && substring 0 1 candidate != "_") candidates);
      best = foldl' (least: entry: if entry.distance < least then entry.distance else least) 99 scored;
    in
    map (entry: entry.candidate) (lib.take 3 (filter (entry: entry.distance == best) scored));

  suggestAs =
    show: word: candidates:
    let
      found = near word candidates;
    in
    if found == [ ] then
      ""
    else
      " Did you mean ${lib.concatMapStringsSep " or " (candidate: "`${show candidate}'") found}?";

  suggest = suggestAs (name: name);

  containsOption =
    depth: value:
    isAttrs value
    && (
      value._type or null == "option"
      || (depth > 0 && !(value ? _type) && builtins.any (name: containsOption (depth - 1) value.${name}) (attrNames value))
    );

  # Definitions that no declaration answers to. `unmatched` is the first such name, with the names declared beside it.
  unknownOption =
    prefix:
    {
      loc,
      name,
      definitions,
      siblings,
    }:
    let
      full = loc ++ [ name ];
      hint = suggestAs (candidate: showOption (loc ++ [ candidate ])) name siblings;
      shown = filter (sibling: substring 0 1 sibling != "_") siblings;
      listed =
        if hint == "" && loc != [ ] && shown != [ ] && length shown <= 30 then
          "\n`${showOption loc}' has the options: ${concatStringsSep ", " shown}."
        else
          "";
      misplacedOption = builtins.any (
        definition:
        let
          tried = tryEval (containsOption 2 definition.value);
        in
        tried.success && tried.value
      ) definitions;
      asOption =
        if misplacedOption then
          "\nAn option is declared here as if it were a definition: declarations (mkOption) belong under `options', not under `config'. In types.submodule { … }, too."
        else if loc == prefix && elem name [ "options" "config" "imports" ] then
          "\nA module that has `config' or `options' keeps them at its top, not inside `config'."
        else
          "";
    in
    "The option `${showOption full}' does not exist.${hint} Definition values:${showDefinitions definitions}${listed}${asOption}";
in
{
  inherit
    showValue
    showDefinition
    showDefinitions
    showFiles
    placeIn
    editDistance
    near
    suggest
    suggestAs
    unknownOption
    ;
}
