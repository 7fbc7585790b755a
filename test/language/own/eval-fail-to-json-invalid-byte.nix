# It is the byte that does not fit, not the one where its character begins.
builtins.toJSON (builtins.substring 0 2 "€" + "a")
