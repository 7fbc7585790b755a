assert { "a b" = 1; } == { "a c" = 1; }; 1
