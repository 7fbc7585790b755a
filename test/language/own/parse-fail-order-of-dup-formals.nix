x: x.met-first ({ met-second, met-second, met-first, met-first }: 1)
