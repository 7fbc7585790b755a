# Names are met where they are looked up, removed or read, though no set has them.
let
  look = name: [ (builtins.hasAttr "${name}-1" { }) ({ } ? ${"${name}-2"}) ({ }.${"${name}-3"} or 1) ];
  other = name: [ (removeAttrs { } [ "${name}-4" ]) (builtins.catAttrs "${name}-5" [ ]) (builtins.fromJSON ''{"${name}-6": 1}'') ];
  failing = map (number: map (name: "${name}-${number}") [ "second" "first" ]) [ "1" "2" "3" "4" "5" "6" ];
  fail = names: builtins.listToAttrs (map (name: { inherit name; value = throw name; }) names);
in
builtins.deepSeq [ (look "first") (other "first") ] (fail (builtins.concatLists failing))
