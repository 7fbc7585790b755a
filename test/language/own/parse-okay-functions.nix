[ (x: x) ({ }: 1) ({ ... }: 1) ({ a }: a) ({ a, }: a) ({ a, b ? a, ... }: b) ({ a }@x: x) (x@{ a ? x, ... }: a) ({ }@x: x)
  (x@{ }: x) ({ a ? { b, ... }: b }: a) (a: b: { c }: d: a) { f = a: b: c: a; } (x: with x; y) (x: y: with x; with y; z x) ]
