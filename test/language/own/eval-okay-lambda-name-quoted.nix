{ "x y" = (x: x); f = (x: x); }
