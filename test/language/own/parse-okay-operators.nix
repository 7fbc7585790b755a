a: b: c: d: with d;
[ (a -> b -> c) (a || b && c || d) (a == b || !a != b) (a < b == c >= d) (a // b // c) (!a ? b && c)
  (!a + b == c) (a * !b + c) (-a + b) (-a ? b) (-a.b c) (- - a) (!!a) (a ++ b ++ c) (a + b - c - d) (a * b / c)
  (a ? b.c ? d) (a + b ? c) (a ++ b ? c) (a ? "x".${b}."y${c}") (a.or or d) (a.b.c or d) (a.b or c d) (a.b or c.d or d)
  (a b.c (d a) b) ((a b) c d) ((a - b) c) (a <= b) (a >= b) (a > b) (-a b) (a - -b) (a // b == c // d)
  (a.${"b"}.${b}.or or c) (a or [ b ]) (a or b.or) (if a then b else c + d) (assert a; b) (with a; b + c) ]
