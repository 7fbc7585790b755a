let x = { a = x; }; in x == x
