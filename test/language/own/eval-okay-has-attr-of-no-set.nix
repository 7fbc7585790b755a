[ (1 ? a) (1 ? a.b.c) (null ? "x y") ({ a = 1; } ? a.b) ]
