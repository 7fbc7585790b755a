# On x86, what has no result is negative, and what is made of something that is no number keeps its sign.
let
  read = text: (builtins.fromTOML "a = ${text}").a;
  plus = read "nan";
  minus = read "-nan";
  none = 1.0e308 * 10 - 1.0e308 * 10;
in
[
  (map read [ "nan" "+nan" "-nan" ])
  (builtins.fromTOML ''
    -nan = [ nan, -nan ] # -nan
    text = "-nan"
  '')
  [ (-plus) (-minus) (-none) (toString plus) (toString minus) ]
  [ (1 + plus) (plus + 1) (1.5 - plus) (plus * 2) (2 / plus) (plus + minus) (minus + plus) (plus - minus) (minus - plus) ]
  [ (plus * minus) (minus * plus) (plus / minus) (minus / plus) (builtins.add plus minus) (builtins.add minus plus) ]
  (builtins.toJSON [ plus minus ])
  (builtins.toXML plus)
]
