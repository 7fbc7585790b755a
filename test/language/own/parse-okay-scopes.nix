let __sub = a: b: a; __lessThan = a: b: true; __findFile = a: b: b; in
with { x = 1; }; [ (1 - 2) (-1) (1 < 2) <x> x (let y = 1; in with y; [ x y z ]) __curPos ]
