x: y:
[ ./a ../b a/b /a/b/../c ./. ~/x /. x+y/z -x/y 1/2 1.5/2 .../a _a/b
  ./${x} ./a/${x}/b${y}c /${x} ~/${x} ./a${x}.b a/${x} ./a/b//${x} ./${x}/${y}/z
  <nixpkgs> <nixpkgs/lib> <a.b/c-d> (<nixpkgs> { }) (1 / 2) (x/y) (x / y) ]
