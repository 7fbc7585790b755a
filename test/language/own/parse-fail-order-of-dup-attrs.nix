x: x.met-first { a = { met-second = 1; met-first = 1; }; a = { met-second = 2; met-first = 2; }; }
