# A name is evaluated before the set in which it is looked for.
let set.inner = throw "set"; in set.inner.${throw "name"}
