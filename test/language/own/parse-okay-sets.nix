z: i:
rec {
  a.b = 1;
  a.c.d = 2;
  a = { e = 3; "f g" = 4; ${"h"} = 5; };
  inherit z;
  inherit (a) b-c "q r" ${"o"} or;
  inherit (z) t;
  x = y: y;
  y = { inherit; inherit (x); };
  "if" = 1;

  ${x} = 3;
  u.${x}.w = 4;
  u."${x}" = 5;
  n = let { body = a; a = 1; };
  m = let a = { x = 1; }; a.y = 2; inherit (a) b; in a;
  k = rec { i = 1; } // { };
  r.i = 1;
  r = rec { j = i; };
  s = rec { j = i; };
  s.i = 2;
}
