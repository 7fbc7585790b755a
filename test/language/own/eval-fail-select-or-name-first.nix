let set.inner = throw "set"; in set.inner.${throw "name"} or 1
