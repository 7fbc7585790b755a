/** Twice a number. */
x: x * 2
