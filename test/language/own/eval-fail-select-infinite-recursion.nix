let set = { inner = set.inner.deep; }; in set.inner.deep.deeper
