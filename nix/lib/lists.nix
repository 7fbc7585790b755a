# Lists.
{ lib }:
let
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    listToAttrs
    partition
    sort
    tail
    ;
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;

  range = first: last: if first > last then [ ] else genList (index: first + index) (last - first + 1);
  sublist =
    start: count: list:
    let
      size = length list;
    in
    genList (index: elemAt list (start + index)) (
      if start >= size then
        0
      else if start + count > size then
        size - start
      else
        count
    );
  take = sublist 0;
  drop = count: list: sublist count (length list) list;
  foldr =
    function: nul: list:
    let
      size = length list;
      go = index: if index == size then nul else function (elemAt list index) (go (index + 1));
    in
    go 0;
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  imap0 = function: list: genList (index: function index (elemAt list index)) (length list);
  imap1 = function: list: genList (index: function (index + 1) (elemAt list index)) (length list);
  zipListsWith =
    function: left: right:
    genList (index: function (elemAt left index) (elemAt right index)) (min (length left) (length right));
  flatten = value: if isList value then concatMap flatten value else [ value ];
  reverseList =
    list:
    let
      size = length list;
    in
    genList (index: elemAt list (size - index - 1)) size;
  last = list: if list == [ ] then throw "lists.last: list must not be empty!" else elemAt list (length list - 1);

  # Strings are by far the usual case: those are told apart by a table instead of by comparing each with each.
  unique =
    list:
    if all builtins.isString list then
      (foldl'
        (
          state: item:
          let
            name = builtins.unsafeDiscardStringContext item;
          in
          if state.seen ? ${name} then
            state
          else
            {
              seen = state.seen // {
                ${name} = null;
              };
              items = state.items ++ [ item ];
            }
        )
        {
          seen = { };
          items = [ ];
        }
        list
      ).items
    else
      foldl' (items: item: if elem item items then items else items ++ [ item ]) [ ] list;
  uniqueStrings = list: builtins.attrNames (listToAttrs (map (name: { inherit name; value = null; }) list));

  findFirstIndex =
    predicate: default: list:
    let
      size = length list;
      go =
        index:
        if index >= size then
          default
        else if predicate (elemAt list index) then
          index
        else
          go (index + 1);
    in
    go 0;
in
{
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    map
    partition
    sort
    tail
    ;
  inherit
    range
    sublist
    take
    drop
    foldr
    optional
    optionals
    imap0
    imap1
    zipListsWith
    flatten
    reverseList
    last
    unique
    uniqueStrings
    findFirstIndex
    ;

  fold = foldr;
  foldl =
    function: nul: list:
    let
      go = index: if index == 0 then nul else function (go (index - 1)) (elemAt list (index - 1));
    in
    go (length list);
  singleton = value: [ value ];
  toList = value: if isList value then value else [ value ];
  forEach = list: function: map function list;
  init = list: if list == [ ] then throw "lists.init: list must not be empty!" else take (length list - 1) list;
  takeEnd = count: list: drop (max 0 (length list - count)) list;
  dropEnd = count: list: take (max 0 (length list - count)) list;
  count = predicate: foldl' (sum: item: if predicate item then sum + 1 else sum) 0;
  remove = item: filter (other: other != item);
  findSingle =
    predicate: default: multiple: list:
    let
      found = filter predicate list;
    in
    if found == [ ] then
      default
    else if length found != 1 then
      multiple
    else
      head found;
  findFirst =
    predicate: default: list:
    let
      index = findFirstIndex predicate null list;
    in
    if index == null then default else elemAt list index;
  replicate = count: value: genList (_: value) count;
  groupBy' =
    operator: nul: predicate: list:
    builtins.mapAttrs (_: foldl' operator nul) (lib.groupBy predicate list);
  groupBy =
    builtins.groupBy or (
      predicate: list:
      foldl' (
        groups: item:
        let
          key = predicate item;
        in
        groups // { ${key} = (groups.${key} or [ ]) ++ [ item ]; }
      ) { } list
    );
  zipLists = zipListsWith (
    fst: snd: {
      inherit fst snd;
    }
  );
  intersectLists = list: filter (item: elem item list);
  subtractLists = list: filter (item: !(elem item list));
  mutuallyExclusive = left: right: left == [ ] || !(any (item: elem item left) right);
  allUnique = list: length (unique list) == length list;
  crossLists = function: foldl' (functions: args: concatMap (function: map function args) functions) [ function ];
  sortOn =
    key: list:
    map (pair: elemAt pair 1) (
      sort (left: right: head left < head right) (
        map (item: [
          (key item)
          item
        ]) list
      )
    );
  compareLists =
    compare: left: right:
    if left == [ ] then
      if right == [ ] then 0 else -1
    else if right == [ ] then
      1
    else
      let
        first = compare (head left) (head right);
      in
      if first == 0 then lib.compareLists compare (tail left) (tail right) else first;
  naturalSort =
    list:
    let
      parts =
        text: map (part: if isList part then lib.toIntBase10 (head part) else part) (builtins.split "([0-9]+)" text);
      prepared = map (text: [
        (parts text)
        text
      ]) list;
      less = left: right: lib.compareLists lib.compare (head left) (head right) < 0;
    in
    map (pair: elemAt pair 1) (sort less prepared);
  ifilter0 =
    predicate: list:
    map (index: elemAt list index) (
      filter (index: predicate index (elemAt list index)) (genList (index: index) (length list))
    );

  # Dependency order. `before a b` says that a comes before b.
  toposort =
    before: list:
    let
      go =
        rest: done:
        let
          ready = filter (item: !(any (other: other != item && before other item) rest)) rest;
          first = head ready;
        in
        if rest == [ ] then
          { result = done; }
        else if ready == [ ] then
          {
            cycle = rest;
            loops = rest;
          }
        else
          go (filter (item: item != first) rest) (done ++ [ first ]);
    in
    go list [ ];
}
