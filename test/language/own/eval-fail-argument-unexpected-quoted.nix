({ a }: a) { a = 1; "with space" = 2; }
