let set = { inner = set.inner.deep or 1; }; in set.inner.deep.deeper or 2
