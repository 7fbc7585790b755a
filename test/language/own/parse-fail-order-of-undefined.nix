# Attributes are bound in the order in which their names were met, not in that of the text.
x: x.met-first or { met-second = undefined-second; met-first = undefined-first; }
