# What is nothing but the name of a definition made before it is that definition's value.
let get = x: x.met-first or x.met-second or x.met-third; in
toString (rec { met-second = met-first; met-first = 3; met-third = met-fourth; met-fourth = 4; })
